//! Who died, by what the kernel says in its log.

use serde::Serialize;

use crate::evidence::printk::{Caller, Line};
use crate::evidence::splats;

/// How `panic()` begins its message (`kernel/panic.c`).
pub(super) const PANIC: &str = "Kernel panic - not syncing";
/// How many lines behind the message are searched for the one that names the task.
const NEAR: usize = 40;

/// Who died, and why; nothing where the log does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Crash {
    /// The words of the first panic.
    pub panic: Option<String>,
    /// The CPU that panicked; without a panic the one of the last report.
    pub cpu: Option<u32>,
    /// What it was executing.
    pub task: Option<Task>,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Task {
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

/// The lines of a log.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.lines().map(Line::parse)
}

impl Crash {
    /// By the text of a log.
    pub(super) fn of(text: &str) -> Self {
        let lines: Vec<Line<'_>> = lines(text).collect();
        let at = lines.iter().position(|line| line.message.starts_with(PANIC));
        let who = match at {
            // After an oops panic() does not tell it again, so that the last report before it counts.
            Some(at) => {
                let caller = lines.get(at).and_then(|line| line.caller);
                let same = |line: &&Line<'_>| caller.is_none() || line.caller == caller;
                let (before, behind) = lines.split_at(at);
                let behind = behind.iter().take(NEAR).filter(same).find_map(|line| teller(line.message));
                behind.or_else(|| before.iter().rev().filter(same).find_map(|line| teller(line.message)))
            }
            None => lines.iter().rev().find_map(|line| teller(line.message)),
        };
        let by_prefix = at.and_then(|at| lines.get(at)?.caller).and_then(|caller| match caller {
            Caller::Cpu(cpu) => Some(cpu),
            Caller::Task(_) => None,
        });
        let cpu = who.as_ref().map(|(cpu, _)| *cpu).or(by_prefix);
        Self { panic: splats::first_panic(text), cpu, task: who.map(|(_, task)| task) }
    }
}

/// `CPU: 1 UID: 0 PID: 47 Comm: crashlab/0 Kdump: loaded Not tainted 6.12.117 #1` (`dump_stack_print_info()`); without
/// `UID` before 6.12.
fn teller(message: &str) -> Option<(u32, Task)> {
    let (cpu, rest) = message.split_once("CPU: ")?.1.split_once(' ')?;
    let (pid, rest) = rest.split_once("PID: ")?.1.split_once(" Comm: ")?;
    // A name may have blanks in it.
    let end = [" Kdump: ", " Not tainted", " Tainted: "].iter().filter_map(|mark| rest.find(mark)).min()?;
    Some((cpu.parse().ok()?, Task { pid: pid.parse().ok()?, name: rest.get(..end)?.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crash(panic: &str, cpu: u32, pid: u32, name: &str) -> Crash {
        Crash { panic: Some(panic.to_owned()), cpu: Some(cpu), task: Some(Task { pid, name: name.to_owned() }) }
    }

    #[test]
    fn who_panicked_is_told_behind_the_panic_or_by_the_oops_before_it() {
        let alone = "<0>[    2.000000][   T47] Kernel panic - not syncing: sysrq\n\
                     <4>[    2.000001][    C3] CPU: 3 UID: 0 PID: 0 Comm: swapper/3 Not tainted 6.12.1 #1\n\
                     <4>[    2.000002][   T47] CPU: 1 UID: 0 PID: 47 Comm: my shell Kdump: loaded Not tainted 6.12.1 #1\n";
        assert_eq!(Crash::of(alone), crash("sysrq", 1, 47, "my shell"));
        let old = alone.replace("UID: 0 ", "").replace("[   T47]", "").replace("<4>[    2.000001][    C3] CPU: 3", "x");
        assert_eq!(Crash::of(&old), crash("sysrq", 1, 47, "my shell"));
        let oops = "[    1.000000] CPU: 2 PID: 9 Comm: a Tainted: G        W\n[    1.000000] Kernel panic - not syncing: \
                    Fatal exception\n";
        assert_eq!(Crash::of(oops), crash("Fatal exception", 2, 9, "a"));
        let silent = "[    1.000000][    C5] Kernel panic - not syncing: x\n";
        assert_eq!(Crash::of(silent), Crash { panic: Some("x".to_owned()), cpu: Some(5), task: None });
        let warning = "[    1.000000] CPU: 2 PID: 9 Comm: a Not tainted 6.1\n";
        assert_eq!(Crash::of(warning).cpu, Some(2));
        assert_eq!(Crash::of("CPU: x PID: Comm: "), Crash::default());
    }
}
