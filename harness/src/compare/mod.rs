//! Base against candidate: what a patch changes, cell by cell, and with what certainty.
//!
//! ```text
//! "RUN:VARIANT" ─> Side::parse ─> load ─> Column ─┐
//! "VARIANT"     ─> Side::parse ─> load ─> Column ─┴─> compare ─> Comparison
//!
//! a run that is going on: its counts, its plan ─────> open_cells ─> what still needs trials
//! ```
//! [`compare`] and [`open_cells`] read nothing; [`Side::load`] reads one run's counts. Both decide by the same rules,
//! in `pair`.

mod cells;
mod error;
mod needed;
mod open;
mod pair;
mod side;
#[cfg(test)]
mod tests;

pub use cells::{ComparedCell, Comparison, Point, Share, SkippedPoint, compare};
pub use error::Error;
pub use open::open_cells;
pub use pair::{Evidence, Options, Verdict};
pub use side::{Column, Side};
