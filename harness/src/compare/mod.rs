//! Base against candidate: what a patch changes, cell by cell, and with what certainty.
//!
//! ```text
//! "RUN:VARIANT" ─> Side::parse ─> load ─> Column ─┐
//! "VARIANT"     ─> Side::parse ─> load ─> Column ─┴─> compare ─> Comparison
//!
//! a run that is going on: its counts, its plan ─────> open_cells ─> what still needs trials
//!
//! a run of many variants: its counts ───────────────> rank ─> Ranking
//! ```
//! [`compare`], [`open_cells`] and [`rank`] read nothing; [`Side::load`] reads one run's counts. All decide by the same
//! rules, in `pair`.

mod cells;
mod error;
mod needed;
mod open;
mod orders;
mod pair;
mod reference;
mod side;
#[cfg(test)]
mod tests;

/// The version of what `harness compare --format json` prints. In version 1, which did not say so, `p_value` was the
/// adjusted one, and there was no `p_adjusted`.
pub const SCHEMA_VERSION: u32 = 2;

pub use cells::{ComparedCell, ComparedSplat, Comparison, LoggedBy, Point, Share, SkippedPoint, compare};
pub use error::Error;
pub use open::open_cells;
pub use orders::{
    BaseRanking, Domination, Measure, PairCounts, Place, RankedCase, RankedMeasure, RankedShare, Ranking,
    SkippedVariant, Standing, rank,
};
pub use pair::{Evidence, Options, Verdict};
pub use reference::references;
pub use side::{Column, Side};
