//! The reports of the kernel's that a trial has logged, as they are recorded.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Channel;

/// A report of something wrong: a warning, a bug, whatever a checker of the kernel's own has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splat {
    /// What it is, and in which function.
    pub title: String,
    /// Where it was found.
    #[serde(rename = "in")]
    pub found_in: BTreeSet<LoggedIn>,
    /// Whether the scenario's own faults ask for it, or the scenario allows it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expected: bool,
}

/// Where something that was logged can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoggedIn {
    /// The log as it stood in the guest's memory.
    Log,
    /// What the serial console showed.
    Console,
    /// What a boot console on a second serial line showed.
    Earlycon,
    /// What netconsole sent.
    Netconsole,
    /// The dumps that pstore holds.
    Pstore,
    /// What pstore holds of the console's output.
    PstoreConsole,
    /// The log in the dump of a crash kernel.
    Kdump,
}

impl LoggedIn {
    /// The name used in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Console => Channel::Console.name(),
            Self::Earlycon => Channel::Earlycon.name(),
            Self::Netconsole => Channel::Netconsole.name(),
            Self::Pstore => Channel::Pstore.name(),
            Self::PstoreConsole => Channel::PstoreConsole.name(),
            Self::Kdump => Channel::Kdump.name(),
        }
    }
}

impl fmt::Display for LoggedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
