//! Memory of a long run: 100,000 made-up records through plan, log, counts and reports.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::{BenchError, io, mib};
use crate::model::{
    CellKey, Channel, ChannelOutcome, ChannelVerdict, KeptLines, Logged, ParamValue, TrialOutcome, TrialRecord,
};
use crate::plan::Plan;
use crate::report::{Format, TrialNotes, variant_table};
use crate::results::Run;

const TRIALS: u32 = 100_000;
const CELLS: u32 = 40;

/// The process's peak of resident memory after such a run, in MiB; 0 where the host does not tell.
pub async fn peak_mib() -> Result<f64, BenchError> {
    // Where syncing a hundred thousand times costs nothing, if there is such a place.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).map_err(io("create a folder"))?;
    let cell = |number: u32| CellKey {
        variant: "stock".to_owned(),
        base: "6.12".to_owned(),
        scenario: "panic-during-oops-dump".to_owned(),
        params: BTreeMap::from([("hold".to_owned(), ParamValue::Text(format!("{number}ms")))]),
    };
    let plan = Plan::again((0..CELLS).map(cell), TRIALS / CELLS, 1, None);
    let run = Run::create(folder.path(), SystemTime::now())?;
    let log = run.log()?;
    for trial in plan.iter() {
        log.append(&record(trial.index, &trial.cell, trial.seed, &trial.nonce)).await?;
    }
    drop(log);
    let (summary, finished) = run.tally()?;
    let _notes = TrialNotes::of(run.trials()?, &finished)?;
    variant_table(&summary, Format::Text { colour: false });
    Ok(mib("/proc/self/status", "VmHWM"))
}

/// A made-up record of a trial.
pub(super) fn record(index: u64, cell: &CellKey, seed: u64, nonce: &str) -> TrialRecord {
    let verdict = ChannelVerdict {
        outcome: ChannelOutcome::Truncated,
        witnesses: 7,
        of: 32,
        detail: "the panic's own line is missing; witness lines 8 to 32 are missing".to_owned(),
        broken: Vec::new(),
        log: Some(KeptLines { lines: 41, of: 66, first_lost: Some("[    5.123456][    T1] witness line".repeat(2)) }),
    };
    let channels = Channel::OF_LOG.map(|channel| (channel, verdict.clone()));
    let outcome = TrialOutcome::Counted { hung: false, channels: channels.into() };
    let started = "2026-11-22T05:06:07.000Z".to_owned();
    TrialRecord {
        wall_ms: 140,
        host_wait_percent: Some(3),
        log: Some(Logged { lines: 66, panic: true, unfinished: 0 }),
        ..TrialRecord::new(index, cell.clone(), seed, nonce.to_owned(), started, outcome)
    }
}
