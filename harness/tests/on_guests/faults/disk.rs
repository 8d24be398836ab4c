//! Full disks, which are small ones of the test's own.

use std::io::Write as _;

use super::{assert_complete, causes, run_with};
use crate::common::disk::Disk;
use crate::common::processes::Background;
use crate::common::{Project, text};

#[test]
fn a_full_disk_ends_the_run_which_goes_on_when_there_is_room() {
    const TRIALS: u32 = 30;
    let project = Project::new();
    let Some(disk) = Disk::mount(project.results(), "512k") else { return };
    let output = project.command(&run_with(TRIALS, &["--jobs", "2"])).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let id = project.latest();
    assert!(said.contains("No space left on device") && said.contains(disk.at().to_str().unwrap()), "{said}");
    assert!(said.contains(&format!("harness run --resume {id}")), "{said}");
    let before = project.records();
    assert!(!before.is_empty() && before.len() < 30, "{}", before.len());

    disk.resize("64m");
    let output = project.run(&["run", "--resume", &id]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let records = project.records();
    assert!(records.starts_with(&before));
    assert_complete(&records, TRIALS.into());
    assert_eq!(project.summary()["cells"][0]["trials"], TRIALS);
}

#[test]
fn a_full_temporary_folder_is_given_up_with_its_cause() {
    let project = Project::new();
    let Some(disk) = Disk::mount(project.path().join("tmp"), "2m") else { return };
    let mut command = project.command(&run_with(500, &["--jobs", "1"]));
    command.env("TMPDIR", disk.at());
    let mut harness = Background::start(&project, command);
    harness.until("a trial is recorded", |_| !project.records().is_empty());
    // Takes what each trial leaves free, until it is faster than the next one.
    let mut filler = std::fs::File::create(disk.at().join("filler")).unwrap();
    harness.until("it gives up", |it| {
        while filler.write(&[1; 512]).is_ok_and(|written| written > 0) {}
        it.said().contains("\nerror: ")
    });
    let (code, said) = harness.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("attempts to run a trial have all failed") && said.contains("No space left"), "{said}");
    assert!(said.contains(disk.at().to_str().unwrap()), "{said}");
    assert!(said.contains(&format!("harness run --resume {}", project.latest())), "{said}");
    let records = project.records();
    let failed = causes(&records);
    // What the first of them failed of depends on how far it had come: QEMU itself may have found no room.
    let words = ["No space left", "is the disk full?", "(SIGBUS)"];
    let full = |(_, cause): &(u64, String)| words.iter().any(|word| cause.contains(word));
    assert!(failed.len() >= 12 && failed.iter().all(full), "{failed:#?}");
    assert!(records.iter().all(|record| record["attempt"].as_u64().unwrap_or(0) < 3), "{records:#?}");
}
