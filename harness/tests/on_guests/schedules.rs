//! CPUs of real guests that are held: an order that is forced, and that nobody is held for longer than it may be. In real time:
//! in virtual time nobody can be. What decides is an order of steps, or a bound, not the host's speed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value;

use crate::common::{Project, text};

/// A write of the oops's record ends when the panic's dump has come, and not before.
const LOST: &str = "holds:\n  - at: { step: backend_write, of: erst_write, edge: end, on: { actor: oops } }\n    \
    until: { step: dumper, of: pstore_dump, on: panic }\n    at-most: 3s\n";

const DURING_DUMP: [&str; 5] = ["panic-during-oops-dump", "--param", "hold=0ms", "--param", "post_notifiers=1"];

/// Four CPUs that are in an actor's section at once.
const FOUR: &str = "name: four\ntitle: x\nwhy: x\nsource: x\nexpect: []\nactors:\n  \
    - spin: { name: one, cpu: 1, for: 1ms, at: 0ms }\n  - spin: { name: two, cpu: 2, for: 1ms, at: 0ms }\n  \
    - spin: { name: three, cpu: 3, for: 1ms, at: 0ms }\n  - panic: { name: panic, cpu: 0, at: 1ms }\n";

fn trial(project: &Project, arguments: &[&str], schedule: &str) -> Value {
    project.write("schedule.yaml", schedule);
    let more = ["--schedule", "schedule.yaml", "--seed", "3", "--format", "json"];
    project.json(&[&["trial"][..], arguments, &more].concat(), 0)
}

fn holds(record: &Value) -> Vec<(&str, u64)> {
    let holds = record["holds"].as_array().unwrap().iter();
    holds.map(|hold| (hold["outcome"].as_str().unwrap(), hold["lasted_ns"].as_u64().unwrap_or(0))).collect()
}

#[test]
fn a_forced_order_loses_the_log_and_is_told() {
    let project = Project::new();
    let record = trial(&project, &DURING_DUMP, LOST);
    assert_eq!(record["outcome"], "counted", "{record:#}");
    assert_eq!(holds(&record)[0].0, "released", "{record:#}");
    assert_eq!(record["channels"]["pstore"]["outcome"], "lost", "{record:#}");
    let shown = text(&project.run(&["timeline", "latest", "0"]).stdout);
    let place = |what: &str| shown.find(what).unwrap_or_else(|| panic!("{what} in {shown}"));
    assert!(place("HELD: backend_write") < place("go on: released"), "{shown}");
    let svg = text(&project.run(&["timeline", "latest", "0", "--as", "svg"]).stdout);
    assert!(svg.contains("HELD: backend_write"));
    // The same faults, let run as they come, save it.
    let free = project.json(&[&["trial"][..], &DURING_DUMP, &["--seed", "3", "--format", "json"]].concat(), 0);
    assert_eq!(free["channels"]["pstore"]["outcome"], "saved", "{free:#}");
}

#[test]
fn a_guest_that_is_booted_is_held_too() {
    let project = Project::new();
    let cold = [&DURING_DUMP[..], &["--cold"]].concat();
    assert_eq!(holds(&trial(&project, &cold, LOST))[0].0, "released");
}

#[test]
fn nobody_is_held_for_longer_than_its_bound_whoever_waits_for_whom() {
    let project = Project::new();
    project.write("scenarios/four.yaml", FOUR);
    let hold = |at: &str, until: &str| {
        format!(
            "  - at: {{ step: actor, of: {at} }}\n    until: {{ step: actor, of: {until}, edge: end }}\n    at-most: 300ms\n"
        )
    };
    // Each waits for another, in a circle: all four are held.
    let circle = [("one", "two"), ("two", "three"), ("three", "one"), ("panic", "one")];
    let circle: String = circle.iter().map(|(at, until)| hold(at, until)).collect();
    let record = trial(&project, &["four"], &format!("holds:\n{circle}"));
    for (outcome, lasted) in holds(&record) {
        assert!(outcome == "bound" || outcome == "released", "{record:#}");
        // The tracer counts the bound itself; a busy host only makes it late.
        assert!(outcome == "released" || lasted >= 300_000_000, "{record:#}");
    }
    assert_eq!(record["outcome"], "missed", "{record:#}");
    assert!(record["reason"].as_str().unwrap().contains("its bound ran out"), "{record:#}");
}

#[test]
fn what_is_never_reached_and_what_waits_in_vain_is_missed() {
    let project = Project::new();
    let never = "holds:\n  - at: { step: oops_begin }\n    for: 100ms\n";
    let record = trial(&project, &["panic-alone"], never);
    assert_eq!((&record["outcome"], holds(&record)[0].0), (&"missed".into(), "not-reached"), "{record:#}");
    let vain = "holds:\n  - at: { step: kmsg_dump, on: panic }\n    until: { step: oops_begin }\n    at-most: 200ms\n";
    let record = trial(&project, &["panic-alone"], vain);
    assert_eq!((&record["outcome"], holds(&record)[0].0), (&"missed".into(), "bound"), "{record:#}");
    let over = "holds:\n  - at: { step: kmsg_dump, on: panic }\n    for: 200ms\n";
    let record = trial(&project, &["panic-alone"], over);
    assert_eq!((&record["outcome"], holds(&record)[0].0), (&"counted".into(), "over"), "{record:#}");
}

/// An atomic access that lies across two words: QEMU executes it while no other vCPU is in the guest's code.
const EXCLUSIVE: &str = "int main(void) { static char words[64] __attribute__((aligned(64)));\n\
    for (;;) __asm__ volatile(\"lock incl %0\" : \"+m\"(*(int *)(words + 59)) :: \"memory\"); }\n";

#[test]
fn a_cpu_that_others_wait_for_within_qemu_is_let_go() {
    let project = Project::new();
    project.write("exclusive.c", EXCLUSIVE);
    let program = project.path().join("scenarios/exclusive");
    let built = Command::new("cc")
        .args(["-static", "-O1", "-o"])
        .arg(&program)
        .arg(project.path().join("exclusive.c"))
        .status()
        .unwrap();
    assert!(built.success());
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    project.write(
        "scenarios/words.yaml",
        "name: words\ntitle: x\nwhy: x\nsource: x\nexpect: []\nworkload: { program: ./exclusive, cpus: [2], for: 20s }\n\
         actors:\n  - panic: { name: panic, cpu: 0, at: 500ms }\n",
    );
    let schedule = "holds:\n  - at: { step: panic }\n    for: 3s\n";
    let record = trial(&project, &["words"], schedule);
    let (outcome, lasted) = holds(&record)[0];
    assert_eq!(outcome, "infeasible", "{record:#}");
    assert!(lasted < 3_000_000_000, "{record:#}");
    assert_eq!(record["outcome"], "missed", "no error: {record:#}");
}

#[test]
fn where_no_cpu_can_be_held_a_schedule_is_refused() {
    let project = Project::new();
    project.write("schedule.yaml", LOST);
    for (more, why) in
        [(["--time", "virtual"], "one thread executes all vCPUs"), (["--trace", "off"], "it is the tracer")]
    {
        let refused = project.run(&[&["trial"][..], &DURING_DUMP, &["--schedule", "schedule.yaml"], &more].concat());
        assert_eq!(refused.status.code(), Some(2), "{more:?}");
        assert!(text(&refused.stderr).contains(why), "{}", text(&refused.stderr));
    }
}

/// What `explore` finds is what is known of this scenario, and the schedule that it saves loses the log in a run.
#[test]
fn a_search_finds_the_order_that_loses_the_log_and_forces_it() {
    let project = Project::new();
    let search =
        [&["explore"][..], &DURING_DUMP, &["--seed", "5", "--budget", "20min", "--save-schedule", "lost.yaml"]];
    let found = project.run(&search.concat());
    assert_eq!(found.status.code(), Some(1), "{}", text(&found.stderr));
    assert!(text(&found.stdout).contains("0 left"), "{}", text(&found.stdout));
    let run = ["run", "--scenario", DURING_DUMP[0], "--param", "hold=0ms", "--param", "post_notifiers=1"];
    let more = ["--trials", "5", "--seed", "6", "--schedule", "lost.yaml", "--format", "json"];
    let output = project.run(&[&run[..], &more].concat());
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let cell = &summary["cells"][0];
    assert!(cell["schedule"]["kept"].as_u64() >= Some(4), "{cell:#}");
    assert_eq!(cell["channels"]["pstore"]["lost"], cell["schedule"]["kept"], "{cell:#}");
}
