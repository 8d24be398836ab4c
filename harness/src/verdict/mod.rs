//! Whether a trial counts, what of the log's tail each channel kept, whether the kernel died in order, and what else it
//! has reported.
//!
//! ```text
//! Evidence, Expected ─> judge ─> TrialVerdict ─> model::TrialOutcome
//! ```
//!
//! What `judge` puts together can be asked for alone:
//!
//! ```text
//! Stamps ─> meet::check ─────────────> did the faults meet as the scenario says?
//! Log, Timeline ─> ends::came_true ──> did it end as its author says?
//! Console ─> channel::judge_console ─┐
//! Netconsole ─> channel::judge_netconsole ─┤
//! Contents ─> channel::judge_pstore_console ─┤
//! Pstore ──> channel::judge_pstore ──┴> tail::judge_text ─> model::ChannelVerdict
//! log, Timeline, Stamps ─> hindered::reasons ─> why pstore has not kept it
//! Capture ──> kdump::judge_kdump ────> tail::judge_text ─> model::ChannelVerdict, model::Dumped
//! Log ─────> retention::ReferenceLog ──────────────> model::KeptLines, of each channel of the log
//! Timeline ─> order::judge_order ──────> model::ChannelVerdict
//! Evidence ─> splats::reports ────────> model::splats::Splat ─> splats::judge_splats ─> model::ChannelVerdict
//! ```
//!
//! The tail is what was written last before the kernel died: the [`witness`] lines, then the panic's own line. Since
//! every byte of a witness line is known beforehand, "there", "missing" and "damaged" are told apart exactly.

pub mod channel;
mod ends;
pub mod hindered;
mod judge;
pub mod kdump;
pub mod meet;
pub mod order;
pub mod retention;
mod scan;
pub mod splats;
pub mod tail;

pub use harness_protocol::witness;

pub use channel::{NextBoot, judge_console, judge_netconsole, judge_next_boot, judge_pstore, judge_pstore_console};
pub use hindered::Hindrances;
pub use judge::{Expected, NotCounted, SLOW_HOST, TrialVerdict, judge};
pub use kdump::{ExpectedDump, dumped, judge_kdump};
pub use order::judge_order;
pub use retention::{ReferenceLog, text_of_dump, text_of_pstore};
pub use tail::{Tail, judge_text};

#[cfg(test)]
mod testlog;
