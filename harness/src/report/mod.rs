//! What was found, for people and for other programs. Nothing here reads or writes files.
//!
//! ```text
//! TrialRecord ──────> trial_text      a trial, for somebody who has just watched it
//! Summary ──────────┬─> variant_table   one table a channel, variants side by side
//!                   ├─> Curve           shares along a parameter: a table, CSV, a picture
//!                   └─> summary_table   every figure of every cell
//! Comparison ───────> compare_table, mail
//! Ranking ──────────> ranking_text, ranking_csv   variants ranked in each case
//! RunInfo, Summary, TrialNotes, Judged ──> Reported ─┬─> junit, ktap, kcidb   a case for each cell and channel
//!                                                    ├─> run_markdown         for the summary of a job
//!                                                    └─> run_page             one HTML file
//! History, Judged ─> history_text, history_csv, history_json   what is new in the last of many nights
//! Scenario, suites, Measured ──> catalogue      docs/scenarios.md
//! Scenario ─────────> Explanation   what it does, in plain English
//! Required, Lacking ─> required_text, lacking_text   what a kernel's configuration has to have
//! ```

mod cases;
mod catalogue;
mod compare;
mod console;
mod csv;
mod curve;
mod explain;
mod grid;
mod history;
mod judged;
mod junit;
mod kcidb;
mod kconfig;
mod ktap;
mod mail;
mod markdown;
mod orders;
mod page;
mod repeat;
mod show;
mod summary;
mod templates;
#[cfg(test)]
mod tests;
mod trial;

use crate::model::Channel;

pub use cases::{Reported, TrialNotes};
pub use catalogue::{ListedSuite, MEASURED_VARIANT, Measured, MeasuredError, catalogue};
pub use compare::compare_table;
pub use curve::{CURVE_LOOK, Curve, CurveError, CurveOf, CurvePoint, Series};
pub use explain::{Explanation, OnCpu};
pub use grid::Format;
pub use history::{history_csv, history_json, history_text};
pub use judged::{judged_text, known_text};
pub use junit::{Junit, JunitError, JunitForm, KnownAs, TAIL_BYTES, junit};
pub use kcidb::{Kcidb, Repository, SourceCommit, kcidb};
pub use kconfig::{lacking_text, required_text};
pub use ktap::ktap;
pub use mail::{Mail, mail};
pub use markdown::{MARKDOWN_BYTES, run_markdown, within};
pub use orders::{ranking_csv, ranking_text};
pub use page::{Artifacts, PageError, RunPage, Samples, anchor, run_page, trial_page};
pub use repeat::{Repeat, run_again};
pub use show::{ShownTrial, shown_trial};
pub use summary::{summary_table, variant_table};
pub use trial::trial_text;

/// What the good outcomes are that are not called saved, of the channels that are there: ` (order: kept)`.
fn of_others(is_there: impl Fn(Channel) -> bool) -> String {
    let others = [Channel::Order, Channel::Splats].into_iter().filter(|channel| is_there(*channel));
    let good: Vec<String> = others.map(|channel| format!("{channel}: {}", channel.good())).collect();
    if good.is_empty() { String::new() } else { format!(" ({})", good.join("; ")) }
}
