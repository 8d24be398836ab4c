//! Schedules: which CPU of a guest is held where, until when. Pure, but for reading a file.
//!
//! ```text
//! a file ─> ScheduleFile ─(the scenario's instances)─> model::schedule::Schedule ─(probes of a guest)─> guest::Rules
//!                                                                  └─> written: the file again
//! ```

mod file;
mod rules;

pub use self::file::{ScheduleFile, written};
pub use self::rules::rules;
