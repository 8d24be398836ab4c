use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::guest::Time;
use crate::model::{CellKey, Phase};
use crate::plan::PlannedTrial;
use crate::scenario::Scenario;
use crate::trial::TrialSettings;

/// An oops and a panic on one CPU, and a spin on another.
const SCENARIO: &str = "name: two\ntitle: a test\nwhy: a test\nsource: this test\nguest: { cpus: 4 }\nactors:\n  \
    - oops: { name: oops, cpu: 1, at: 0ms }\n  - panic: { name: panic, cpu: 1, at: 5ms }\n  \
    - spin: { name: spin, cpu: 2, for: 1ms, at: 0ms }\nexpect: []\n";

#[test]
fn two_actors_on_one_cpu_keep_one_processor_busy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.yaml");
    std::fs::write(&path, SCENARIO).unwrap();
    let scenario = Scenario::load(&path).unwrap_or_else(|error| panic!("{error}"));
    let params = BTreeMap::new();
    let instance = scenario.at(&params).unwrap();
    let names = ["stock", "6.12", "two"].map(ToOwned::to_owned);
    let [variant, base, scenario] = names;
    let cell = Arc::new(CellKey { variant, base, scenario, params: params.clone() });
    let trial = PlannedTrial { index: 0, ordinal: 0, position: 0, cell, seed: 1, nonce: "0".repeat(16) };
    let processors = |time| {
        let settings =
            TrialSettings { time, phase: Phase::Drawn, read_back: false, full_vmcore: false, schedule: None };
        Assignment::new(&trial, instance, settings).processors
    };
    assert_eq!(processors(Time::Real), 2);
    assert_eq!(processors(Time::Virtual), 1, "its CPUs take turns");
}
