//! The host's clock is put forwards and backwards by hours while trials run.

use serde_json::Value;

use super::{causes, run_of};
use crate::common::Project;
use crate::common::clock::Clock;
use crate::common::processes::{Background, Signal};

/// A wall-clock time of a record's, in hours.
fn hours(record: &Value) -> f64 {
    let time = chrono::DateTime::parse_from_rfc3339(record["started"].as_str().unwrap()).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
    let seconds = time.timestamp() as f64;
    seconds / 3600.0
}

#[test]
fn a_clock_that_jumps_by_hours_ends_no_trial() {
    let project = Project::new();
    let clock = Clock::new(project.path());
    let command = clock.under(&project.command(&run_of(500)));
    let mut harness = Background::start(&project, command);
    harness.until("some trials are recorded", |_| project.records().len() > 2);
    let began = hours(&project.records()[0]);
    for (offset, jump) in [("+5h", 5.0), ("-5h", -5.0)] {
        clock.put(offset);
        let there = |record: &&Value| (hours(record) - began - jump).abs() < 1.0;
        harness.until("trials begin at the new time", |_| project.records().iter().filter(there).count() > 2);
    }
    // And again while the last ones end.
    harness.signal(Signal::INT);
    clock.put("+48h");
    let (code, said) = harness.end();
    assert_eq!(code, Some(3), "{said}");
    let records = project.records();
    assert_eq!(causes(&records), []);
    assert!(records.iter().all(|record| record["outcome"] == "counted" && record["hung"] == false), "{records:#?}");
    let took = |record: &Value| record["wall_ms"].as_u64().unwrap();
    assert!(records.iter().all(|record| took(record) < 3_600_000), "the clock is in no duration: {records:#?}");
}
