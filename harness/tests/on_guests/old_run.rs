//! Resuming a run that the program of an older commit recorded, of which `it/old_run.rs` reads the rest.

use std::path::Path;
use std::process::Command;

use crate::common::{Project, text};

/// Its kernel was another, and so was the program: what is missing would not belong to what is there.
#[test]
fn an_old_run_is_not_resumed_and_stays_as_it_was() {
    let project = Project::new();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/runs/a49d9fc/1");
    let run = project.path().join("old");
    assert!(Command::new("cp").arg("-r").args([&recorded, &run]).status().unwrap().success());
    // As if it had been killed before its last trial.
    let log = run.join("trials.jsonl");
    let lines = std::fs::read_to_string(&log).unwrap();
    let (earlier, _) = lines.trim_end().rsplit_once('\n').unwrap();
    std::fs::write(&log, format!("{earlier}\n")).unwrap();

    let output = project.run(&["run", "--resume", "./old"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(" was ") && said.contains(" and is now "), "{said}");
    assert!(said.contains("hint: put it back as it was, or begin a new run"), "{said}");
    assert_eq!(std::fs::read_to_string(&log).unwrap(), format!("{earlier}\n"));
}
