//! Memory of a run of 100,000 trials. A program of its own, so that other tests' memory does not count.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::time::SystemTime;

use harness::model::{
    ActorStamps, CellKey, Channel, ChannelOutcome, ChannelVerdict, Expectation, ParamValue, TrialOutcome, TrialRecord,
};
use harness::report::{Junit, TAIL_BYTES, TrialNotes, junit};
use harness::results::{
    HarnessInfo, HostInfo, Parts, PlannedCell, QemuInfo, Run, RunInfo, SCHEMA_VERSION, judge, rfc3339,
};

const TRIALS: u64 = 100_000;
const CELLS: u64 = 40;
/// Recorded as a harness does it, each on the disk; the others would take a slow disk minutes.
const APPENDED: u64 = 200;
const LIMIT_KIB: u64 = 64 << 10;

/// The most memory that was ever resident, in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

fn cell(number: u64) -> CellKey {
    CellKey {
        variant: "stock".into(),
        base: "6.12".into(),
        scenario: "panic-during-oops-dump".into(),
        params: BTreeMap::from([
            ("hold".into(), ParamValue::Text(format!("{number}ms"))),
            ("post_notifiers".into(), ParamValue::Number(1)),
        ]),
    }
}

fn record(index: u64) -> TrialRecord {
    let verdict = |outcome| ChannelVerdict {
        outcome,
        witnesses: 7,
        of: 32,
        detail: "the panic's own line is missing; witness lines 8 to 32 are missing".into(),
    };
    let outcome = match index % 100 {
        0 => TrialOutcome::InfraError { cause: "waiting for the agent's `ready`: nothing came for 120 s".into() },
        1 => TrialOutcome::Missed { reason: "killer entered 12 ms after victim had left".into() },
        n => TrialOutcome::Counted {
            hung: false,
            channels: BTreeMap::from([
                (Channel::Console, verdict(ChannelOutcome::Truncated)),
                (Channel::Pstore, verdict(if n < 50 { ChannelOutcome::Saved } else { ChannelOutcome::Lost })),
            ]),
        },
    };
    let stamps =
        |actor: &str| ActorStamps { actor: actor.into(), cpu: 1, entered_us: Some(index), left_us: Some(index + 300) };
    TrialRecord {
        index,
        cell: cell(index % CELLS),
        attempt: 0,
        seed: index,
        nonce: format!("{index:016x}"),
        started: "2026-11-22T05:06:07.000Z".into(),
        wall_ms: 140,
        outcome,
        host_wait_percent: Some(3),
        stamps: vec![stamps("victim"), stamps("killer")],
    }
}

fn info(run: &Run) -> RunInfo {
    let cells = (0..CELLS).map(|number| PlannedCell {
        key: cell(number),
        trials: u32::try_from(TRIALS / CELLS).unwrap(),
        expect: vec![Expectation { channel: Channel::Pstore, outcome: ChannelOutcome::Saved, at_least: 0.9 }],
    });
    RunInfo {
        schema_version: SCHEMA_VERSION,
        run_id: run.id().into(),
        started: rfc3339(SystemTime::UNIX_EPOCH),
        command: vec![],
        harness: HarnessInfo { version: String::new(), git: None },
        host: HostInfo { os: String::new(), kernel: String::new(), cpu: String::new(), cores: 1, memory_bytes: 0 },
        qemu: QemuInfo {
            path: String::new(),
            version: String::new(),
            accelerator: String::new(),
            time: String::new(),
            cold: false,
        },
        kernels: vec![],
        scenarios: vec![],
        suite: None,
        seed: 7,
        trials_per_cell: u32::try_from(TRIALS / CELLS).unwrap(),
        jobs: 1,
        shard: None,
        merged_from: vec![],
        hosts: vec![],
        cells: cells.collect(),
    }
}

/// Recorded, resumed, counted, judged, reported and merged within the limit; which does not hold once all records are held.
#[test]
fn memory_does_not_grow_with_the_trials() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::create(folder.path(), SystemTime::now()).unwrap();
    let info = info(&run);
    run.write_info(&info).unwrap();
    {
        let mut log = BufWriter::new(File::create_new(run.folder().join("trials.jsonl")).unwrap());
        for index in 0..TRIALS - APPENDED {
            serde_json::to_writer(&mut log, &record(index)).unwrap();
            log.write_all(b"\n").unwrap();
        }
        log.flush().unwrap();
    }
    let (log, finished) = run.reopen_log().unwrap();
    assert_eq!(finished.len(), TRIALS - APPENDED);
    for index in TRIALS - APPENDED..TRIALS {
        log.append(&record(index)).unwrap();
    }
    drop(log);

    let (summary, finished) = run.tally().unwrap();
    assert_eq!(summary.cells.len() as u64, CELLS);
    assert_eq!(summary.cells.iter().map(|cell| u64::from(cell.trials)).sum::<u64>(), TRIALS);
    let judged = judge(&summary, &info.cells);
    let mut notes = TrialNotes::default();
    for record in run.trials().unwrap() {
        let record = record.unwrap();
        if finished.is_last(&record) {
            notes.add(&record);
        }
    }
    let console_tail = |trial| run.console_tail(trial, TAIL_BYTES).unwrap();
    let report = Junit { info: &info, summary: &summary, notes: &notes, judged: &judged, console_tail: &console_tail };
    assert_eq!(junit(&report).unwrap().matches("<testcase ").count() as u64, 2 * CELLS);
    let parts = Parts::read(vec![run.clone()]).unwrap();
    assert_eq!(parts.merge(folder.path(), SystemTime::now(), vec![]).unwrap().publish().unwrap().id().len(), 20);
    let peak = peak_kib();
    assert!(peak <= LIMIT_KIB, "{peak} KiB were resident");

    let all: Vec<TrialRecord> = run.trials().unwrap().map(Result::unwrap).collect();
    assert!(all.len() as u64 == TRIALS && peak_kib() > LIMIT_KIB, "the limit tells nothing: {} KiB", peak_kib());
}
