//! Failures that are known: they keep no night red, and what becomes of them is told.
//!
//! ```text
//! known.yaml ─> KnownList ─┐
//! RunInfo, Summary, Judged ┴─> KnownList::judge ─> Findings: what of the failures is known, what is left of the list
//! a run's failures ──────────> entries_of ─> text for the list
//! ```
//! Nothing here but [`KnownList::load`] reads files, and nothing writes them. `docs/results.md` describes the file.

mod add;
mod file;
mod judge;
#[cfg(test)]
mod tests;

pub use add::{New, appended, entries_of};
pub use file::{Entry, KnownList, schema};
pub use judge::{Findings, Known, Left};

use crate::model::{CellKey, Channel};

/// A list, and what it says of a run.
#[derive(Debug, Clone)]
pub struct Recognised {
    /// The list.
    pub list: KnownList,
    /// What it says.
    pub findings: Findings,
}

impl Recognised {
    /// What is known of a channel of a cell that failed, and the entry; nothing if it is new.
    pub fn of(&self, cell: &CellKey, channel: Channel) -> Option<(&Known, &Entry)> {
        let known = self.findings.of(cell, channel)?;
        Some((known, self.list.entries.get(known.place())?))
    }

    /// Whether a failure is known, and no worse than it was recorded.
    pub fn excuses(&self, cell: &CellKey, channel: Channel) -> bool {
        matches!(self.findings.of(cell, channel), Some(Known::As(_)))
    }
}
