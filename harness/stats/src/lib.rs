//! The statistics: intervals for shares and for the difference of two, tests that two are the same, and the correction
//! for testing many.
//!
//! Knows nothing of trials and does no I/O. Counts come in as [`Clusters`]: [`Proportion`]s by template. What comes out
//! are plain numbers. What each is for stands in `docs/statistics.md`.
//!
//! ```text
//!                                trials fixed beforehand     however often one looks
//! Clusters ─────┬> effective ──> wilson                      share_sequence          ─> Interval
//!  two of them ─┴> effective ─┬> miettinen_nurminen          difference_sequence     ─> Interval
//!                             └> boschloo                    EValues::p_value        ─> p ─> benjamini_hochberg
//! Clusters ─────> icc, dispersion_p      how far the templates lie apart
//! Proportions, period by period ─> regimes      when a share became another one
//! ```

mod adjust;
mod beta_binomial;
mod boschloo;
mod bounds;
mod change;
mod clusters;
mod difference;
mod dispersion;
mod fisher;
mod interval;
mod likeliest;
mod mixture;
mod sequential;
mod student;
#[cfg(test)]
mod tests;
mod walk;

pub use adjust::benjamini_hochberg;
pub use beta_binomial::{next_hit, xlogy};
pub use boschloo::{boschloo, boschloo_effective};
pub use change::{Change, Regime, ln_threshold, regimes};
pub use clusters::{BetweenTemplates, Clusters, DIFFER_BELOW};
pub use difference::{miettinen_nurminen, score_excludes, score_p};
pub use dispersion::{dispersion_p, intraclass};
pub use interval::{Effective, Interval, Proportion, percent, wilson};
pub use sequential::{EValues, MOST_ICC, difference_sequence, share_sequence};
