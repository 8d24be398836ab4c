//! Why a run ends before its plan.

use thiserror::Error;
use tokio::task::JoinError;

use crate::results;

/// Why a run ended before its plan. What was finished is on disk.
#[derive(Debug, Error)]
pub enum RunError {
    /// The run's folder could not be written.
    #[error(transparent)]
    Results(#[from] results::Error),
    /// A trial's task died: a defect of the harness.
    #[error("a trial's task died: {0}")]
    Task(#[from] JoinError),
    /// Nothing could be run any more.
    #[error("the last {times} attempts to run a trial have all failed, the last one so: {cause}")]
    Hopeless {
        /// How many.
        times: u32,
        /// What the last one failed of.
        cause: String,
    },
}

impl RunError {
    /// What to do next, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Results(error) => error.hint(),
            Self::Task(_) | Self::Hopeless { .. } => None,
        }
    }
}
