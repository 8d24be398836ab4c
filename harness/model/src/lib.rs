//! The words every stage shares: parameters, cells, channels, outcomes, and the record of one trial.
//!
//! Nothing here does I/O. These types are what is written to `trials.jsonl` and `summary.json`, so their serde form is
//! part of the harness's interface and changes only together with `docs/results.md`.

pub mod artifacts;
pub mod bisection;
mod cell;
mod channel;
pub mod consoles;
pub mod cpus;
pub mod ends;
pub mod errors;
pub mod order;
mod precondition;
pub mod pstore;
pub mod schedule;
pub mod splats;
pub mod timeline;
mod trial;

pub use self::cell::{CellKey, GuestChange, KernelName, ParamValue, Params, assignments};
pub use self::channel::{Channel, ChannelOutcome, ChannelVerdict, Expectation, KeptLines};
pub use self::precondition::Precondition;
pub use self::trial::{
    ActorStamps, Dumped, DumpedCpu, HungCpu, Logged, Phase, TrialOutcome, TrialRecord, WorkloadRecord, rfc3339,
};

/// For fields that are left out where they are 0.
pub fn is_zero(number: &u32) -> bool {
    *number == 0
}
