use super::*;
use crate::evidence::vmcore::{self, Core};
use crate::evidence::{Evidence, Facts, RawEvidence, printk_ring};
use crate::model::timeline::Timeline;
use crate::verdict::testlog::{NONCE, OF};
use crate::verdict::witness;
use harness_testdata::printk_ring::{Kernel, RingBuilder};
use harness_testdata::vmcore::{CoreBuilder, registers};

const TEXT: u64 = 0xffff_ffff_8100_0000;

fn tail() -> Tail {
    Tail::of_panic(NONCE, OF)
}

fn due(saved: impl IntoIterator<Item = u32>) -> ExpectedDump<'static> {
    ExpectedDump { build_id: "abcd".to_owned(), saved_registers: saved.into_iter().collect(), online: None }
}

/// A dump of a kernel that has logged the witness lines and, if it did, its panic; CPUs 0 and 2 have saved their
/// registers.
fn dump(panicked: bool) -> Dump {
    let mut ring = RingBuilder::new(Kernel::V6_12, 6, 14);
    for number in 1..=OF {
        ring.push(2_000_000, 1, &witness::line(NONCE, number, OF));
    }
    if panicked {
        ring.push(3_000_000, 0x8000_0000, &format!("Kernel panic - not syncing: crashlab {NONCE}"));
        ring.push(3_000_000, 47, "CPU: 2 UID: 0 PID: 47 Comm: crashlab/2 Kdump: loaded Not tainted 6.12.117 #1");
    }
    let saved = [(0, registers(0, TEXT, 0x246)), (2, registers(47, TEXT + 0x10, 0x46))];
    let core = saved.iter().fold(CoreBuilder::new("BUILD-ID=abcd\n"), |core, (_, saved)| core.registers(Some(*saved)));
    let cpu = |(cpu, registers)| vmcore::DumpedCpu { cpu, registers, at: format!("function_{cpu}+0x1") };
    Dump {
        free_kib: 13_000,
        core: Core::parse(&core.segment(TEXT, 0, 4096).head()).unwrap(),
        log: Some(ring.raw()),
        cpus: saved.map(cpu).into(),
        panic_cpu: Some(2),
        without_symbols: false,
        pieces: std::collections::BTreeMap::new(),
    }
}

fn judged(dump: &Dump, due: &ExpectedDump, tail: &Tail) -> (ChannelOutcome, String) {
    let facts = Facts { capture: Some(Capture::Read(Box::new(dump.clone()))), ..Facts::default() };
    let Evidence { facts, dumped_log, .. } = Evidence::decode(&RawEvidence::default(), facts);
    let log = dumped_log.as_ref().map(|log| log.as_ref().map_err(String::as_str));
    let verdict = judge_kdump(&facts.capture.unwrap(), log, due, tail);
    (verdict.outcome, verdict.detail)
}

#[test]
fn a_dump_with_the_logs_end_is_saved() {
    assert_eq!(judged(&dump(true), &due([0, 2]), &tail()), (ChannelOutcome::Saved, String::new()));
    assert_eq!(judged(&dump(true), &due([]), &tail()).0, ChannelOutcome::Saved, "nobody has looked");
}

#[test]
fn the_log_is_judged_as_any_other() {
    assert_eq!(judged(&dump(false), &due([]), &tail()).0, ChannelOutcome::Truncated);
    assert_eq!(judged(&dump(false), &due([]), &tail().without_panic()).0, ChannelOutcome::Saved);
    let other = Tail::of_panic("fedcba9876543210", OF);
    assert_eq!(judged(&dump(true), &due([]), &other).0, ChannelOutcome::Lost);
}

#[test]
fn a_dump_that_is_not_as_it_should_be_is_bad_whatever_its_log_has() {
    let bad = |dump: &Dump, due: &ExpectedDump| {
        let (outcome, detail) = judged(dump, due, &tail());
        assert_eq!(outcome, ChannelOutcome::VmcoreBad, "{detail}");
        detail
    };
    let other = ExpectedDump { build_id: "ef01".to_owned(), ..due([]) };
    assert_eq!(bad(&dump(true), &other), "it is of the kernel with the build id abcd, not ef01");
    let missing = "it lacks registers of CPUs that were seen saving them: 1, 3";
    assert_eq!(bad(&dump(true), &due([0, 1, 2, 3])), missing);
    let two = Timeline { cpus: 4, online: Some([0, 1].into()), ..Timeline::default() };
    let all = Timeline { cpus: 4, ..Timeline::default() };
    let offline = |timeline| ExpectedDump { online: Some(Timeline::online_at(timeline, 0)), ..due([0]) };
    assert_eq!(bad(&dump(true), &offline(&two)), "it has registers of CPUs that were not online: 2");
    assert_eq!(judged(&dump(true), &offline(&all), &tail()).0, ChannelOutcome::Saved);
    let mut fewer = dump(true);
    fewer.cpus.pop();
    let differ = "it has the registers of 2 CPUs in its notes, and of 1 in the kernel's memory";
    assert_eq!(bad(&fewer, &due([])), differ);
    let mut cut = dump(true);
    cut.log.as_mut().unwrap().text.clear();
    assert_eq!(bad(&cut, &due([])), "the kernel's log is cut off: the text");
    let anonymous = Core::parse(&CoreBuilder::new("X=y\n").segment(TEXT, 0, 4096).head()).unwrap();
    let anonymous = Dump { core: anonymous, cpus: Vec::new(), ..dump(true) };
    assert_eq!(bad(&anonymous, &due([])), "it does not tell its kernel's build id");
}

/// Nobody looked for what its CPUs saved, and nobody knows its build id.
#[test]
fn of_a_kernel_without_symbols_the_log_is_judged() {
    let anybody = ExpectedDump { build_id: String::new(), ..due([]) };
    let unseen = Dump { cpus: Vec::new(), panic_cpu: None, without_symbols: true, ..dump(true) };
    assert_eq!(judged(&unseen, &anybody, &tail()), (ChannelOutcome::Saved, String::new()));
    assert_eq!(judged(&Dump { without_symbols: false, ..unseen }, &anybody, &tail()).0, ChannelOutcome::VmcoreBad);
}

#[test]
fn a_capture_that_fails_before_there_is_a_dump_says_where() {
    use ChannelOutcome::{CaptureHung, NoVmcore, NotEntered, NotLoaded, VmcoreBad};
    let text = || "it is so".to_owned();
    let captures = [
        (Capture::NotLoaded, NotLoaded, "no crash kernel was loaded"),
        (Capture::NotEntered, NotEntered, "the crash kernel was loaded, and not entered"),
        (Capture::Hung(text()), CaptureHung, "it is so"),
        (Capture::NoVmcore(text()), NoVmcore, "it is so"),
        (Capture::Bad(text()), VmcoreBad, "it is so"),
    ];
    for (capture, outcome, detail) in captures {
        let verdict = judge_kdump(&capture, None, &due([]), &tail());
        let expected = ChannelVerdict::new(outcome, 0, OF, detail.to_owned());
        assert_eq!(verdict, expected);
        let facts = Facts { capture: Some(capture), ..Facts::default() };
        assert_eq!(Evidence::decode(&RawEvidence::default(), facts).dumped_log, None);
    }
}

#[test]
fn a_crash_kernel_that_fails_is_told_by_its_stage_and_its_last_lines() {
    let said = |outcome, console: &str| {
        let verdict = ChannelVerdict::new(outcome, 0, OF, "it ended".to_owned());
        with_last_words(verdict, &crate::evidence::console::decode(console.as_bytes())).detail
    };
    let boot = "[    0.000000] Linux version 6.12.117\n[    0.1] a\n[    0.2] b\n\n[    0.3] c\n[    0.4] d\n";
    let hung = ChannelOutcome::CaptureHung;
    let all = "\n  | [    0.000000] Linux version 6.12.117\n  | [    0.1] a\n  | [    0.2] b\n  | [    0.3] c\n  | [    0.4] d";
    assert_eq!(said(hung, boot), format!("it ended; it was booting{all}"));
    for (line, stage) in [
        ("Run /init as init process", "its agent had begun"),
        (
            "BUG: kernel NULL pointer dereference, address: 8",
            "it oopsed: BUG: kernel NULL pointer dereference, address: 8",
        ),
        ("init: page allocation failure: order:0", "it had no memory: page allocation failure: order:0"),
        (
            "Kernel panic - not syncing: System is deadlocked on memory",
            "it panicked: Kernel panic - not syncing: System is deadlocked on memory",
        ),
    ] {
        let detail = said(hung, &format!("{boot}[    0.5] {line}\n"));
        assert!(detail.starts_with(&format!("it ended; {stage}\n")), "{detail}");
        assert!(detail.ends_with(&format!("  | [    0.5] {line}")), "{detail}");
    }
    // An oops that ends in a panic is that.
    let both = said(hung, "BUG: bad\nOops: 0000\nKernel panic - not syncing: Fatal exception\n");
    assert!(both.starts_with("it ended; it panicked: Kernel panic - not syncing: Fatal exception\n"), "{both}");
    assert!(said(hung, "earlyprintk").starts_with("it ended; it had begun to print\n"));
    assert_eq!(said(hung, " \n"), "it ended");
    assert_eq!(said(ChannelOutcome::Saved, boot), "it ended", "of one that did not fail there is nothing to tell");
    let long = said(hung, &"x".repeat(10_000));
    assert!(long.chars().count() < 200, "{}", long.len());
}

#[test]
fn what_is_recorded_names_the_task_that_panicked() {
    let dump = dump(true);
    let log = printk_ring::decode(dump.log.as_ref().unwrap()).unwrap();
    let cpu = |cpu, pid| DumpedCpu { cpu, pid, at: format!("function_{cpu}+0x1") };
    let expected = Dumped {
        free_kib: 13_000,
        panic_cpu: Some(2),
        task: Some("crashlab/2".to_owned()),
        cpus: vec![cpu(0, 0), cpu(2, 47)],
    };
    assert_eq!(dumped(&dump, Some(&log)), expected);
    assert_eq!(dumped(&dump, None).task, None);
}
