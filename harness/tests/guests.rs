//! Guests that do not behave, and a harness that dies: on real guests, in virtual time.

#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Project, text};

/// A scenario of one actor or more, for the test's own project.
fn scenario(name: &str, rest: &str) -> String {
    let expect = "expect:\n  - { channel: console, outcome: saved }\n";
    format!("name: {name}\ntitle: a test\nwhy: a test\n{rest}{expect}")
}

fn trial(project: &Project, scenario: &str) -> serde_json::Value {
    project.json(&["trial", scenario, "--time", "virtual", "--seed", "1", "--format", "json"], 0)
}

#[test]
fn a_guest_that_does_not_end_is_hung_and_its_evidence_counts() {
    let project = Project::new();
    // With a timeout of 0, panic() ends in an endless loop, after the dump.
    let knob = "deadline: 2s\nknobs:\n  - sysctl: { name: kernel.panic, value: 0 }\n";
    let actors = "actors:\n  - panic: { name: panic, cpu: 0, at: 0ms }\n";
    project.write("scenarios/panic-for-ever.yaml", &scenario("panic-for-ever", &format!("{knob}{actors}")));
    let record = trial(&project, "panic-for-ever");
    assert_eq!((&record["outcome"], &record["hung"]), (&"counted".into(), &true.into()), "{record:#}");
    assert_eq!(record["channels"]["pstore"]["outcome"], "saved", "{record:#}");
    let registers = project.results().join("latest/artifacts/00000/registers.txt");
    assert_eq!(std::fs::read_to_string(registers).unwrap().matches("RIP=").count(), 4);
}

#[test]
fn faults_that_do_not_meet_are_missed() {
    let project = Project::new();
    // The hold is over long before the panic.
    let rest = "actors:\n  - hold-backend-write: { name: dump, cpu: 1, for: 1ms }\n  - oops: { name: oops, cpu: 1, at: 0ms }\n  \
                - panic: { name: panic, cpu: 0, after: { actor: dump, edge: left, delay: 20ms } }\n\
                meet:\n  - enters-during: { actor: panic, of: dump }\n";
    project.write("scenarios/too-late.yaml", &scenario("too-late", rest));
    let record = trial(&project, "too-late");
    assert_eq!(record["outcome"], "missed", "{record:#}");
    assert!(record["reason"].as_str().unwrap().contains("panic"), "{record:#}");
}

#[test]
fn a_kernel_that_never_gets_to_the_agent_is_shown_with_its_console() {
    let project = Project::new();
    let variant = "name: no-init\ntitle: a test\nclaim: none\nsource: this test\ncommand-line: [rdinit=/nowhere]\n";
    project.write("guest-kernel/variants/no-init/variant.yaml", variant);
    let output = project.run(&["run", "--scenario", "panic-alone", "--variant", "no-init"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("kernel no-init@6.12") && said.contains("No working init found"), "{said}");
}

#[test]
fn ctrl_c_finishes_what_is_running_and_keeps_it() {
    let project = Project::new();
    let mut child = project
        .harness(&["run", "--scenario", "panic-alone", "--trials", "500", "--time", "virtual", "--seed", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let trials = project.results().join("latest/trials.jsonl");
    let lines = || std::fs::read_to_string(&trials).map_or(0, |text| text.lines().count());
    wait_until("a trial is on disk", || lines() >= 2);
    signal(child.id(), rustix::process::Signal::INT);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(3));
    let finished = lines();
    assert!((2..500).contains(&finished), "{finished}");
    let summary = std::fs::read(project.results().join("latest/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(summary["cells"][0]["trials"], finished);
}

#[test]
fn no_qemu_outlives_a_harness_that_is_killed() {
    let project = Project::new();
    let mut child = project
        .harness(&["run", "--scenario", "panic-alone", "--trials", "500", "--cold", "--time", "virtual", "--seed", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut qemus = Vec::new();
    wait_until("a QEMU runs", || {
        qemus = children_of(child.id());
        !qemus.is_empty() && qemus.iter().all(|pid| command_of(*pid).contains("qemu-system"))
    });
    signal(child.id(), rustix::process::Signal::KILL);
    child.wait().unwrap();
    wait_until("every QEMU is gone", || qemus.iter().all(|pid| !command_of(*pid).contains("qemu-system")));
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

fn children_of(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn command_of(pid: u32) -> String {
    let path = format!("/proc/{pid}/cmdline");
    std::fs::read(Path::new(&path)).map(|bytes| text(&bytes)).unwrap_or_default()
}

/// Long enough for a machine that builds the kernel first.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(1800), "{what}: not within half an hour");
        std::thread::sleep(Duration::from_millis(20));
    }
}
