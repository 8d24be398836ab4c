//! `kill -9` of the harness, and what the next one makes of what is left.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{assert_complete, run_of, run_with};
use crate::common::processes::{Background, Signal};
use crate::common::{Project, text};

/// By index: what makes a trial what it is, and its outcome.
fn identities(records: &[Value]) -> BTreeMap<u64, [Value; 5]> {
    let identity =
        |record: &Value| ["scenario", "seed", "nonce", "outcome", "channels"].map(|name| record[name].clone());
    records.iter().map(|record| (record["index"].as_u64().unwrap(), identity(record))).collect()
}

fn private_folders(temporary: &Path) -> Vec<String> {
    let names = std::fs::read_dir(temporary).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("harness-trials-")).collect()
}

#[test]
fn a_run_that_is_killed_again_and_again_comes_to_the_same() {
    const TRIALS: u64 = 24;
    let project = Project::new();
    let temporary = project.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let start = |arguments: &[String]| {
        let mut command = project.command(arguments);
        command.env("TMPDIR", &temporary);
        Background::start(&project, command)
    };
    let log = project.results().join("latest/trials.jsonl");
    let arguments = run_with(12, &["--scenario", "oops-then-panic"]);

    // While the first trial runs.
    let mut harness = start(&arguments);
    harness.until("the first guest runs", |it| log.is_file() && !it.qemus().is_empty());
    harness.kill();
    let id = project.latest();
    let before = project.records().len();
    let left = private_folders(&temporary);
    assert_eq!(left.len(), 1, "{left:?}");

    // In the middle, while another one is told to stay away.
    let mut harness = start(&["run", "--resume", &id].map(str::to_owned));
    harness.until("some trials are recorded", |_| project.records().len() >= before + 4);
    harness.signal(Signal::STOP);
    let now = private_folders(&temporary);
    assert!(now.len() == 1 && now != left, "what the dead one left is gone: {left:?}, {now:?}");
    let locked = project.run(&["run", "--resume", &id]);
    let said = text(&locked.stderr);
    assert_eq!(locked.status.code(), Some(3), "{said}");
    assert!(said.contains("another harness is writing to it"), "{said}");
    harness.kill();

    // Not with other inputs.
    let scenario = project.path().join("scenarios/panic-alone.yaml");
    let original = std::fs::read_to_string(&scenario).unwrap();
    let after_two = project.records();
    std::fs::write(&scenario, original.replace("at: 0ms", "at: 1ms")).unwrap();
    let refused = project.run(&["run", "--resume", "latest"]);
    let said = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("the digest of scenario panic-alone was"), "{said}");
    std::fs::write(&scenario, original).unwrap();
    assert_eq!(project.records(), after_two);

    let (code, said) = start(&["run", "--resume", "latest"].map(str::to_owned)).end();
    assert_eq!(code, Some(0), "{said}");
    let resumed = project.records();
    assert!(resumed.starts_with(&after_two), "what was recorded stays as it was");
    assert_eq!(resumed.len() as u64, TRIALS);
    assert_complete(&resumed, TRIALS);
    assert_eq!(private_folders(&temporary), [""; 0]);
    let summary = project.summary();

    // There is nothing left to be done.
    let text_before = std::fs::read(&log).unwrap();
    let again = project.json(&["run", "--resume", &id, "--format", "json"], 0);
    assert_eq!((&again, std::fs::read(&log).unwrap()), (&summary, text_before));

    // As if nothing had happened.
    let (code, said) = start(&arguments).end();
    assert_eq!(code, Some(0), "{said}");
    assert_ne!(project.latest(), id);
    assert_eq!(identities(&resumed), identities(&project.records()));
    assert_eq!(summary["cells"], project.summary()["cells"]);
}

#[test]
fn no_qemu_outlives_a_harness_that_is_killed_while_guests_boot() {
    let project = Project::new();
    let mut harness = Background::start(&project, project.command(&run_with(500, &["--cold"])));
    // Not the ones that it looks at the machine with, before.
    harness.until("a guest boots", |it| it.said().contains("trials: ") && !it.qemus().is_empty());
    harness.kill();
}

#[test]
fn a_run_that_died_before_it_wrote_anything_is_passed_over() {
    let project = Project::new();
    let (code, said) = Background::start(&project, project.command(&run_of(1))).end();
    assert_eq!(code, Some(0), "{said}");
    let complete = project.latest();
    let folder = project.results().join("29991231-235959-ffff");
    std::fs::create_dir_all(folder.join("artifacts")).unwrap();
    let latest = project.results().join("latest");
    std::fs::remove_file(&latest).unwrap();
    std::os::unix::fs::symlink("29991231-235959-ffff", &latest).unwrap();
    let (code, said) = Background::start(&project, project.harness(&["run", "--resume", "latest"])).end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("resuming {complete}: 1 trials are recorded")), "{said}");
}
