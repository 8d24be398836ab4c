//! Full disks, which are small ones of the test's own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{assert_complete, causes, run_with};
use crate::common::processes::Background;
use crate::common::{Project, text};

/// A file system in memory; unmounted when this is dropped.
struct Disk {
    at: PathBuf,
}

impl Disk {
    /// None where this user may not mount anything, which is said.
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        if let Err(why) = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], &at) {
            // Not by a macro, whose output the test runner swallows.
            let _ = writeln!(std::io::stderr(), "SKIPPED, not tested: a full disk; this user may not mount one: {why}");
            return None;
        }
        Some(Self { at })
    }

    fn resize(&self, size: &str) {
        mount(&["-o", &format!("remount,size={size}")], &self.at).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

fn mount(options: &[&str], at: &Path) -> Result<(), String> {
    let output = Command::new("mount").args(options).arg(at).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(text(&output.stderr)) }
}

#[test]
fn a_full_disk_ends_the_run_which_goes_on_when_there_is_room() {
    const TRIALS: u32 = 30;
    let project = Project::new();
    let Some(disk) = Disk::mount(project.results(), "512k") else { return };
    let output = project.command(&run_with(TRIALS, &["--jobs", "2"])).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let id = project.latest();
    assert!(said.contains("No space left on device") && said.contains(disk.at.to_str().unwrap()), "{said}");
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
    command.env("TMPDIR", &disk.at);
    let mut harness = Background::start(&project, command);
    harness.until("a trial is recorded", |_| !project.records().is_empty());
    // Takes what each trial leaves free, until it is faster than the next one.
    let mut filler = std::fs::File::create(disk.at.join("filler")).unwrap();
    harness.until("it gives up", |it| {
        while filler.write(&[1; 512]).is_ok_and(|written| written > 0) {}
        it.said().contains("\nerror: ")
    });
    let (code, said) = harness.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("attempts to run a trial have all failed") && said.contains("No space left"), "{said}");
    assert!(said.contains(disk.at.to_str().unwrap()), "{said}");
    assert!(said.contains(&format!("harness run --resume {}", project.latest())), "{said}");
    let records = project.records();
    let failed = causes(&records);
    // What the first of them failed of depends on how far it had come: QEMU itself may have found no room.
    let words = ["No space left", "is the disk full?", "(SIGBUS)"];
    let full = |(_, cause): &(u64, String)| words.iter().any(|word| cause.contains(word));
    assert!(failed.len() >= 12 && failed.iter().all(full), "{failed:#?}");
    assert!(records.iter().all(|record| record["attempt"].as_u64().unwrap_or(0) < 3), "{records:#?}");
}
