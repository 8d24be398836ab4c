//! A plan in two parts is the plan.

use crate::common::Project;

#[test]
fn shards_merged_count_what_the_whole_run_counts() {
    let project = Project::new();
    let run = ["run", "--scenario", "panic-alone", "--scenario", "oops-then-panic", "--trials", "3"];
    let how = ["--time", "virtual", "--seed", "5", "--format", "json"];
    let go = |more: &[&str]| project.json(&[&run[..], &how, more].concat(), 0);
    let whole = go(&[]);
    let shards = ["1/2", "2/2"].map(|shard| go(&["--shard", shard])["run_id"].as_str().unwrap().to_owned());
    let merged = project.json(&["merge", &shards[0], &shards[1], "--format", "json"], 0);
    assert_eq!(merged["cells"], whole["cells"]);
    assert!(merged["cells"].as_array().unwrap().iter().all(|cell| cell["trials"] == 3), "{merged:#}");
}
