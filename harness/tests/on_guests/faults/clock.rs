//! The host's clock is put forwards and backwards by hours while trials run.

use std::path::Path;

use serde_json::Value;

use super::{causes, run_of};
use crate::common::Project;
use crate::common::processes::{Background, Signal};

/// Below one of these, by Debian's package `faketime` or another distribution's; `cargo xtask test` installs it.
const PLACES: [&str; 5] =
    ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];

/// A wall-clock time of a record's, in hours.
fn hours(record: &Value) -> f64 {
    let time = chrono::DateTime::parse_from_rfc3339(record["started"].as_str().unwrap()).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
    let seconds = time.timestamp() as f64;
    seconds / 3600.0
}

#[test]
fn a_clock_that_jumps_by_hours_ends_no_trial() {
    let library = PLACES.map(|place| Path::new(place).join("faketime/libfaketimeMT.so.1"));
    let library = library.iter().find(|path| path.is_file()).expect("libfaketime is installed (Debian: faketime)");
    let project = Project::new();
    let clock = project.path().join("clock");
    // Replaced at one stroke: it is read at every look at the clock.
    let put = |offset: &str| {
        project.write("clock.new", &format!("{offset}\n"));
        std::fs::rename(project.path().join("clock.new"), &clock).unwrap();
    };
    put("+0");
    let mut command = project.command(&run_of(500));
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &clock);
    command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let mut harness = Background::start(&project, command);
    harness.until("some trials are recorded", |_| project.records().len() > 2);
    let began = hours(&project.records()[0]);
    for (offset, jump) in [("+5h", 5.0), ("-5h", -5.0)] {
        put(offset);
        let there = |record: &&Value| (hours(record) - began - jump).abs() < 1.0;
        harness.until("trials begin at the new time", |_| project.records().iter().filter(there).count() > 2);
    }
    // And again while the last ones end.
    harness.signal(Signal::INT);
    put("+48h");
    let (code, said) = harness.end();
    assert_eq!(code, Some(3), "{said}");
    let records = project.records();
    assert_eq!(causes(&records), []);
    assert!(records.iter().all(|record| record["outcome"] == "counted" && record["hung"] == false), "{records:#?}");
    let took = |record: &Value| record["wall_ms"].as_u64().unwrap();
    assert!(records.iter().all(|record| took(record) < 3_600_000), "the clock is in no duration: {records:#?}");
}
