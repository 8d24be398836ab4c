//! The log in the guest's memory against what the kernel itself showed of it, on real guests.
//!
//! In virtual time, but for a cold guest, which is judged by nothing that takes time.

use crate::common::{Project, text};
use serde_json::{Value, json};

fn trial(project: &Project, arguments: &[&str]) -> Value {
    let seed = ["--seed", "1", "--format", "json"];
    let record = project.json(&[&["trial"], arguments, &seed].concat(), 0);
    assert_eq!(record["outcome"], "counted", "{record:#}");
    assert_eq!(record["log_unknown"], Value::Null, "{record:#}");
    record
}

fn artifact(project: &Project, name: &str) -> String {
    text(&std::fs::read(project.results().join("latest/artifacts/00000").join(name)).unwrap())
}

/// The kernel's own lines on the console.
fn console(project: &Project) -> Vec<String> {
    let console = artifact(project, "console.log").replace('\r', "");
    console.lines().filter(|line| line.starts_with('[')).map(str::to_owned).collect()
}

fn log(project: &Project) -> Vec<String> {
    artifact(project, "log.txt").lines().map(str::to_owned).collect()
}

/// That a channel kept all lines of a record's log.
fn kept_all(record: &Value, channel: &str) {
    let (kept, lines) = (&record["channels"][channel]["log"], &record["log"]["lines"]);
    assert_eq!(*kept, json!({"lines": lines, "of": lines}), "{record:#}");
}

#[test]
fn the_log_in_memory_is_what_the_console_showed_since_the_boot() {
    let project = Project::new();
    // `ignore_loglevel`: the console shows what is for debugging too.
    let variant = "name: chatty\ntitle: a test\nclaim: none\nsource: this test\ncommand-line: [ignore_loglevel]\n";
    project.write("guest-kernel/variants/chatty/variant.yaml", variant);
    let record = trial(&project, &["panic-alone", "--cold", "--variant", "chatty"]);
    kept_all(&record, "console");
    kept_all(&record, "pstore");
    assert_eq!(record["log"]["panic"], true, "{record:#}");
    let (shown, logged) = (console(&project), log(&project));
    assert!(logged.len() > 100 && logged[0].contains("Linux version"), "{logged:#?}");
    assert_eq!(shown, logged);
}

#[test]
fn a_log_that_is_not_the_kernels_own_array_is_found() {
    let project = Project::new();
    // Larger than what is linked: it is allocated, and lies in the direct map.
    let variant = "name: long-log\ntitle: a test\nclaim: none\nsource: this test\ncommand-line: [log_buf_len=1M]\n";
    project.write("guest-kernel/variants/long-log/variant.yaml", variant);
    let record = trial(&project, &["panic-alone", "--time", "virtual", "--variant", "long-log"]);
    kept_all(&record, "console");
    kept_all(&record, "pstore");
    assert!(log(&project).iter().any(|line| line.ends_with("log_buf_len: 1048576 bytes")));
}

#[test]
fn what_is_lost_is_named_and_what_is_there_was_logged() {
    let project = Project::new();
    // The crash stop cuts off who holds pstore's lock: there is no dump of the panic.
    let point = ["panic-during-oops-dump", "--param", "hold=300ms", "--param", "post_notifiers=1"];
    let record = trial(&project, &[&point[..], &["--time", "virtual"]].concat());
    kept_all(&record, "console");
    let kept = &record["channels"]["pstore"]["log"];
    assert_eq!((&kept["lines"], &kept["of"]), (&json!(0), &record["log"]["lines"]), "{record:#}");
    assert!(kept["first_lost"].as_str().unwrap().contains("] witness "), "{record:#}");
    // What a restored guest shows is the end of what it has in memory.
    let (shown, logged) = (console(&project), log(&project));
    assert!(logged.ends_with(&shown), "{shown:#?}\n{logged:#?}");
}

#[test]
fn what_comes_behind_the_dump_cannot_be_in_it_and_a_guest_that_hangs_is_read() {
    let project = Project::new();
    // With a timeout of 0, panic() ends in an endless loop, after its last line.
    let scenario = "name: panic-for-ever\ntitle: a test\nwhy: a test\nsource: this test\ndeadline: 2s\n\
                    knobs:\n  - sysctl: { name: kernel.panic, value: 0 }\n\
                    actors:\n  - panic: { name: panic, cpu: 0, at: 0ms }\n\
                    expect:\n  - { channel: console, outcome: saved }\n";
    project.write("scenarios/panic-for-ever.yaml", scenario);
    let record = trial(&project, &["panic-for-ever", "--time", "virtual"]);
    assert_eq!(record["hung"], true, "{record:#}");
    kept_all(&record, "console");
    assert_eq!(record["channels"]["pstore"]["outcome"], "saved", "{record:#}");
    let (kept, lines) = (&record["channels"]["pstore"]["log"], record["log"]["lines"].as_u64().unwrap());
    assert_eq!((&kept["lines"], &kept["of"]), (&json!(lines - 1), &json!(lines)), "{record:#}");
    let last = log(&project).last().unwrap().clone();
    assert_eq!(kept["first_lost"], last, "{record:#}");
    assert!(last.contains("---[ end Kernel panic - not syncing: crashlab "), "{last}");
}
