//! Which commit made the event more frequent, found by trials of which none is certain.
//!
//! No I/O, no clock and no randomness: it says what to try next, and is told what came out. What it assumes and what
//! its confidence means stands in `docs/bisect.md`.
//!
//! ```text
//!  History, prior ──> Bisection ──next(Costs)──> Try ──> (caller: kernel, trials) ──record(Tallies), skip, same_kernel┐
//!                      ^   │                                                                                          │
//!                      │   └──next──> Done(Conclusion)                                                                │
//!                      └──────────────────────────────────────────────────────────────────────────────────────────────┘
//!
//!  inside:  tallies ──> templates (what a trial counts for) ──> rates (marginal likelihood per class of commits) ──> posterior ──> choice (information per second)
//! ```

mod bisection;
mod choice;
mod conclusion;
mod history;
mod prior;
mod rates;
pub mod simulated;
mod skips;
mod tally;
mod templates;
#[cfg(test)]
mod tests;

pub use bisection::Bisection;
pub use conclusion::{Conclusion, Rate, Why};
pub use history::{History, HistoryError};
pub use prior::weight;
pub use tally::{Tallies, Tally};
pub use templates::by_template;

/// When a bisection ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// The probability at which a commit is named, above 0.5 and below 1.
    pub confidence: f64,
    /// Trials in all.
    pub at_most: u32,
    /// Trials at each end, after which the ends are said not to differ unless they seem to.
    pub at_most_ends: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { confidence: 0.95, at_most: 2000, at_most_ends: 200 }
    }
}

/// What a step costs, in seconds of wall time.
#[derive(Clone, Copy)]
pub struct Costs<'a> {
    /// Until trials of a node can begin; 0 if its kernel is there. Asked once a step for each node that may be tried.
    pub ready_s: &'a dyn Fn(usize) -> f64,
    /// What one trial takes; above 0.
    pub trial_s: f64,
    /// Trials that run side by side: batches are multiples of it, but for the last ones allowed.
    pub at_once: u32,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Trials of a commit. If its kernel is unavailable, or no trial of it counts: [`Bisection::skip`]; if it is the kernel of
    /// another one: [`Bisection::same_kernel`].
    Try {
        /// The node.
        commit: usize,
        /// How many trials, at least 1.
        trials: u32,
    },
    /// No more.
    Done(Conclusion),
}

/// What is known of who brought the change.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// For each node, the probability that it did. The good end's is 0.
    pub commits: Vec<f64>,
    /// The probability that none did.
    pub none: f64,
}
