//! What was found, for people and for other programs. Nothing here reads or writes files.
//!
//! ```text
//! Summary ──────────┬─> variant_table   one table a channel, variants side by side
//!                   ├─> Curve           shares along a parameter: a table, CSV, a picture
//!                   └─> summary_table   every figure of every cell
//! Comparison ───────> compare_table
//! Ranking ──────────> ranking_text, ranking_csv   variants ranked in each case
//! RunInfo, Summary, TrialNotes, Judged ──> junit
//! Scenario, suites, Measured ──> catalogue      docs/scenarios.md
//! ```

mod catalogue;
mod compare;
mod console;
mod csv;
mod curve;
mod grid;
mod junit;
mod orders;
mod summary;
mod templates;
#[cfg(test)]
mod tests;

pub use catalogue::{ListedSuite, MEASURED_VARIANT, Measured, MeasuredError, catalogue};
pub use compare::compare_table;
pub use curve::{Curve, CurveError, CurveOf, CurvePoint, Series};
pub use grid::Format;
pub use junit::{Junit, JunitError, TAIL_BYTES, TrialNotes, junit};
pub use orders::{ranking_csv, ranking_text};
pub use summary::{summary_table, variant_table};
