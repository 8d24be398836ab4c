//! Runs that are resumed: what is recorded, what is tried again, and who may write.

use std::fs;
use std::time::SystemTime;

use insta::assert_snapshot;

use super::*;
use crate::model::ChannelOutcome::{Lost, Saved};
use crate::model::TrialOutcome;
use crate::results::sample::{counted, key, trial};
use crate::results::{Run, Summary};

fn infra() -> TrialOutcome {
    TrialOutcome::InfraError { cause: "starting QEMU: no such file".into() }
}

fn record(index: u64, attempt: u32, outcome: TrialOutcome) -> TrialRecord {
    TrialRecord { attempt, ..trial(index, &key("stock", "panic-alone", ""), outcome) }
}

/// A run in a folder that goes with it.
fn run() -> (tempfile::TempDir, Run) {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::create(folder.path(), SystemTime::now()).unwrap();
    (folder, run)
}

/// A run with these records.
fn run_of(records: &[TrialRecord]) -> (tempfile::TempDir, Run) {
    let (folder, run) = run();
    let log = run.log().unwrap();
    for record in records {
        log.append_blocking(record).unwrap();
    }
    (folder, run)
}

fn records(run: &Run) -> Vec<TrialRecord> {
    run.trials().unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_run_goes_on_after_a_torn_line() {
    let before = [record(0, 0, counted(Saved, Saved)), record(2, 0, counted(Saved, Lost))];
    let (_folder, run) = run_of(&before);
    let path = run.trials_path();
    let whole = fs::read(&path).unwrap();
    let last = record(1, 0, counted(Lost, Lost));
    // Torn, whole, and whole but for its line end, which is a record that counts.
    for (left, recorded) in
        [([&whole, &whole[..40]].concat(), 2), (whole.clone(), 2), (whole[..whole.len() - 1].to_vec(), 2)]
    {
        fs::write(&path, left).unwrap();
        let (log, finished) = run.reopen_log().unwrap();
        assert_eq!(finished.len(), recorded);
        assert!(finished.contains(0) && !finished.contains(1) && finished.contains(2) && !finished.contains(u64::MAX));
        assert_eq!(fs::read(&path).unwrap(), whole);
        log.append_blocking(&last).unwrap();
        assert_eq!(records(&run), [&before[0], &before[1], &last].map(Clone::clone));
    }
}

#[test]
fn a_run_that_died_before_its_first_trial_goes_on() {
    let (_folder, run) = run();
    let (log, finished) = run.reopen_log().unwrap();
    assert!(finished.is_empty());
    log.append_blocking(&record(0, 0, counted(Saved, Saved))).unwrap();
    assert_eq!(records(&run).len(), 1);
}

#[test]
fn a_log_that_is_damaged_before_its_end_is_left_as_it_is() {
    let (_folder, run) = run_of(&[record(0, 0, counted(Saved, Saved))]);
    let path = run.trials_path();
    let damaged = [b"{\n".as_slice(), &fs::read(&path).unwrap()].concat();
    fs::write(&path, &damaged).unwrap();
    assert!(matches!(run.reopen_log(), Err(Error::Line { line: 1, .. })));
    assert_eq!(fs::read(&path).unwrap(), damaged);
}

#[test]
fn only_one_harness_writes_to_a_run() {
    let (_folder, run) = run();
    let first = run.log().unwrap();
    let error = run.reopen_log().unwrap_err();
    let text = error.to_string().replace(&*run.folder().to_string_lossy(), "RUN");
    assert_snapshot!(text, @"cannot open RUN/trials.jsonl: another harness is writing to it");
    assert_snapshot!(error.hint().unwrap(), @"wait until it has ended, or end it; a dead harness holds no lock");
    drop(first);
    let (second, _) = run.reopen_log().unwrap();
    assert!(matches!(run.reopen_log(), Err(Error::Locked { .. })));
    // Readers are not kept out.
    assert!(records(&run).is_empty());
    drop(second);
}

#[test]
fn an_infra_error_is_tried_again_and_its_last_attempt_counts() {
    let attempts = [
        record(0, 0, counted(Saved, Saved)),
        record(1, 0, infra()),
        record(2, 0, infra()),
        record(3, 0, infra()),
        record(1, 1, counted(Saved, Lost)),
        record(2, 1, infra()),
        record(2, 2, infra()),
    ];
    let (_folder, run) = run_of(&attempts);
    let (_, finished) = run.reopen_log().unwrap();
    assert_eq!(finished.len(), 4);
    assert_eq!(finished.failed().collect::<Vec<_>>(), [(2, 2), (3, 0)]);
    let last: Vec<(u64, u32)> =
        attempts.iter().filter(|it| finished.is_last(it)).map(|it| (it.index, it.attempt)).collect();
    assert_eq!(last, [(0, 0), (3, 0), (1, 1), (2, 2)]);

    let summary = run.summary().unwrap();
    let cell = &summary.cells[0];
    assert_eq!((cell.trials, cell.infra_errors, cell.retried), (4, 2, 3));
    let text = serde_json::to_string(&summary).unwrap();
    assert!(text.contains(r#""hung":0,"retried":3,"channels""#), "{text}");
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    let once = Summary::from_trials("x", &attempts[..1]);
    assert!(!serde_json::to_string(&once).unwrap().contains("retried"));
    let line = serde_json::to_string(&attempts[4]).unwrap();
    assert!(line.contains(r#""attempt":1,"#) && !serde_json::to_string(&attempts[0]).unwrap().contains("attempt"));
}

#[test]
fn nothing_but_an_infra_error_is_tried_again() {
    let wrong = |first: TrialRecord, second: TrialRecord| {
        let (_folder, run) = run_of(&[first, second]);
        run.tally().unwrap_err().to_string().replace(&*run.folder().to_string_lossy(), "RUN")
    };
    assert_snapshot!(
        wrong(record(5, 0, counted(Saved, Saved)), record(5, 1, counted(Saved, Saved))),
        @"RUN/trials.jsonl:2: trial 5 is already in an earlier line, and was no infra-error there"
    );
    assert_snapshot!(
        wrong(record(5, 1, infra()), record(5, 1, infra())),
        @"RUN/trials.jsonl:2: trial 5 is already in an earlier line, as attempt 1"
    );
}

#[test]
fn an_attempt_finds_its_folder_empty() {
    let (_folder, run) = run();
    let folder = run.create_artifacts(3).unwrap();
    fs::write(folder.join("registers.txt"), "of the first attempt").unwrap();
    assert_eq!(run.create_artifacts(3).unwrap(), folder);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

/// A pipe takes what is written to it, and has nothing that could be synced.
#[test]
fn that_the_disk_does_not_keep_it_is_told_to_everybody_whose_record_was_synced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trials.jsonl");
    let (mut reader, writer) = std::io::pipe().unwrap();
    let log = TrialLog::on(path.clone(), File::from(std::os::fd::OwnedFd::from(writer)), 0).unwrap();
    let appended = [0, 1, 2].map(|index| log.append(&record(index, 0, counted(Saved, Saved))));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for appended in appended {
        let error = runtime.block_on(appended).unwrap_err().to_string();
        assert_eq!(
            error.replace(&*path.to_string_lossy(), "LOG"),
            "cannot append to LOG: Invalid argument (os error 22)"
        );
    }
    drop(log);
    let mut written = String::new();
    reader.read_to_string(&mut written).unwrap();
    assert_eq!(written.lines().count(), 3, "all of them were written");
}

#[test]
fn what_is_appended_is_written_though_nobody_waits_for_it() {
    let (_folder, run) = run();
    let log = run.log().unwrap();
    drop(log.append(&record(0, 0, counted(Saved, Saved))));
    drop(log);
    assert_eq!(records(&run).len(), 1);
}
