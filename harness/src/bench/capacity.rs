//! How many trials a second one process could run: with guests that cost nothing, the whole way from the plan to the record
//! on disk and the counts.

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tokio::sync::watch;

use super::{BenchError, simulated};
use crate::guest::Watch;
use crate::model::TrialRecord;
use crate::plan::Plan;
use crate::results::{Run, SummaryBuilder};
use crate::run::{self, Progress, RunTrial, Sink, Stop, TrialFuture, Work};
use crate::scenario::Instance;
use crate::trial::{Assignment, TrialSettings};

/// Trials to measure by.
const TRIALS: u32 = 4000;

/// Guests at a time, as on a machine with this many processors.
const JOBS: u32 = 64;

/// Guests that cost nothing.
struct Free;

impl RunTrial for Free {
    fn run<'a>(&'a self, assignment: &'a Assignment, _: &'a Path, _: Option<Watch>) -> TrialFuture<'a, TrialRecord> {
        let Assignment { index, cell, seed, nonce, .. } = assignment;
        Box::pin(async move { simulated::record(*index, cell, *seed, nonce) })
    }

    fn rebuild_if_broken(&self) -> TrialFuture<'_, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

/// Trials a second, written to a run in `folder`.
pub async fn per_second(
    plan: impl Fn(u32) -> Plan,
    instance: &Instance,
    settings: TrialSettings,
    folder: &Path,
) -> Result<f64, BenchError> {
    let run = Run::create(folder, SystemTime::now())?;
    let log = run.log()?;
    let guests: Arc<dyn RunTrial> = Arc::new(Free);
    let plan = plan(TRIALS);
    let work = plan.iter().map(|trial| Work {
        guests: Arc::clone(&guests),
        assignment: Assignment::new(&trial, instance, settings.clone()),
        attempt: 0,
    });
    let (_stopper, stop) = watch::channel(Stop::No);
    let mut counts = SummaryBuilder::default();
    let began = Instant::now();
    run::execute(work, JOBS, Sink { run: &run, log: &log }, stop, |progress| {
        if let Progress::Ended(record) = progress {
            counts.add(record);
        }
    })
    .await?;
    Ok(f64::from(TRIALS) / began.elapsed().as_secs_f64())
}
