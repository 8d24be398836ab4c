//! Ctrl-C, once and twice, and SIGTERM before there are any trials.

use super::{assert_complete, run_of};
use crate::common::Project;
use crate::common::processes::{Background, Signal, wait_until_gone};

#[test]
fn ctrl_c_finishes_what_is_running_and_the_rest_is_run_later() {
    const TRIALS: u32 = 30;
    let project = Project::new();
    let mut harness = Background::start(&project, project.command(&run_of(TRIALS)));
    harness.until("trials are recorded", |_| project.records().len() > 1);
    harness.signal(Signal::INT);
    let (code, said) = harness.end();
    assert_eq!(code, Some(3), "{said}");
    let finished = project.records().len();
    let id = project.latest();
    assert!(said.contains(&format!("not complete: {} of {TRIALS} trials were not run", 30 - finished)), "{said}");
    assert!(said.contains(&format!("harness run --resume {id}")), "{said}");
    assert_eq!(project.summary()["cells"][0]["trials"], finished);

    let summary = project.json(&["run", "--resume", &id, "--format", "json"], 0);
    assert_eq!(summary["cells"][0]["trials"], TRIALS);
    assert_complete(&project.records(), TRIALS.into());
    assert_eq!(project.records().len(), 30);
}

#[test]
fn a_second_ctrl_c_stops_at_once() {
    let project = Project::new();
    // Trials of seconds: the second Ctrl-C comes while the first is being obeyed.
    let point = ["--param", "hold=1500ms", "--param", "post_notifiers=0"];
    let run = ["run", "--scenario", "panic-during-oops-dump", "--trials", "20", "--time", "virtual", "--seed", "1"];
    let mut harness = Background::start(&project, project.harness(&[&run[..], &point].concat()));
    harness.until("the first trial runs", |it| it.said().contains("trials: ") && !it.qemus().is_empty());
    harness.signal(Signal::INT);
    harness.until("it has heard", |it| it.said().contains("Ctrl-C again"));
    let qemus = harness.qemus();
    assert!(!qemus.is_empty());
    harness.signal(Signal::INT);
    let (code, said) = harness.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("\nstopping\n"), "{said}");
    assert!(said.contains(&format!("harness run --resume {}", project.latest())), "{said}");
    wait_until_gone(&qemus);
    let recorded = project.records().len();
    assert!(recorded < 20);
    let counted: u64 =
        project.summary()["cells"].as_array().unwrap().iter().map(|cell| cell["trials"].as_u64().unwrap()).sum();
    assert_eq!(counted, recorded as u64);
}

#[test]
fn sigterm_ends_a_harness_that_prepares_its_guests() {
    let project = Project::new();
    let mut command = project.command(&run_of(1));
    command.env("XDG_CACHE_HOME", project.cache());
    let mut harness = Background::start(&project, command);
    harness.until("a template is made", |it| it.said().contains("guests") && !it.qemus().is_empty());
    let qemus = harness.qemus();
    harness.signal(Signal::TERM);
    let (code, said) = harness.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("interrupted while guests were being prepared"), "{said}");
    wait_until_gone(&qemus);
}
