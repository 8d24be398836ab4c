//! Runs that end when it is clear what they say.

use serde_json::json;

use crate::common::Project;

#[test]
fn a_run_until_decided_ends_when_it_is() {
    let project = Project::new();
    let run = ["run", "--scenario", "panic-during-oops-dump", "--param", "hold=300ms", "--param", "post_notifiers=0"];
    let variants = ["--variant", "stock", "--variant", "kmsg-dump-before-stop"];
    // With a margin that few trials show to be kept, where nothing differs.
    let how = ["--until", "decided", "--margin", "0.4", "--time", "virtual", "--seed", "1", "--format", "json"];
    // 1: the variant does not do as the scenario expects.
    let summary = project.json(&[&run[..], &variants, &how].concat(), 1);
    for cell in summary["cells"].as_array().unwrap() {
        let trials = cell["trials"].as_u64().unwrap();
        // All of one are saved, all of the other are lost, and nothing here is left to chance.
        assert!((10..40).contains(&trials), "{cell}");
    }
    let compare = ["compare", "stock", "kmsg-dump-before-stop", "--sequential", "--margin", "0.4", "--format", "json"];
    let comparison = project.json(&compare, 1);
    let cells = comparison["cells"].as_array().unwrap();
    let verdict = |channel: &str| cells.iter().find(|cell| cell["channel"] == channel).map(|cell| &cell["verdict"]);
    assert_eq!(verdict("pstore"), Some(&json!("regressed")), "{comparison:#}");
}

#[test]
fn a_run_until_decided_has_no_more_trials_than_it_may() {
    let project = Project::new();
    // Twelve trials cannot show that at least 90 % are saved.
    let run = ["run", "--scenario", "panic-alone", "--until", "decided", "--at-most", "12"];
    let how = ["--time", "virtual", "--seed", "1", "--format", "json"];
    let summary = project.json(&[&run[..], &how].concat(), 0);
    assert_eq!(summary["cells"][0]["trials"], 12);
    assert_eq!(project.records().len(), 12);
}

#[test]
fn what_was_given_up_is_run_once_more_when_the_run_is_resumed() {
    let project = Project::new();
    let run = ["run", "--scenario", "panic-alone", "--until", "decided", "--at-most", "12", "--time", "virtual"];
    project.json(&[&run[..], &["--seed", "1", "--format", "json"]].concat(), 0);
    // As if the fourth trial had failed, and the run had been ended then.
    let path = project.results().join("latest/trials.jsonl");
    let lines: Vec<String> = project
        .records()
        .into_iter()
        .map(|mut record| {
            if record["index"] == 3 {
                record["outcome"] = "infra-error".into();
                record["cause"] = "a test".into();
            }
            record.to_string() + "\n"
        })
        .collect();
    std::fs::write(path, lines.concat()).unwrap();
    project.json(&["run", "--resume", "latest", "--format", "json"], 0);
    let records = project.records();
    let last = records.last().unwrap();
    assert_eq!(records.len(), 13);
    assert_eq!((&last["index"], &last["attempt"], &last["outcome"]), (&json!(3), &json!(1), &json!("counted")));
}
