//! What the program says to bad input, and its exit codes: nothing here needs a kernel or a guest.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, text};

/// What it said, with the project's folder redacted, and its exit code.
fn said(project: &Project, arguments: &[&str]) -> String {
    let output = project.run(arguments);
    let code = output.status.code().unwrap();
    let redacted = text(&output.stderr).replace(&project.path().display().to_string(), "[PROJECT]");
    format!("exit code {code}\n{}", redacted.trim_end())
}

#[test]
fn unknown_names_get_the_nearest_one() {
    let project = Project::new();
    insta::assert_snapshot!(said(&project, &["run", "--scenario", "panic-alnoe"]));
    insta::assert_snapshot!(said(&project, &["run", "--suite", "quik"]));
    insta::assert_snapshot!(said(&project, &["run", "--suite", "quick", "--variant", "stok"]));
    insta::assert_snapshot!(said(&project, &["run", "--suite", "quick", "--base", "6.21"]));
    insta::assert_snapshot!(said(&project, &["run", "--scenario", "panic-during-oops-dump", "--param", "hold=1s"]));
    insta::assert_snapshot!(said(&project, &["build", "kmsg-dump-before-stopp"]));
}

#[test]
fn yaml_is_shown_with_the_line() {
    let project = Project::new();
    let path = "scenarios/panic-alone.yaml";
    let good = std::fs::read_to_string(project.path().join(path)).unwrap();
    for (from, to) in [("title:", "titel:"), ("actors:", "actors: []\nactors:"), ("at: 0ms", "at: 0")] {
        assert!(good.contains(from), "{from}");
        project.write(path, &good.replacen(from, to, 1));
        insta::assert_snapshot!(said(&project, &["list", "scenarios"]));
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let project = Project::new();
    insta::assert_snapshot!(said(&project, &["compare", "stock", "kmsg-dump-before-stop", "--results", "/nowhere"]));
    insta::assert_snapshot!(said(&project, &["man", "/proc/man"]));
}

#[test]
fn a_machine_without_qemu_is_told_what_to_install() {
    let project = Project::new();
    let output = project.harness(&["doctor", "--format", "json", "--qemu", "/nowhere/qemu"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let qemu = findings.iter().find(|finding| finding["id"] == "qemu").unwrap();
    assert_eq!(qemu["status"], "fail", "{qemu}");
    assert!(report["accelerator"].is_null(), "{report}");
}

#[test]
fn without_a_project_it_says_where_it_looked() {
    let project = Project::new();
    insta::assert_snapshot!(said(&project, &["list", "--project", "/nowhere"]));
}

#[test]
fn every_subcommand_shows_an_example() {
    let project = Project::new();
    let help = text(&project.run(&["--help"]).stdout);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut seen = 0;
    for command in commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        let help = text(&project.run(&[command, "--help"]).stdout);
        assert!(help.contains("Example"), "{command}: {help}");
        assert!(help.contains(&format!("harness {command}")), "{command}: {help}");
        seen += 1;
    }
    assert_eq!(seen, 11);
}

#[test]
fn schema_completions_and_manual_pages_are_made() {
    let project = Project::new();
    assert_eq!(project.json(&["schema", "scenario"], 0)["title"], "scenario");
    assert_eq!(project.json(&["schema", "suite"], 0)["title"], "suite");
    let completions = project.run(&["completions", "bash"]);
    assert!(text(&completions.stdout).contains("_harness"));
    assert!(project.run(&["man", "man"]).status.success());
    assert!(project.path().join("man/harness-run.1").is_file());
}

#[test]
fn lists_are_for_people_and_programs() {
    let project = Project::new();
    insta::assert_snapshot!(text(&project.run(&["list"]).stdout));
    let names = project.json(&["list", "variants", "--format", "json"], 0);
    assert_eq!(names["variants"][2]["name"], "stock");
}
