//! Nights, one after the other: which cells lose more than before, since when, and which only seem to.
//!
//! ```text
//! runs ────────> lines_of ─┐                              ┌─> nights.jsonl   append
//! nights.jsonl ─> read ────┴─> Line ─> Builder ─> History ┴─> judge ─> Judged ─> report::history_text, …
//! ```
//! A line is a cell of a night, complete in itself. What is shown rests on evidence that stays valid although somebody looks
//! every night, see [`crate::stats::regimes`]. `docs/history.md` describes the files and the states for their readers.

mod build;
mod error;
mod file;
mod judge;
mod line;
#[cfg(test)]
pub(crate) mod tests;

pub use build::{Builder, Built, Cell, History, Night};
pub use error::Error;
pub use file::{append, read};
pub use judge::{Group, Judged, Options, Row, Since, State, judge};
pub use line::{Counted, Line, SCHEMA_VERSION, lines_of};
