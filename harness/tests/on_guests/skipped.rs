//! What a real kernel cannot be asked for is skipped, with the reason, and counts nowhere.

use crate::common::{Project, text};

/// A lock that printk once had.
const REASON: &str = "the kernel has no symbol logbuf_lock";

/// A project with a scenario that no kernel of today has the symbol for.
fn project() -> Project {
    let project = Project::new();
    let scenario = std::fs::read_to_string(project.path().join("scenarios/panic-alone.yaml")).unwrap();
    let needs = "needs: { symbols: [logbuf_lock], functions: [panic], config: [CONFIG_PSTORE] }\nactors:";
    let scenario = scenario.replace("name: panic-alone", "name: logbuf").replacen("actors:", needs, 1);
    project.write("scenarios/logbuf.yaml", &scenario);
    project
}

#[test]
fn cells_that_lack_something_are_skipped_and_all_else_goes_on() {
    let project = project();
    let run = ["run", "--scenario", "logbuf", "--scenario", "panic-alone", "--time", "virtual", "--seed", "5"];
    let go = |more: &[&str]| project.json(&[&run[..], more, &["--format", "json"]].concat(), 0);
    let whole = go(&["--trials", "2"]);
    let (logbuf, alone) = (&whole["cells"][0], &whole["cells"][1]);
    assert_eq!((&logbuf["skipped"], &logbuf["trials"]), (&REASON.into(), &0.into()), "{whole:#}");
    assert_eq!((&alone["trials"], &alone["channels"]["pstore"]["saved"]), (&2.into(), &2.into()), "{whole:#}");
    assert!(alone["skipped"].is_null() && project.records().len() == 2, "{whole:#}");
    let read = |file: &str| std::fs::read_to_string(project.results().join("latest").join(file)).unwrap();
    let info: serde_json::Value = serde_json::from_str(&read("run.json")).unwrap();
    assert_eq!((&info["cells"][0]["skipped"], &info["cells"][0]["trials"]), (&REASON.into(), &0.into()));
    assert_eq!(
        read("junit.xml").matches(&format!("<skipped message=\"{REASON}\">{REASON}")).count(),
        3,
        "each channel"
    );

    // It is complete: nothing is left to be run.
    let resumed = project.json(&["run", "--resume", "latest", "--format", "json"], 0);
    assert_eq!(resumed["cells"], whole["cells"]);
    let compared = project.json(&["compare", "latest", "latest", "--format", "json"], 0);
    assert_eq!(compared["skipped"][0]["base"], REASON, "{compared:#}");

    let shards = ["1/2", "2/2"].map(|shard| go(&["--trials", "2", "--shard", shard]));
    let [one, two] = shards.map(|summary| summary["run_id"].as_str().unwrap().to_owned());
    let merged = project.json(&["merge", &one, &two, "--format", "json"], 0);
    assert_eq!(merged["cells"], whole["cells"]);

    let decided = go(&["--until", "decided", "--at-most", "3"]);
    assert_eq!((&decided["cells"][0]["trials"], &decided["cells"][1]["trials"]), (&0.into(), &3.into()));
}

#[test]
fn where_everything_is_skipped_nothing_has_failed_but_one_trial_is_refused() {
    let project = project();
    let output = project.run(&["run", "--scenario", "logbuf", "--seed", "5"]);
    let (said, progress) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{progress}");
    assert!(said.contains(&format!("skipped, 1 cell: {REASON}\n")), "{said}");
    assert!(progress.contains("skipped: 1 of 1 cells, which their kernel or guest is not fit for"), "{progress}");

    let output = project.run(&["trial", "logbuf"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("error: stock@6.12 logbuf cannot be run: {REASON}")), "{said}");
}
