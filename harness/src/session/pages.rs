//! Pages of runs: what they are made of is read here.

use crate::failure::Failure;
use crate::model::timeline::Timeline;
use crate::report::{Artifacts, PageError, Reported, RunPage, Samples, TrialNotes, run_page};
use crate::results::{self, Run, judge};

/// A run as a page, of what is recorded of it.
pub fn page_of(run: &Run) -> Result<String, Failure> {
    let info = run.info()?;
    let (summary, finished) = run.tally()?;
    let judged = judge(&summary, &info.cells);
    let mut samples = Samples::default();
    let records = run.trials()?.inspect(|record| match record {
        Ok(record) if finished.is_last(record) => samples.add(record),
        _ => {}
    });
    let notes = TrialNotes::of(records, &finished)?;
    let reported = Reported { info: &info, summary: &summary, notes: &notes, judged: &judged, known: None };
    let page = RunPage { reported, samples: &samples, artifacts: run, finished: finished.len() };
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
