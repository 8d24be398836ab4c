use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::model::{CellKey, Phase};
use crate::plan::PlannedTrial;
use crate::scenario::Scenario;

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
    let trial = PlannedTrial { index: 0, ordinal: 0, cell, seed: 1, nonce: "0".repeat(16) };
    let assignment = Assignment::new(&trial, instance, Time::Real, Phase::Drawn);
    assert_eq!(processors(&assignment, Time::Real, 4), 2);
    assert_eq!(processors(&assignment, Time::Real, 1), 1);
    assert_eq!(processors(&assignment, Time::Virtual, 4), 1);
}
