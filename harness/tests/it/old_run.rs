//! Runs that the program of an older commit recorded (`fixtures/runs/`, see its `README.md`): what lies on users' disks is
//! read by every later program.

use std::path::Path;
use std::process::Command;

use crate::common::{Project, text};

/// The two shards of one plan, by their folders.
const SHARDS: [&str; 2] = ["1", "2"];

/// A project with the recorded runs beside it.
fn project() -> Project {
    let project = Project::new();
    let runs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/a49d9fc");
    let copied = Command::new("cp").arg("-r").arg(runs).arg(project.path().join("old")).status().unwrap();
    assert!(copied.success());
    project
}

/// What the program says, and its exit code if that is not 0.
fn said(project: &Project, arguments: &[&str]) -> String {
    let output = project.run(arguments);
    let ids = regex::Regex::new(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}").unwrap();
    let place = project.path().canonicalize().unwrap().display().to_string();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr)).replace(&place, "[PROJECT]");
    let code = output.status.code().filter(|code| *code != 0).map(|code| format!("exit code {code}\n"));
    code.unwrap_or_default() + &ids.replace_all(&said, "[RUN]")
}

#[test]
fn an_old_run_is_ranked_and_its_timelines_are_shown() {
    let project = project();
    insta::assert_snapshot!(said(&project, &["report", "orders", "old/1"]));
    insta::assert_snapshot!(said(&project, &["timeline", "old/1", "0"]));
    let trial = project.json(&["timeline", "old/1", "0", "--format", "json"], 0);
    assert!(trial["console"].as_array().unwrap().len() > 10, "{trial:#}");
}

#[test]
fn old_shards_are_merged_and_compared() {
    let project = project();
    let shards = SHARDS.map(|shard| format!("old/{shard}"));
    insta::assert_snapshot!(said(&project, &["merge", &shards[0], &shards[1]]));
    insta::assert_snapshot!(said(&project, &["compare", "stock", "stock+post_notifiers=1"]));
    insta::assert_snapshot!(said(&project, &["order", "stock", "stock+post_notifiers=1"]));
}

/// Trials of two programs do not belong together, even if all else is the same.
#[test]
fn an_old_shard_is_not_merged_with_one_of_another_program() {
    let project = project();
    let info = project.path().join("old/2/run.json");
    let recorded = std::fs::read_to_string(&info).unwrap();
    let other = recorded.replace("\"git\": \"a49d9fc\"", "\"git\": \"0123abc\"");
    assert_ne!(recorded, other);
    std::fs::write(&info, other).unwrap();
    insta::assert_snapshot!(said(&project, &["merge", "old/1", "old/2"]));
}
