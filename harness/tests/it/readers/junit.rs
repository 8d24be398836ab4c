//! Readers of `junit.xml`.

use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{TRIALS, every_kind, is_there, json_lines, known};
use crate::common::{Project, root, text};

/// The report of the run with every kind of cell, as it is written for a reader, and the reader's output.
fn read(project: &Project, form: &str, reader: &str, script: &str) -> Output {
    let (code, output) = read_with(project, &["--junit-form", form], reader, script);
    assert_eq!(code, 1, "an expectation failed");
    output
}

/// Likewise, and the exit code of the command that writes it.
fn read_with(project: &Project, options: &[&str], reader: &str, script: &str) -> (i32, Output) {
    let run = every_kind(project);
    let mut merge = project.harness(&[&["merge", run.folder().to_str().unwrap()], options].concat());
    let merged = merge.env("CI_PROJECT_DIR", project.path()).output().unwrap();
    let script = root().join("harness/tests/fixtures/readers").join(script);
    let read = Command::new(reader).arg(script).arg(project.results().join("latest/junit.xml")).output().unwrap();
    (merged.status.code().unwrap_or_else(|| panic!("{}", text(&merged.stderr))), read)
}

#[test]
fn gitlab_shows_text_for_each_case_that_did_not_pass() {
    if !is_there("ActiveSupport for Ruby", Command::new("ruby").args(["-e", "require 'active_support'"])) {
        return;
    }
    let project = Project::new();
    let cases = json_lines(&read(&project, "gitlab", "ruby", "gitlab.rb"));
    let status = |case: &Value| case["status"].as_str().unwrap().to_owned();
    let statuses: Vec<String> = cases.iter().map(status).collect();
    // Console, pstore and order of the first cell; then console and pstore of each.
    assert_eq!(
        statuses,
        ["success", "failure", "failure", "error", "error", "skipped", "skipped", "success", "success"],
        "{cases:#?}"
    );
    for case in cases.iter().filter(|case| status(case) != "success") {
        assert_eq!(case["type"], "String", "GitLab would show a hash: {case:#}");
    }
    let [pstore, order] = [1, 2].map(|place: usize| cases[place]["shown"].as_str().unwrap());
    let mut lines = pstore.lines();
    assert_eq!(lines.next(), Some("pstore saved in 0 of 20 (95 % CI 0–16 %), expected at least 90 %"));
    let command = "harness trial panic-during-oops-dump --variant stock --base 6.12 --param hold=0ms --param post_notifiers=1 \
                   --accel tcg --time virtual --trace off --seed 0";
    assert_eq!(lines.nth(1), Some(command), "{pstore}");
    assert!(
        order.contains(&format!("{command}\n\nall other CPUs stopped before kmsg_dump: not stopped by then")),
        "{order}"
    );

    assert_eq!(cases[1]["file"], "scenarios/panic-during-oops-dump.yaml");
    // What GitLab links to is there, and a picture.
    let attached = project.path().join(cases[1]["attachment"].as_str().unwrap());
    assert!(std::fs::read_to_string(&attached).unwrap().starts_with("<svg "), "{}", attached.display());
    assert!(cases[3]["attachment"].is_null(), "trial 1 has left nothing: {:#}", cases[3]);
}

#[test]
fn junitparser_counts_what_the_summary_counts() {
    if !is_there("junitparser for Python", Command::new("/usr/bin/python3").args(["-c", "import junitparser"])) {
        return;
    }
    let project = Project::new();
    let mut cases = json_lines(&read(&project, "jenkins", "/usr/bin/python3", "junit.py"));
    let all = cases.pop().unwrap();
    assert_eq!(all["counts"], json!({"tests": 9, "failures": 2, "errors": 2, "skipped": 2}));
    // Each trial took 140 ms, and is counted once however many channels its cell has; an attempt that was tried again is not.
    let seconds = 3.0 * 0.14 * f64::from(u32::try_from(TRIALS).unwrap());
    let sum: f64 = cases.iter().map(|case| case["time"].as_f64().unwrap()).sum();
    assert!((sum - seconds).abs() < 1e-6 && (all["time"].as_f64().unwrap() - seconds).abs() < 1e-6, "{sum}: {all}");
    let summary = std::fs::read(project.results().join("latest/summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    let cells = summary["cells"].as_array().unwrap();
    let channels: usize = cells.iter().map(|cell| cell["channels"].as_object().unwrap().len()).sum();
    assert_eq!(cases.len(), channels, "a case for each cell and channel");
    for case in &cases {
        let (results, texts) = (case["results"].as_array().unwrap(), case["texts"].as_array().unwrap());
        assert!(
            results.len() <= 1 && texts.iter().all(|text| text.as_str().is_some_and(|text| !text.is_empty())),
            "{case:#}"
        );
    }
}

#[test]
fn a_failure_that_is_known_is_skipped_unless_it_is_asked_for() {
    if !is_there("junitparser for Python", Command::new("/usr/bin/python3").args(["-c", "import junitparser"])) {
        return;
    }
    let project = Project::new();
    known(&project);
    let counts = |more: &[&str]| {
        let options = [&["--known", "known.yaml"], more].concat();
        let (code, output) = read_with(&project, &options, "/usr/bin/python3", "junit.py");
        let mut cases = json_lines(&output);
        let counts = cases.pop().unwrap()["counts"].clone();
        assert_eq!(code, 3, "a cell's trials all failed by our fault; nothing else did");
        (counts["failures"].as_u64().unwrap(), counts["skipped"].as_u64().unwrap(), cases[1]["results"].clone())
    };
    assert_eq!(counts(&[]), (0, 4, json!(["Skipped"])));
    assert_eq!(counts(&["--known-as", "failure"]), (2, 2, json!(["Failure"])));
    assert_eq!(counts(&["--known-as", "passed"]), (0, 2, json!([])));
}
