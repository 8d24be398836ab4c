//! Executes a plan: a fixed number of guests at a time, every finished trial on disk before its successor begins.
//!
//! ```text
//! Stages (a template for each kernel and guest shape) ─┐
//! assignments, in the order of the plan ───────────────┴─> execute ──> TrialLog, artifacts/
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use crate::model::TrialRecord;
use crate::results::{self, Run};
use crate::trial::{self, Assignment, Stage};

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

/// Why a run ended before its plan. What was finished is on disk.
#[derive(Debug, Error)]
pub enum RunError {
    /// The run's folder could not be written.
    #[error(transparent)]
    Results(#[from] results::Error),
    /// A trial's task died: a defect of the harness.
    #[error("a trial's task died: {0}")]
    Task(#[from] JoinError),
}

/// Runs `assignments`, each on its stage, at most `jobs` at a time, and returns how many were finished.
///
/// `done` sees every record right after it is on disk.
pub async fn execute(
    assignments: impl IntoIterator<Item = (Arc<Stage>, Assignment)>,
    jobs: usize,
    run: &Run,
    mut stop: watch::Receiver<Stop>,
    mut done: impl FnMut(&TrialRecord),
) -> Result<u64, RunError> {
    let log = run.log()?;
    let mut waiting: VecDeque<_> = assignments.into_iter().collect();
    let mut running = JoinSet::new();
    let mut finished = 0;
    let mut stoppable = true;
    loop {
        while *stop.borrow() == Stop::No && running.len() < jobs {
            let Some((stage, assignment)) = waiting.pop_front() else { break };
            let artifacts = run.create_artifacts(assignment.index)?;
            running.spawn(async move { trial::run(&stage, &assignment, &artifacts, None).await });
        }
        if *stop.borrow() == Stop::Now {
            // Dropping a trial kills its guest.
            running.shutdown().await;
            return Ok(finished);
        }
        tokio::select! {
            joined = running.join_next() => {
                let Some(record) = joined else { return Ok(finished) };
                let record = record?;
                log.append(&record)?;
                finished += 1;
                done(&record);
            }
            // An error: nobody is left who could stop us, and then only the trials matter.
            changed = stop.changed(), if stoppable => stoppable = changed.is_ok(),
        }
    }
}
