//! Memory of a run of 50,000 trials, in a process of its own, so that other tests' memory does not count.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::time::SystemTime;

use harness::model::TrialRecord;
use harness::report::{Junit, JunitForm, KnownAs, Reported, TAIL_BYTES, TrialNotes, junit};
use harness::results::{Parts, Run, judge};

use crate::common::memory::{LIMIT_KIB, is_alone, peak_kib, run_alone};
use crate::simulated::{info, record};

const TRIALS: u64 = 50_000;
const CELLS: u64 = 40;
/// Recorded as a harness does it, each on the disk; the others would take a slow disk minutes.
const APPENDED: u64 = 200;

#[test]
fn memory_does_not_grow_with_the_trials() {
    run_alone("scale::child");
}

/// The part of the test that has a process of its own: records, resumes, counts, judges, reports and merges within the
/// limit, which does not hold once all records are held.
#[test]
fn child() {
    if !is_alone() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = Run::create(folder.path(), SystemTime::now()).unwrap();
    let info = info(&run, CELLS, TRIALS);
    run.write_info(&info).unwrap();
    {
        let mut log = BufWriter::new(File::create_new(run.folder().join("trials.jsonl")).unwrap());
        for index in 0..TRIALS - APPENDED {
            serde_json::to_writer(&mut log, &record(index, CELLS)).unwrap();
            log.write_all(b"\n").unwrap();
        }
        log.flush().unwrap();
    }
    let (log, finished) = run.reopen_log().unwrap();
    assert_eq!(finished.len(), TRIALS - APPENDED);
    for index in TRIALS - APPENDED..TRIALS {
        log.append_blocking(&record(index, CELLS)).unwrap();
    }
    drop(log);

    let (summary, finished) = run.tally().unwrap();
    assert_eq!(summary.cells.len() as u64, CELLS);
    assert_eq!(summary.cells.iter().map(|cell| u64::from(cell.trials)).sum::<u64>(), TRIALS);
    let judged = judge(&summary, &info.cells);
    let notes = TrialNotes::of(run.trials().unwrap(), &finished).unwrap();
    let report = Junit {
        reported: Reported { info: &info, summary: &summary, notes: &notes, judged: &judged, known: None },
        form: JunitForm::Plain,
        known_as: KnownAs::default(),
        limit: 25 << 20,
        console_tail: &|trial| run.console_tail(trial, TAIL_BYTES).unwrap(),
        attachments: &|_| Vec::new(),
    };
    assert_eq!(junit(&report).unwrap().matches("<testcase ").count() as u64, 2 * CELLS);
    let parts = Parts::read(vec![run.clone()]).unwrap();
    assert_eq!(parts.merge(folder.path(), SystemTime::now(), vec![]).unwrap().publish().unwrap().id().len(), 20);
    let peak = peak_kib();
    assert!(peak <= LIMIT_KIB, "{peak} KiB were resident");

    let all: Vec<TrialRecord> = run.trials().unwrap().map(Result::unwrap).collect();
    assert!(all.len() as u64 == TRIALS && peak_kib() > LIMIT_KIB, "the limit tells nothing: {} KiB", peak_kib());
}
