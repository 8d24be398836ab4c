//! Made-up runs, where no guest is needed.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::time::SystemTime;

use harness::model::{
    ActorStamps, CellKey, Channel, ChannelOutcome, ChannelVerdict, Expectation, KeptLines, Logged, ParamValue, Phase,
    TrialOutcome, TrialRecord,
};
use harness::results::{HarnessInfo, HostInfo, PlannedCell, QemuInfo, Run, RunInfo, SCHEMA_VERSION, rfc3339};

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

/// A trial's record, of the size of a real one: one of a hundred is an infra-error, one missed.
pub fn record(index: u64, cells: u64) -> TrialRecord {
    let verdict = |outcome| ChannelVerdict {
        outcome,
        witnesses: 7,
        of: 32,
        detail: "the panic's own line is missing; witness lines 8 to 32 are missing".into(),
        broken: Vec::new(),
        log: Some(KeptLines { lines: 41, of: 66, first_lost: Some("[    5.123456][    T1] witness line".repeat(2)) }),
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
        seed: index,
        stamps: vec![stamps("victim"), stamps("killer")],
        log: Some(Logged { lines: 66, panic: true, unfinished: 0 }),
        ..harness_testdata::records::trial(index, &cell(index % cells), outcome)
    }
}

/// The inputs of a run with this number of cells and of trials.
pub fn info(run: &Run, cells: u64, trials: u64) -> RunInfo {
    let trials_per_cell = u32::try_from(trials / cells).unwrap();
    let cells = (0..cells).map(|number| PlannedCell {
        key: cell(number),
        trials: trials_per_cell,
        expect: vec![Expectation { channel: Channel::Pstore, outcome: ChannelOutcome::Saved, at_least: 0.9 }],
        skipped: None,
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
            phase: Phase::Drawn,
            templates: 4,
            read_back: false,
            read_back_kernel: None,
            kdump: false,
            crash_kernel: None,
            full_vmcore: false,
            traced: false,
        },
        kernels: vec![],
        scenarios: vec![],
        suite: None,
        seed: 7,
        trials_per_cell,
        jobs: 1,
        shard: None,
        until: None,
        bisected: None,
        explored: None,
        schedule: None,
        merged_from: vec![],
        hosts: vec![],
        cells: cells.collect(),
    }
}
