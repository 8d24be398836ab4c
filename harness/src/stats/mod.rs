//! The statistics: intervals for shares, an exact test for two of them, and corrections for testing many.
//!
//! Knows nothing of trials and does no I/O. Counts come in as [`Proportion`]s; what comes out are plain numbers.
//!
//! ```text
//! Proportion ─> wilson ─> Interval            one share
//! two of them ─> newcombe ─> Interval         their difference
//!             └> fisher ─> p ─> holm, benjamini_hochberg
//! ```

mod adjust;
mod fisher;
mod interval;
#[cfg(test)]
mod tests;

pub use adjust::{benjamini_hochberg, holm};
pub use fisher::fisher;
pub use interval::{Interval, Proportion, newcombe, percent, wilson};
