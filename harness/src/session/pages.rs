//! Pages of runs.

use super::reports::Recorded;
use crate::failure::Failure;
use crate::model::timeline::Timeline;
use crate::report::{Artifacts, PageError, RunPage, run_page};
use crate::results::{self, Run};

/// A run as a page.
pub fn page_of(recorded: &Recorded) -> Result<String, Failure> {
    let Recorded { run, samples, finished, .. } = recorded;
    let page = RunPage { reported: recorded.reported(), samples, artifacts: run, finished: finished.len() };
    Ok(run_page(&page)?)
}

impl Artifacts for Run {
    fn console_tail(&self, trial: u64, limit: u32) -> Option<Vec<u8>> {
        or_none(Self::console_tail(self, trial, limit))
    }

    fn timeline(&self, trial: u64) -> Option<Timeline> {
        or_none(Self::timeline(self, trial))
    }
}

/// What cannot be read is no reason to show nothing.
fn or_none<T>(read: Result<Option<T>, results::Error>) -> Option<T> {
    read.unwrap_or_else(|error| {
        tracing::warn!("not on the page: {error}");
        None
    })
}

impl From<PageError> for Failure {
    fn from(error: PageError) -> Self {
        Self::host(error)
    }
}
