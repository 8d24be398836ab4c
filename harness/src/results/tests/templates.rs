//! What was counted by template.

use super::*;
use crate::results::sample::{cell, cell_of_templates};
use crate::stats::{Clusters, Proportion};

fn written(summary: &Summary) -> serde_json::Value {
    let text = serde_json::to_string(summary).unwrap();
    let back: Summary = serde_json::from_str(&text).unwrap();
    assert_eq!(back, *summary, "what was written is read back");
    serde_json::from_str(&text).unwrap()
}

fn of_one(cell: CellSummary) -> Summary {
    Summary { run_id: "run".to_owned(), cells: vec![cell] }
}

#[test]
fn templates_that_vary_are_told_with_their_counts() {
    let json = written(&of_one(cell_of_templates(&key("stock", "panic-alone", ""), &[(5, 5), (4, 5), (1, 5), (5, 5)])));
    let pstore = &json["cells"][0]["channels"]["pstore"];
    let between = &pstore["between_templates"];
    assert_eq!(between["templates"], 4);
    assert!((between["icc"].as_f64().unwrap() - 0.552).abs() < 0.001, "{between}");
    assert!((0.001..0.05).contains(&between["p"].as_f64().unwrap()), "{between}");
    assert_eq!(between["by_template"]["0000000000000001"], serde_json::json!({"saved": 4, "lost": 1}));
    // The interval is that of some three trials, and not of twenty.
    assert!((pstore["ci95"][0].as_f64().unwrap() - 0.257).abs() < 0.001, "{pstore}");
    assert_eq!(json["cells"][0]["ended_by_template"]["0000000000000003"], serde_json::json!([5, 5]));
}

#[test]
fn where_no_template_is_known_nothing_is_said_of_them() {
    let json = written(&of_one(cell(key("stock", "panic-alone", ""), (20, 20), (7, 20))));
    let cell = &json["cells"][0];
    assert_eq!(cell["channels"]["pstore"].get("between_templates"), None);
    assert_eq!(cell.get("ended_by_template"), None);
}

#[test]
fn trials_of_no_template_stand_apart() {
    let cell_key = key("stock", "panic-alone", "");
    let record = |index, template: Option<&str>, outcome| TrialRecord {
        template: template.map(str::to_owned),
        ..trial(index, &cell_key, counted(Saved, outcome))
    };
    let trials =
        [record(0, None, Lost), record(1, Some("a"), Saved), record(2, Some("a"), Lost), record(3, Some("b"), Saved)];
    let summary = Summary::from_trials("run", &trials);
    let of = |hits, of| Proportion::new(hits, of).unwrap();
    let expected = Clusters::new(of(0, 1), [of(1, 2), of(1, 1)]);
    assert_eq!(summary.cells[0].channel(Channel::Pstore).by_template(), expected);
    assert_eq!(summary.cells[0].ended(), Clusters::new(of(1, 1), [of(2, 2), of(1, 1)]));
    written(&summary);
}

#[test]
fn templates_with_more_than_all_are_refused() {
    let summary = of_one(cell_of_templates(&key("stock", "panic-alone", ""), &[(2, 2), (1, 2)]));
    let more = serde_json::to_string(&summary).unwrap().replace(r#"{"saved":2}"#, r#"{"saved":9}"#);
    let error = serde_json::from_str::<Summary>(&more).unwrap_err().to_string();
    assert!(error.contains("have more trials than all"), "{error}");
}
