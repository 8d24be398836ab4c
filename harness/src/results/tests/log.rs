//! What was kept of all that was logged, counted.

use super::*;

fn summary(kept_lines: &[(u32, u32)]) -> Summary {
    let cell = key("stock", "panic-alone", "");
    let known = kept_lines.iter().map(|(lines, of)| kept(counted(Saved, Saved), *lines, *of));
    // One that does not know, and one that does not count.
    let outcomes = known.chain([counted(Saved, Saved), missed()]);
    let trials: Vec<_> = (0..).zip(outcomes).map(|(index, outcome)| trial(index, &cell, outcome)).collect();
    Summary::from_trials("run", &trials)
}

fn percent(summary: &Summary) -> serde_json::Value {
    let text = serde_json::to_string(summary).unwrap();
    let back: Summary = serde_json::from_str(&text).unwrap();
    assert_eq!(back, *summary, "what was written is read back");
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["cells"][0]["log_kept_percent"].clone()
}

#[test]
fn the_mean_is_over_the_trials_that_know() {
    let summary = summary(&[(61, 61), (0, 61), (60, 61)]);
    assert_eq!(summary.cells[0].channel(Channel::Console).n(), 4);
    // (100 + 0 + 98.36) / 3
    assert_eq!(percent(&summary), serde_json::json!({"console": 66.12, "pstore": 66.12}));
    let mean = summary.cells[0].log_kept_percent[&Channel::Pstore];
    assert_eq!(mean.to_string(), "66.12");
}

#[test]
fn only_all_of_it_is_a_hundred() {
    assert_eq!(percent(&summary(&[(61, 61)]))["console"], 100.0);
    assert_eq!(percent(&summary(&[(61, 61), (99_999, 100_000)]))["console"], 99.99);
}

#[test]
fn where_no_trial_knows_there_is_no_figure() {
    assert_eq!(percent(&summary(&[])), serde_json::Value::Null);
}
