//! The run's folder: what is written while trials run, and how it is read again.
//!
//! `docs/results.md` describes the files for their readers. `trials.jsonl` is the truth; everything else that counts is
//! made from it.
//!
//! ```text
//! Run::create ─┬─> write_info      run.json        every input with its digest, and the plan
//!              ├─> log ─> append   trials.jsonl    one line a trial, on disk before the worker's next trial begins
//!              ├─> artifacts       artifacts/<trial>/
//!              └─> write_summary   summary.json    SummaryBuilder, a record at a time
//! Run::find ─┬─> info, trials, tally, summary ─> judge ─> Judged      expectations against what was counted
//!            ├─> reopen_log ─> append                                 the run goes on
//!            └─> Parts ─> Merged ─> publish                           shards become one run
//! ```

mod atomic;
mod error;
mod expect;
mod finished;
mod index_set;
mod info;
mod merge;
mod run;
mod run_id;
mod same;
mod summary;
mod timeline;
mod trials;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use crate::model::artifacts::{CONSOLE, TIMELINE};
pub use crate::model::rfc3339;
pub use atomic::write_whole;
pub use error::{Error, NOT_TRACED};
pub use expect::{Judged, Judgement, judge, judge_cell};
pub use finished::Finished;
pub use info::{
    ExploredInfo, FileDigest, HarnessInfo, HostInfo, KernelInfo, PlannedCell, QemuInfo, RunInfo, SCHEMA_VERSION, Until,
};
pub use merge::{MergeError, Merged, Parts};
pub use run::{LATEST, Run, SCHEDULE, latest, list};
pub use run_id::is_run_id;
pub use same::{Difference, first_difference, kernel_difference};
pub use summary::{CellSummary, Counts, Ended, MeanPercent, ScheduleCounts, Summary, SummaryBuilder};
pub use trials::{Torn, TrialLog, Trials};
