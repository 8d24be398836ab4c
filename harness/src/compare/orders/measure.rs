//! What variants are ranked by.

use std::fmt;

use serde::Serialize;

use crate::model::Channel;
use crate::results::CellSummary;
use crate::stats::Clusters;

/// By what variants are ranked in a case. Of all of them more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// How often this channel saved everything, of the trials that it was judged in. No order of steps is one: it is
    /// what the variants are made to differ by.
    Channel(Channel),
    /// How often the guest ended and did not hang, of the trials that counted.
    Ended,
}

impl Measure {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::Channel(Channel::Console),
        Self::Channel(Channel::Earlycon),
        Self::Channel(Channel::Netconsole),
        Self::Channel(Channel::Pstore),
        Self::Channel(Channel::PstoreConsole),
        Self::Channel(Channel::Kdump),
        Self::Ended,
    ];

    /// The channel's name, or `ended`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Channel(channel) => channel.name(),
            Self::Ended => "ended",
        }
    }

    /// The counts of a cell.
    pub(super) fn of(self, cell: &CellSummary) -> Clusters {
        match self {
            Self::Channel(channel) => cell.channel(channel).by_template(),
            Self::Ended => cell.ended(),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Measure {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}
