//! Executes trials: as many guests at a time as there are processors for, every finished trial on disk before its successor
//! begins.
//!
//! ```text
//! work, in the order of the plan ──> execute ──> TrialLog, artifacts/
//!                                       └─ an infra-error: mended, tried again
//! ```

mod error;
mod slots;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::guest::Watch;
use crate::model::{TrialOutcome, TrialRecord};
use crate::results::{self, Run, TrialLog};
use crate::trial::Assignment;

pub use error::RunError;
pub use slots::default_jobs;

/// How often one trial is tried: a QEMU that was killed or a full disk is seldom met three times.
const ATTEMPTS: u32 = 3;

/// After this many infra-errors in a row, with no trial between them that could be run, the fault is not the trials'.
/// Where more guests than half of that run at a time it takes twice as many as they are: all of them may fail at once,
/// of something that is over then.
const MAX_CONSECUTIVE_INFRA_ERRORS: u32 = 12;

/// How urgently the user wants an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stop {
    /// Not at all.
    #[default]
    No,
    /// Finish the trials that are running, begin no other.
    AfterRunning,
    /// At once: kill the guests; their trials are not recorded.
    Now,
}

/// Runs trials: the seam between the scheduling of trials and guests, which tests replace by a table of outcomes.
pub trait RunTrial: Send + Sync {
    /// Runs one, whose console goes to `watch` as well. Its artifacts go to the folder `artifacts`, which exists. The
    /// record is complete whatever happened; a failure of ours is an infra-error in it.
    fn run<'a>(
        &'a self,
        assignment: &'a Assignment,
        artifacts: &'a Path,
        watch: Option<Watch>,
    ) -> TrialFuture<'a, TrialRecord>;

    /// Replaces what guests start from and somebody has removed meanwhile. An error is why that cannot be done.
    fn rebuild_if_broken(&self) -> TrialFuture<'_, Result<(), String>>;
}

/// What [`RunTrial`] does, while it is being done.
pub type TrialFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A trial, and what runs it.
#[derive(Clone)]
pub struct Work {
    /// What runs it.
    pub guests: Arc<dyn RunTrial>,
    /// What it is told.
    pub assignment: Assignment,
    /// How many attempts at it were recorded before, in this run or one that it resumes.
    pub attempt: u32,
}

/// A trial to be tried, and how often it may yet be.
struct Try {
    work: Work,
    left: u32,
}

/// What the caller of [`execute`] is told.
#[derive(Debug)]
pub enum Progress<'a> {
    /// This record is on disk.
    Ended(&'a TrialRecord),
    /// The user wants an end.
    Stopping(Stop),
}

/// Where the trials of a run go.
#[derive(Debug, Clone, Copy)]
pub struct Sink<'a> {
    /// The run, for its artifacts.
    pub run: &'a Run,
    /// Its log.
    pub log: &'a TrialLog,
}

/// Runs what `work` gives, which is asked for one by one, as many guests at once as have `jobs` busy CPUs together: a
/// guest of which two CPUs are busy at the same time counts twice, lest they wait for each other's processor. A guest
/// that would need more than there are runs alone.
///
/// An infra-error is recorded and tried again, a few times; all attempts are in the log. `told` is told of every record right
/// after it is on disk. When a record cannot be written, or nothing but infra-errors comes any more, what is running is
/// finished and the rest left.
pub async fn execute(
    work: impl IntoIterator<Item = Work>,
    jobs: u32,
    sink: Sink<'_>,
    mut stop: watch::Receiver<Stop>,
    mut told: impl FnMut(Progress<'_>),
) -> Result<(), RunError> {
    let mut work = work.into_iter();
    // What failed, before what found no room.
    let mut waiting: VecDeque<Try> = VecDeque::new();
    let mut running = JoinSet::new();
    // What has ended keeps its place until it is on disk. Records that wait here together are synced together.
    let mut recording = JoinSet::new();
    let mut busy = 0;
    let mut stoppable = true;
    let mut failed: Option<RunError> = None;
    let mut hopeless = 0;
    let mut wish = Stop::No;
    loop {
        let wished = *stop.borrow_and_update();
        if wished != wish {
            wish = wished;
            told(Progress::Stopping(wish));
        }
        while wish == Stop::No && failed.is_none() {
            let fresh = || work.next().map(|work| Try { work, left: ATTEMPTS });
            let Some(trying) = waiting.pop_front().or_else(fresh) else { break };
            let processors = trying.work.assignment.processors.min(jobs);
            if busy + processors > jobs {
                waiting.push_front(trying);
                break;
            }
            match sink.run.create_artifacts(trying.work.assignment.index) {
                Ok(artifacts) => {
                    busy += processors;
                    running.spawn(attempt(trying, artifacts, processors));
                }
                Err(error) => failed = Some(error.into()),
            }
        }
        if wish == Stop::Now {
            // Dropping a trial kills its guest. What has ended is recorded all the same.
            while let Some(ended) = running.try_join_next() {
                record(ended, sink.log, &mut recording, &mut failed);
            }
            running.shutdown().await;
        }
        tokio::select! {
            Some(ended) = running.join_next() => record(ended, sink.log, &mut recording, &mut failed),
            Some(recorded) = recording.join_next() => {
                let (Attempt { trying, record, processors }, recorded) = match recorded {
                    Ok(recorded) => recorded,
                    Err(error) => {
                        failed.get_or_insert(error.into());
                        continue;
                    }
                };
                busy -= processors;
                if let Err(error) = recorded {
                    failed.get_or_insert(error.into());
                    continue;
                }
                told(Progress::Ended(&record));
                let TrialOutcome::InfraError { cause } = &record.outcome else {
                    hopeless = 0;
                    continue;
                };
                hopeless += 1;
                if hopeless >= MAX_CONSECUTIVE_INFRA_ERRORS.max(jobs.saturating_mul(2)) {
                    failed.get_or_insert(RunError::Hopeless { times: hopeless, cause: cause.clone() });
                } else if trying.left > 1 {
                    let Try { work, left } = trying;
                    let work = Work { attempt: work.attempt + 1, ..work };
                    waiting.push_front(Try { work, left: left - 1 });
                }
            }
            // An error: nobody is left who could stop us, and then only the trials matter.
            changed = stop.changed(), if stoppable && !(running.is_empty() && recording.is_empty()) => {
                stoppable = changed.is_ok();
            }
            else => return failed.map_or(Ok(()), Err),
        }
    }
}

/// Has the record of an attempt that has ended written.
fn record(
    ended: Result<Attempt, JoinError>,
    log: &TrialLog,
    recording: &mut JoinSet<(Attempt, Result<(), results::Error>)>,
    failed: &mut Option<RunError>,
) {
    match ended {
        Ok(attempt) => {
            let recorded = log.append(&attempt.record);
            recording.spawn(async { (attempt, recorded.await) });
        }
        Err(error) => {
            failed.get_or_insert(error.into());
        }
    }
}

/// An attempt at a trial that has ended.
struct Attempt {
    trying: Try,
    record: TrialRecord,
    /// The processors that it takes.
    processors: u32,
}

/// One attempt at a trial. Before a second one, what guests start from is looked after.
async fn attempt(trying: Try, artifacts: PathBuf, processors: u32) -> Attempt {
    let Work { guests, assignment, attempt } = &trying.work;
    if trying.left < ATTEMPTS
        && let Err(error) = guests.rebuild_if_broken().await
    {
        tracing::warn!("before another attempt at trial {}: {error}", assignment.index);
    }
    let record = TrialRecord { attempt: *attempt, ..guests.run(assignment, &artifacts, None).await };
    Attempt { trying, record, processors }
}

#[cfg(test)]
mod tests;
