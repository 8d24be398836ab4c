//! The catalogue on real guests: each scenario's faults meet, and each channel comes to what the scenario expects.
//!
//! In virtual time, and one trial a cell: what is expected there follows from the kernel's code and not from luck. Points
//! where the outcome is a race expect nothing, and are only asked to meet.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, text};
use serde_json::Value;

/// For what needs two CPUs at one moment, or has one that never pauses beside one that waits, virtual time is not made, in
/// which the CPUs take turns: see `docs/architecture.md`, "Time". It is run, and may come to anything.
const NOT_IN_VIRTUAL_TIME: [&str; 4] =
    ["flood-during-panic", "kdump-two-panics", "panics-in-two-nmis", "two-panics-at-once"];

/// Every cell of the suite is run or has a reason to be skipped, is counted, and is as expected.
fn comes_to_what_it_expects(suite: &str) {
    let project = Project::new();
    let arguments = ["run", "--suite", suite, "--trials", "1", "--time", "virtual", "--seed", "7", "--format", "json"];
    // Whether an expectation of a share is refuted by one trial is not the question.
    let output = project.run(&arguments);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
    let info = std::fs::read(project.results().join("latest/run.json")).unwrap();
    let info: Value = serde_json::from_slice(&info).unwrap();
    let records = project.records();
    for planned in info["cells"].as_array().unwrap() {
        let of_cell = |other: &&Value| ["variant", "scenario", "params"].iter().all(|key| other[key] == planned[key]);
        if let Some(reason) = planned["skipped"].as_str() {
            assert!(!reason.is_empty() && !records.iter().any(|record| of_cell(&record)), "{planned:#}");
            continue;
        }
        let record = records.iter().rfind(of_cell).unwrap_or_else(|| panic!("not run: {planned:#}"));
        if NOT_IN_VIRTUAL_TIME.iter().any(|name| planned["scenario"] == *name) {
            continue;
        }
        assert_eq!(record["outcome"], "counted", "{record:#}");
        for expected in planned["expect"].as_array().into_iter().flatten() {
            let channel = &record["channels"][expected["channel"].as_str().unwrap()];
            assert_eq!(channel["outcome"], expected["outcome"], "{record:#}");
        }
    }
}

#[test]
fn what_the_threads_name() {
    comes_to_what_it_expects("seeds");
}

#[test]
fn mended_bugs() {
    comes_to_what_it_expects("history");
}

#[test]
fn crash_kernels() {
    comes_to_what_it_expects("kdump");
}

#[test]
fn derived_cases() {
    comes_to_what_it_expects("derived");
}

#[test]
fn contexts_and_kinds_of_death() {
    comes_to_what_it_expects("contexts");
}
