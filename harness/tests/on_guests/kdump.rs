//! What a crash kernel hands over, on real guests, in virtual time: against another reader of the same dump, and where it
//! does not come so far. What comes of oops and panic, with and without a crash kernel, before and after the notifiers,
//! is in the suite `kdump`, of which `catalogue.rs` has every point.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{Project, text};
use serde_json::{Value, json};

const SCENARIO: [&str; 5] = ["kdump-panic", "--param", "image=loaded", "--param", "post_notifiers=1"];

fn trial(project: &Project, arguments: &[&str]) -> Value {
    let how = ["--time", "virtual", "--seed", "1", "--format", "json"];
    let record = project.json(&[&["trial"], arguments, &how].concat(), 0);
    assert_eq!(record["outcome"], "counted", "{record:#}");
    record
}

fn artifact(project: &Project, name: &str) -> PathBuf {
    project.results().join("latest/artifacts/00000").join(name)
}

/// The log by makedumpfile, and by us, without the callers, which makedumpfile does not show.
fn is_as_makedumpfile_reads_it(project: &Project, vmcore: &Path) {
    let theirs = project.path().join("dmesg");
    let _ = std::fs::remove_file(&theirs);
    let done = Command::new("makedumpfile").arg("--dump-dmesg").args([vmcore, &theirs]).output().unwrap();
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    let theirs = std::fs::read_to_string(theirs).unwrap();
    let ours = std::fs::read_to_string(artifact(project, "log.txt")).unwrap();
    let without_caller = |line: &str| {
        let (time, rest) = line.split_once("][").unwrap();
        format!("{time}]{}", rest.split_once(']').unwrap().1)
    };
    let ours: Vec<String> = ours.lines().map(without_caller).collect();
    assert!(ours.len() > 200, "from the boot on: {ours:#?}");
    assert_eq!(theirs.lines().collect::<Vec<_>>(), ours);
}

#[test]
fn a_dump_is_as_another_reader_sees_it() {
    let project = Project::new();
    let record = trial(&project, &SCENARIO);
    let kept = json!({"lines": record["log"]["lines"], "of": record["log"]["lines"]});
    assert_eq!(record["channels"]["kdump"]["outcome"], "saved", "{record:#}");
    assert_eq!(record["channels"]["kdump"]["log"], kept, "{record:#}");
    // What was read of it is enough for the log; with all of it the dump can be made smaller too.
    is_as_makedumpfile_reads_it(&project, &artifact(&project, "vmcore"));
    trial(&project, &[&SCENARIO[..], &["--full-vmcore"]].concat());
    let vmcore = artifact(&project, "vmcore");
    is_as_makedumpfile_reads_it(&project, &vmcore);
    let small = project.path().join("small");
    let done = Command::new("makedumpfile").args(["-c", "-d", "31"]).args([&vmcore, &small]).output().unwrap();
    assert!(done.status.success(), "{}{}", text(&done.stdout), text(&done.stderr));
    assert!(small.metadata().unwrap().len() * 10 < vmcore.metadata().unwrap().len());
}

#[test]
fn a_dump_tells_where_every_cpu_stood() {
    let project = Project::new();
    let record = trial(&project, &["kdump-nmi-only", "--param", "post_notifiers=0"]);
    let dump = &record["dump"];
    assert_eq!((&dump["panic_cpu"], &dump["task"]), (&json!(0), &json!("crashlab/0")), "{record:#}");
    let cpus = dump["cpus"].as_array().unwrap();
    assert_eq!(cpus.iter().map(|cpu| cpu["cpu"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let at = |cpu: usize| cpus[cpu]["at"].as_str().unwrap();
    assert!(at(0).contains(" < panic+") && at(0).contains("[crashlab] < "), "{record:#}");
    assert!(at(1).contains("[crashlab]") && at(1).ends_with(", interrupts off"), "{record:#}");
    assert!(at(2).contains("default_idle"), "{record:#}");
    // The timeline goes on where the dead kernel ends.
    let timeline = std::fs::read(artifact(&project, "timeline.json")).unwrap();
    let timeline: Value = serde_json::from_slice(&timeline).unwrap();
    let events = timeline["events"].as_array().unwrap();
    let last: Vec<_> = events.iter().rev().take(4).rev().map(|event| (&event["step"], &event["of"])).collect();
    let capture = |of| (json!("capture"), json!(of));
    let expected = [(json!("machine_kexec"), Value::Null), capture("first_line"), capture("ready"), capture("done")];
    assert_eq!(last, expected.iter().map(|(step, of)| (step, of)).collect::<Vec<_>>());
    let times: Vec<_> = events.iter().rev().take(4).map(|event| event["ns"].as_i64().unwrap()).collect();
    assert!(times.is_sorted_by(|later, earlier| later > earlier), "{times:?}");
}

/// With one kernel under test and another as the crash kernel, whose own build id is of no concern.
#[test]
fn the_crash_kernel_may_be_another_one() {
    let project = Project::new();
    let arguments = [&SCENARIO[..], &["--variant", "kmsg-dump-before-stop", "--crash-kernel", "stock"]].concat();
    let record = trial(&project, &arguments);
    assert_eq!(record["channels"]["kdump"]["outcome"], "saved", "{record:#}");
    let info = std::fs::read(project.results().join("latest/run.json")).unwrap();
    let info: Value = serde_json::from_slice(&info).unwrap();
    assert_eq!(info["qemu"]["crash_kernel"], "stock");
}

#[test]
fn any_scenario_may_have_a_crash_kernel() {
    let project = Project::new();
    let record = trial(&project, &["panic-alone", "--kdump"]);
    let outcome = |channel: &str| record["channels"][channel]["outcome"].as_str().unwrap();
    assert_eq!((outcome("console"), outcome("pstore"), outcome("kdump")), ("saved", "lost", "saved"), "{record:#}");
}

/// A guest that is booted and traced is told by the port, on which a crash kernel prints later, to go on.
#[test]
fn what_a_booted_guest_is_told_is_not_taken_for_its_crash_kernels_console() {
    let project = Project::new();
    trial(&project, &["panic-alone", "--cold"]);
    assert!(!artifact(&project, "capture-console.log").exists());
    let record = trial(&project, &["panic-alone", "--cold", "--kdump"]);
    assert_eq!(record["channels"]["kdump"]["outcome"], "saved", "{record:#}");
    let console = text(&std::fs::read(artifact(&project, "capture-console.log")).unwrap());
    assert!(!console.starts_with("go"), "{console}");
}

fn small_scenario(project: &Project, kdump: &str) {
    let scenario = format!(
        "name: small\ntitle: a test\nwhy: a test\nsource: this test\ndeadline: 20s\nguest: {{ kdump: {kdump} }}\n\
         actors:\n  - panic: {{ name: panic, cpu: 0, at: 0ms }}\nexpect: []\n"
    );
    project.write("scenarios/small.yaml", &scenario);
}

#[test]
fn a_crash_kernel_with_too_little_memory_does_not_come_up() {
    let project = Project::new();
    small_scenario(&project, "18MiB");
    let record = trial(&project, &["small"]);
    assert_eq!(record["channels"]["kdump"]["outcome"], "capture-hung", "{record:#}");
    let console = text(&std::fs::read(artifact(&project, "capture-console.log")).unwrap());
    assert!(console.contains("Linux version"), "{console}");
    // Its own last line, if not all of it, is the last of what is told of it.
    let detail = record["channels"]["kdump"]["detail"].as_str().unwrap();
    let last = console.lines().rfind(|line| !line.trim().is_empty()).unwrap();
    let told = detail.rsplit_once("\n  | ").unwrap_or_else(|| panic!("{record:#}")).1;
    assert!(last.starts_with(told.trim_end_matches('…')), "{record:#}");
}

#[test]
fn a_crash_kernel_that_dies_is_told_by_how_it_does() {
    let project = Project::new();
    // It panics as soon as it has no root file system to mount.
    small_scenario(&project, "{ cpus: 2, command-line: [rdinit=/nowhere] }");
    let record = trial(&project, &["small"]);
    assert_eq!(record["channels"]["kdump"]["outcome"], "capture-hung", "{record:#}");
    let detail = record["channels"]["kdump"]["detail"].as_str().unwrap();
    assert!(detail.contains("; it panicked: Kernel panic - not syncing: "), "{record:#}");
}

#[test]
fn a_crash_kernel_for_which_there_is_no_room_is_an_error_that_says_so() {
    let project = Project::new();
    small_scenario(&project, "4MiB");
    let output = project.run(&["trial", "small", "--time", "virtual"]);
    assert_ne!(output.status.code(), Some(0));
    let said = text(&output.stderr);
    assert!(said.contains("load the crash kernel") && said.contains("`crashkernel=` reserves too little"), "{said}");
}
