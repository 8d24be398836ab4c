//! Nothing is lost: a harness that is killed or stopped, a QEMU that dies, a disk that is full, on real guests.
//!
//! In virtual time, and each fault comes when the test has seen that the harness is where the fault is meant for, so
//! that no outcome depends on how fast the machine is.

mod clock;
mod disk;
mod killed;
mod qemu;
mod sequential;
mod shards;
mod stopped;
mod templates;

use crate::common::Project;
use serde_json::Value;

/// `harness run` of the simplest scenario, in virtual time, with a seed.
fn run_of(trials: u32) -> Vec<String> {
    let trials = trials.to_string();
    let words = ["run", "--scenario", "panic-alone", "--trials", &trials, "--time", "virtual", "--seed", "1"];
    words.map(str::to_owned).to_vec()
}

/// The arguments of such a run, and further ones.
fn run_with(trials: u32, more: &[&str]) -> Vec<String> {
    run_of(trials).into_iter().chain(more.iter().map(|word| (*word).to_owned())).collect()
}

impl Project {
    fn command(&self, arguments: &[String]) -> std::process::Command {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.harness(&arguments)
    }

    /// The summary of the run begun last, as it is on the disk.
    fn summary(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.results().join("latest/summary.json")).unwrap()).unwrap()
    }

    /// The id of the run begun last.
    fn latest(&self) -> String {
        std::fs::read_link(self.results().join("latest")).unwrap().to_str().unwrap().to_owned()
    }
}

/// How often each trial's attempts were recorded: that they are the plan's, each once, with nothing but infra-errors
/// before the last one.
fn assert_complete(records: &[Value], trials: u64) {
    for index in 0..trials {
        let attempts: Vec<&Value> = records.iter().filter(|record| record["index"] == index).collect();
        let (last, earlier) = attempts.split_last().unwrap_or_else(|| panic!("trial {index} is not recorded"));
        assert_eq!(last["outcome"], "counted", "{last:#}");
        assert!(earlier.iter().all(|record| record["outcome"] == "infra-error"), "{earlier:#?}");
    }
    assert!(records.iter().all(|record| record["index"].as_u64().unwrap() < trials));
}

/// The causes of infra-errors, each with the trial's index.
fn causes(records: &[Value]) -> Vec<(u64, String)> {
    let failed = records.iter().filter(|record| record["outcome"] == "infra-error");
    failed.map(|record| (record["index"].as_u64().unwrap(), record["cause"].as_str().unwrap().to_owned())).collect()
}
