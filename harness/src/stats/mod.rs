//! The statistics: intervals for shares and for the difference of two, tests that two are the same, and the correction
//! for testing many.
//!
//! Knows nothing of trials and does no I/O. Counts come in as [`Proportion`]s; what comes out are plain numbers. What
//! each is for stands in `docs/statistics.md`.
//!
//! ```text
//!                trials fixed beforehand             however often one looks
//! Proportion ──> wilson                              share_sequence          ─> Interval
//! two of them ─> miettinen_nurminen                  difference_sequence     ─> Interval
//!             └> boschloo                            anytime_p               ─> p ─> benjamini_hochberg
//! ```

mod adjust;
mod boschloo;
mod bounds;
mod difference;
mod fisher;
mod interval;
mod sequential;
#[cfg(test)]
mod tests;
mod walk;

pub use adjust::benjamini_hochberg;
pub use boschloo::boschloo;
pub use difference::{miettinen_nurminen, score_excludes, score_p};
pub use interval::{Interval, Proportion, percent, wilson};
pub use sequential::{anytime_p, difference_sequence, sequence_excludes, share_sequence};
