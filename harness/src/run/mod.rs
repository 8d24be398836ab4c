//! Executes trials: so many processors' worth of guests at a time, every finished trial on disk before its successor
//! begins.
//!
//! ```text
//! work, in the order of the plan ──> execute ──> TrialLog, artifacts/
//!                                       └─ an infra-error: mended, tried again
//! ```

mod error;
mod slots;

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::guest::Time;
use crate::model::{TrialOutcome, TrialRecord};
use crate::results::{Run, TrialLog};
use crate::trial::{self, Assignment, Stage};

pub use error::RunError;
pub use slots::default_jobs;

/// How often one trial is tried: a QEMU that was killed or a full disk is seldom met three times.
const ATTEMPTS: u32 = 3;

/// After so many infra-errors in a row, with no trial between them that could be run, the fault is not the trials'.
/// Where more guests than half of that run at a time it takes twice as many as they are: all of them may fail at once,
/// of something that is over then.
const HOPELESS: u32 = 12;

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

/// A trial, and what it starts from.
#[derive(Debug, Clone)]
pub struct Work {
    /// What its guest starts from.
    pub stage: Arc<Stage>,
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

impl Work {
    fn processors(&self) -> u32 {
        processors(&self.assignment, self.stage.machine.time, self.stage.machine.cpus)
    }
}

/// The number of host processors that a trial keeps busy in a guest with `cpus` vCPUs: in virtual time these take turns,
/// so it is one.
pub fn processors(assignment: &Assignment, time: Time, cpus: u32) -> u32 {
    match time {
        Time::Real => assignment.busy_cpus.clamp(1, cpus),
        Time::Virtual => 1,
    }
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
/// An infra-error is recorded and tried again, a few times; all attempts are in the log. `done` sees every record right
/// after it is on disk. When a record cannot be written, or nothing but infra-errors comes any more, what is running is
/// finished and the rest left.
pub async fn execute(
    work: impl IntoIterator<Item = Work>,
    jobs: u32,
    sink: Sink<'_>,
    mut stop: watch::Receiver<Stop>,
    mut done: impl FnMut(&TrialRecord),
) -> Result<(), RunError> {
    let mut work = work.into_iter();
    // What failed, before what found no room.
    let mut waiting: VecDeque<Try> = VecDeque::new();
    let mut running = JoinSet::new();
    let mut busy = 0;
    let mut stoppable = true;
    let mut failed: Option<RunError> = None;
    let mut hopeless = 0;
    loop {
        while *stop.borrow() == Stop::No && failed.is_none() {
            let fresh = || work.next().map(|work| Try { work, left: ATTEMPTS });
            let Some(trying) = waiting.pop_front().or_else(fresh) else { break };
            let processors = trying.work.processors().min(jobs);
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
        if *stop.borrow() == Stop::Now {
            // Dropping a trial kills its guest.
            running.shutdown().await;
            return failed.map_or(Ok(()), Err);
        }
        tokio::select! {
            joined = running.join_next() => {
                let Some(joined) = joined else { return failed.map_or(Ok(()), Err) };
                let (trying, record, processors) = match joined {
                    Ok(attempted) => attempted,
                    Err(error) => {
                        failed.get_or_insert(error.into());
                        continue;
                    }
                };
                busy -= processors;
                if let Err(error) = sink.log.append(&record).await {
                    failed.get_or_insert(error.into());
                    continue;
                }
                done(&record);
                let TrialOutcome::InfraError { cause } = &record.outcome else {
                    hopeless = 0;
                    continue;
                };
                hopeless += 1;
                if hopeless >= HOPELESS.max(jobs.saturating_mul(2)) {
                    failed.get_or_insert(RunError::Hopeless { times: hopeless, cause: cause.clone() });
                } else if trying.left > 1 {
                    let Try { work, left } = trying;
                    let work = Work { attempt: work.attempt + 1, ..work };
                    waiting.push_front(Try { work, left: left - 1 });
                }
            }
            // An error: nobody is left who could stop us, and then only the trials matter.
            changed = stop.changed(), if stoppable => stoppable = changed.is_ok(),
        }
    }
}

/// One attempt at a trial. Before a second one, what the stage has lost is replaced.
async fn attempt(trying: Try, artifacts: std::path::PathBuf, processors: u32) -> (Try, TrialRecord, u32) {
    let Work { stage, assignment, attempt } = &trying.work;
    if trying.left < ATTEMPTS
        && let Err(error) = stage.mend().await
    {
        tracing::warn!("before another attempt at trial {}: {error}", assignment.index);
    }
    let record = TrialRecord { attempt: *attempt, ..trial::run(stage, assignment, &artifacts, None).await };
    (trying, record, processors)
}

#[cfg(test)]
mod tests;
