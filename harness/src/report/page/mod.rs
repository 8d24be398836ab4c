//! A run, or one trial of it, as a page: one file, complete without scripts, and nothing in it comes from elsewhere.
//!
//! ```text
//! Reported, Samples ─────────────────┬─> RunView ─┐
//! artifacts of the trials that tell ─┤            ├─> templates/ ─> HTML
//! TrialRecord ───────────────────────┴─> TrialView┘
//! ```
//!
//! What a trial left is asked for by [`Artifacts`]. A view has words and numbers; a template makes HTML of them, and all of it
//! is escaped there but pictures, which escape their own text. What a guest said is made printable before.

mod anchor;
mod cells;
mod comparison;
mod curves;
mod facts;
mod failures;
mod map;
mod orders;
mod render;
mod run;
#[cfg(test)]
mod tests;
mod trial;

use crate::model::timeline::Timeline;

pub use anchor::anchor;
pub use orders::Samples;
pub use render::PageError;
pub use run::{RunPage, run_page};
pub use trial::trial_page;

/// What trials left, as far as it is kept and can be read.
pub trait Artifacts {
    /// The end of what a trial's console said, at most `limit` bytes.
    fn console_tail(&self, trial: u64, limit: u32) -> Option<Vec<u8>>;

    /// What each CPU was seen doing in a trial.
    fn timeline(&self, trial: u64) -> Option<Timeline>;
}

/// Room in a page for what is shown of single trials, in bytes; what has none is named, and not shown.
#[derive(Debug)]
struct Room(usize);

impl Room {
    /// Takes as many bytes, if there are as many.
    fn take(&mut self, bytes: usize) -> bool {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => false,
        }
    }
}
