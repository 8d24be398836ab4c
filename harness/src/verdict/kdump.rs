//! The judgement over what a crash kernel could read of the dead one's memory.

use std::collections::BTreeSet;

use crate::evidence::console::Console;
use crate::evidence::printk_ring::Log;
use crate::evidence::vmcore::{Capture, Dump};
use crate::model::timeline::Online;
use crate::model::{ChannelOutcome, ChannelVerdict, Dumped, DumpedCpu};
use crate::text::clipped;
use crate::verdict::retention::text_of_dump;
use crate::verdict::tail::{Tail, judge_text};

/// The last lines of a crash kernel's console that are shown, and the characters of each, at most.
const LAST_LINES: usize = 5;
const LINE_CHARS: usize = 120;

/// What must be in a dump.
#[derive(Debug, Clone, Default)]
pub struct ExpectedDump<'a> {
    /// The build id of the kernel that died; empty if that is not known.
    pub build_id: String,
    /// CPUs that were seen saving their registers: those that took the crash stop, and the one that jumped to the crash
    /// kernel; empty where nobody has looked.
    pub saved_registers: BTreeSet<u32>,
    /// CPUs that were online, of which alone it may have registers; none where that is not known.
    pub online: Option<Online<'a>>,
}

/// What became of a dump of the kernel's memory. `log`: the log in it, or why that cannot be read; none if there is no
/// dump.
pub fn judge_kdump(
    capture: &Capture,
    log: Option<Result<&Log, &str>>,
    expected: &ExpectedDump<'_>,
    tail: &Tail,
) -> ChannelVerdict {
    let failed = |outcome, detail: &str| ChannelVerdict::new(outcome, 0, tail.of, detail.to_owned());
    match capture {
        Capture::NotLoaded => failed(ChannelOutcome::NotLoaded, "no crash kernel was loaded"),
        Capture::NotEntered => failed(ChannelOutcome::NotEntered, "the crash kernel was loaded, and not entered"),
        Capture::Hung(how) => failed(ChannelOutcome::CaptureHung, how),
        Capture::NoVmcore(why) => failed(ChannelOutcome::NoVmcore, why),
        Capture::Bad(why) => failed(ChannelOutcome::VmcoreBad, why),
        Capture::Read(dump) => judge_dump(dump, log, expected, tail),
    }
}

fn judge_dump(
    dump: &Dump,
    log: Option<Result<&Log, &str>>,
    expected: &ExpectedDump<'_>,
    tail: &Tail,
) -> ChannelVerdict {
    let verdict = judge_text(&text_of_dump(log.and_then(Result::ok)), tail);
    let of_log = log.and_then(Result::err).map(str::to_owned);
    let faults: Vec<String> = faults(dump, expected).into_iter().chain(of_log).collect();
    if faults.is_empty() {
        return verdict;
    }
    ChannelVerdict { outcome: ChannelOutcome::VmcoreBad, detail: faults.join("; "), ..verdict }
}

/// What of a dump is not as it should be.
fn faults(dump: &Dump, expected: &ExpectedDump<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    match dump.core.info.text("BUILD-ID") {
        Some(id) if !expected.build_id.is_empty() && id != expected.build_id => {
            faults.push(format!("it is of the kernel with the build id {id}, not {}", expected.build_id));
        }
        Some(_) => {}
        None => faults.push("it does not tell its kernel's build id".to_owned()),
    }
    let (noted, saved) = (dump.core.registers.len(), dump.cpus.len());
    if noted != saved && !dump.without_symbols {
        faults
            .push(format!("it has the registers of {noted} CPUs in its notes, and of {saved} in the kernel's memory"));
    }
    let there: BTreeSet<u32> = dump.cpus.iter().map(|cpu| cpu.cpu).collect();
    if let Some(missing) = listed(expected.saved_registers.difference(&there)) {
        faults.push(format!("it lacks registers of CPUs that were seen saving them: {missing}"));
    }
    if let Some(more) =
        expected.online.as_ref().and_then(|online| listed(there.iter().filter(|cpu| !online.has(**cpu))))
    {
        faults.push(format!("it has registers of CPUs that were not online: {more}"));
    }
    faults
}

/// `1, 3`; none if there are none.
fn listed<'a>(cpus: impl Iterator<Item = &'a u32>) -> Option<String> {
    let cpus: Vec<String> = cpus.map(ToString::to_string).collect();
    (!cpus.is_empty()).then(|| cpus.join(", "))
}

/// The verdict, which of a crash kernel that was entered and has handed over nothing tells how far it came, and its last
/// lines.
pub fn with_last_words(verdict: ChannelVerdict, console: &Console) -> ChannelVerdict {
    let failed = matches!(verdict.outcome, ChannelOutcome::CaptureHung | ChannelOutcome::NoVmcore);
    let Some(stage) = stage(console).filter(|_| failed) else { return verdict };
    let lines: Vec<&str> = console.text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().iter();
    let mut detail = format!("{}; {stage}", verdict.detail);
    for line in last {
        detail += "\n  | ";
        detail += &clipped(line, LINE_CHARS);
    }
    ChannelVerdict { detail, ..verdict }
}

/// How far a crash kernel came, by what it printed: the last that tells of its death, else of its life. None if it printed
/// nothing.
fn stage(console: &Console) -> Option<String> {
    const DEATHS: [(&str, &[&str]); 3] = [
        ("it panicked", &["Kernel panic - not syncing: "]),
        (
            "it had no memory",
            &["Out of memory: ", "page allocation failure", "Initramfs unpacking failed: write error"],
        ),
        ("it oopsed", &["BUG: ", "Oops: ", "kernel BUG at ", "general protection fault"]),
    ];
    const LIFE: [(&str, &str); 2] =
        [("Run /init as init process", "its agent had begun"), ("Linux version ", "it was booting")];
    for (how, marks) in DEATHS {
        let from_mark = |line: &str| {
            let at = marks.iter().find_map(|mark| line.find(mark))?;
            line.get(at..).map(|line| clipped(line.trim_end(), LINE_CHARS))
        };
        if let Some(line) = console.text.lines().rev().find_map(from_mark) {
            return Some(format!("{how}: {line}"));
        }
    }
    let alive = LIFE.iter().find(|(mark, _)| console.text.contains(mark)).map(|(_, stage)| (*stage).to_owned());
    alive.or_else(|| (!console.text.trim().is_empty()).then(|| "it had begun to print".to_owned()))
}

/// What is recorded of a dump.
pub fn dumped(dump: &Dump, log: Option<&Log>) -> Dumped {
    let panicked = dump.panic_cpu.and_then(|cpu| dump.cpus.iter().find(|there| there.cpu == cpu));
    let task = panicked.and_then(|cpu| log.and_then(|log| name_of(log, cpu.registers.pid)));
    let cpu = |cpu: &crate::evidence::vmcore::DumpedCpu| DumpedCpu {
        cpu: cpu.cpu,
        pid: cpu.registers.pid,
        at: cpu.at.clone(),
    };
    Dumped { free_kib: dump.free_kib, panic_cpu: dump.panic_cpu, task, cpus: dump.cpus.iter().map(cpu).collect() }
}

/// The name of a task, by the last report of an oops or panic of its: `CPU: 0 UID: 0 PID: 47 Comm: crashlab/0 Not
/// tainted`.
fn name_of(log: &Log, pid: u32) -> Option<String> {
    let of = |text: &str| {
        let (_, rest) = text.split_once(&format!(" PID: {pid} Comm: "))?;
        rest.split(' ').next().map(str::to_owned)
    };
    log.records.iter().rev().find_map(|record| of(&record.text))
}

#[cfg(test)]
mod tests;
