//! What happens in a session, as one stream that a [`Reporter`] draws.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::bisect::TimeSpent;
use crate::bisect::Bisection;
use crate::failure::Failure;
use crate::kernel::BuildEvent;
use crate::model::bisection::Bisected;
use crate::model::{CellKey, KernelName, TrialRecord};
use crate::results::SummaryBuilder;
use crate::run::Stop;

/// Something that happened.
pub enum Event<'a> {
    /// The build of a kernel, or another task of the kernel store's, is a step further.
    Building {
        /// What is built: `kernel stock@6.12`.
        what: &'a str,
        /// The step.
        step: BuildEvent,
    },
    /// It ended.
    BuildEnded {
        /// What was built.
        what: &'a str,
        /// How it ended, in a few words.
        outcome: &'a str,
    },
    /// Guests are booted, to be saved as templates.
    Preparing {
        /// Templates that are made, or could not be.
        ended: u64,
        /// Templates in all.
        of: u64,
    },
    /// No more of them are booted.
    Prepared {
        /// Templates that can be used.
        ready: u64,
    },
    /// Trials begin.
    TrialsBegin {
        /// The run's id.
        run: &'a str,
        /// The cells that are run, in the plan's order.
        cells: &'a [CellKey],
        /// What is known of them from a run that is resumed.
        earlier: &'a SummaryBuilder,
        /// How many CPUs of guests may be busy at a time.
        jobs: u32,
        /// The run's seed.
        seed: u64,
    },
    /// Trials of a kernel are about to be run.
    Planned {
        /// The kernel.
        kernel: &'a KernelName,
        /// How many.
        trials: u64,
    },
    /// A sequential run begins a round.
    Round {
        /// Cells that are not decided.
        open: usize,
        /// Cells that are run.
        of: usize,
        /// Trials of the round.
        trials: usize,
    },
    /// A trial's record is on disk.
    TrialEnded(&'a TrialRecord),
    /// The user wants the trials to end.
    Stopping(Stop),
    /// No more trials are run.
    TrialsEnd,
    /// A bisection begins.
    BisectionBegins {
        /// The run's id.
        run: &'a str,
        /// Its seed.
        seed: u64,
        /// What is looked for, and where.
        bisected: &'a Bisected,
    },
    /// A bisection chooses what to try next.
    BisectionStep {
        /// What is looked for, and where.
        bisected: &'a Bisected,
        /// What is known.
        bisection: &'a Bisection,
        /// An estimate of what is left to do; costly.
        left: &'a dyn Fn() -> Option<Duration>,
        /// Where the time went so far.
        spent: &'a TimeSpent,
    },
    /// No more is chosen.
    BisectionEnds,
    /// Something that the user should know, in a sentence.
    Note(&'a str),
    /// Something that is wrong, but does not keep the rest from being done.
    Failed(&'a Failure),
}

/// Shows events.
pub trait Reporter: Send {
    /// Shows one.
    fn event(&mut self, event: &Event<'_>);
}

/// Where a session's events go. Clones go to the same reporter.
#[derive(Clone)]
pub struct Events(Arc<Mutex<dyn Reporter>>);

impl Events {
    /// To this reporter.
    pub fn to(reporter: impl Reporter + 'static) -> Self {
        Self(Arc::new(Mutex::new(reporter)))
    }

    /// Reports an event. It is shown when this returns, so that what is printed afterwards comes after it.
    pub fn send(&self, event: &Event<'_>) {
        // A reporter that panicked once may still show the rest.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).event(event);
    }

    /// Reports a sentence that the user should know.
    pub fn note(&self, text: &str) {
        self.send(&Event::Note(text));
    }
}
