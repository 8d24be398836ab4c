//! Base against candidate: what a patch changes, cell by cell, and with what certainty.
//!
//! ```text
//! "RUN:VARIANT" ─> Side::parse ─> load ─> Column ─┐
//! "VARIANT"     ─> Side::parse ─> load ─> Column ─┴─> compare ─> Comparison
//! ```
//! [`compare`] itself reads nothing; [`Side::load`] reads one run's counts.

mod cells;
mod error;
mod side;
#[cfg(test)]
mod tests;

pub use cells::{ComparedCell, Comparison, Options, Point, Share, Verdict, compare};
pub use error::Error;
pub use side::{Column, Side};
