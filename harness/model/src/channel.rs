//! What a trial is judged by, and how each of that may come out.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a trial is judged by: a place where evidence of the crash may survive, the order in which the kernel died, or
/// whether it has reported anything else wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// What the serial console showed.
    Console,
    /// What the pstore back end holds.
    Pstore,
    /// What the back end holds of the console's output. A guest whose back end keeps none has no such channel.
    PstoreConsole,
    /// What a crash kernel could read of the dead kernel's memory. A guest without one has no such channel.
    Kdump,
    /// Whether the trial's timeline keeps what its scenario asserts of the order of steps. A trial whose timeline does
    /// not tell has no such channel.
    Order,
    /// Whether what the trial logged has reports of the kernel's that nobody has asked for. Only where the scenario
    /// expects something of them.
    Splats,
}

impl Channel {
    /// All channels, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Console, Self::Pstore, Self::PstoreConsole, Self::Kdump, Self::Order, Self::Splats];

    /// Those that keep the log of every guest: every trial that counts is judged by each of them.
    pub const OF_LOG: [Self; 2] = [Self::Console, Self::Pstore];

    /// Whether it is there or not by what guests have: a cell whose trials count may have no such channel.
    pub const fn is_of_some_guests(self) -> bool {
        matches!(self, Self::PstoreConsole | Self::Kdump)
    }

    /// The name used in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Pstore => "pstore",
            Self::PstoreConsole => "pstore-console",
            Self::Kdump => "kdump",
            Self::Order => "order",
            Self::Splats => "splats",
        }
    }

    /// The outcomes that it may have, the good one first.
    pub const fn outcomes(self) -> &'static [ChannelOutcome] {
        use ChannelOutcome::{
            Broken, CaptureHung, Corrupt, Kept, Lost, NoSplats, NoVmcore, NotEntered, NotLoaded, Saved, Splats,
            Truncated, Unreadable, VmcoreBad,
        };
        match self {
            Self::Console | Self::PstoreConsole => &[Saved, Truncated, Corrupt, Lost],
            Self::Pstore => &[Saved, Truncated, Corrupt, Unreadable, Lost],
            Self::Kdump => &[Saved, Truncated, Corrupt, Lost, VmcoreBad, NoVmcore, CaptureHung, NotEntered, NotLoaded],
            Self::Order => &[Kept, Broken],
            Self::Splats => &[NoSplats, Splats],
        }
    }

    /// The outcome one hopes for, by which shares are measured.
    pub const fn good(self) -> ChannelOutcome {
        match self {
            Self::Console | Self::Pstore | Self::PstoreConsole | Self::Kdump => ChannelOutcome::Saved,
            Self::Order => ChannelOutcome::Kept,
            Self::Splats => ChannelOutcome::NoSplats,
        }
    }

    /// What [`ChannelVerdict::witnesses`] are, in the plural.
    pub const fn witnesses(self) -> &'static str {
        match self {
            Self::Console | Self::Pstore | Self::PstoreConsole | Self::Kdump => "witness lines",
            Self::Order => "assertions",
            Self::Splats => "titles expected",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How much of the log's tail a channel kept, whether an order was kept, or whether there were splats: see
/// [`Channel::outcomes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelOutcome {
    /// The whole tail: every witness line and the panic's own line.
    Saved,
    /// A part of the tail is missing.
    Truncated,
    /// Something of the tail is there, but damaged.
    Corrupt,
    /// It is there, but the next boot's kernel does not read it. Only where the next boot was asked.
    Unreadable,
    /// Nothing of it.
    Lost,
    /// A crash kernel read the dead kernel's memory, but it is not what it should be: its headers, its build id, the
    /// registers of a stopped CPU.
    VmcoreBad,
    /// A crash kernel came up, and had no `/proc/vmcore`.
    NoVmcore,
    /// A crash kernel was entered, and did not come up.
    CaptureHung,
    /// A crash kernel was loaded, and not entered.
    NotEntered,
    /// No crash kernel was loaded when the kernel died.
    NotLoaded,
    /// Every assertion on the order that could be decided holds, and all could.
    Kept,
    /// An assertion on the order does not hold.
    Broken,
    /// The kernel has reported nothing but what was asked for or is allowed.
    #[serde(rename = "none")]
    NoSplats,
    /// The kernel has reported something else.
    #[serde(rename = "some")]
    Splats,
}

impl ChannelOutcome {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 14] = [
        Self::Saved,
        Self::Truncated,
        Self::Corrupt,
        Self::Unreadable,
        Self::Lost,
        Self::VmcoreBad,
        Self::NoVmcore,
        Self::CaptureHung,
        Self::NotEntered,
        Self::NotLoaded,
        Self::Kept,
        Self::Broken,
        Self::NoSplats,
        Self::Splats,
    ];

    /// Whether reports name it only where it happened: what the next boot cannot read, where that was asked at all, and
    /// the ways in which a dump fails before there is anything to judge.
    pub const fn is_rare(self) -> bool {
        matches!(
            self,
            Self::Unreadable
                | Self::VmcoreBad
                | Self::NoVmcore
                | Self::CaptureHung
                | Self::NotEntered
                | Self::NotLoaded
        )
    }

    /// The name used in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Truncated => "truncated",
            Self::Corrupt => "corrupt",
            Self::Unreadable => "unreadable",
            Self::Lost => "lost",
            Self::VmcoreBad => "vmcore-bad",
            Self::NoVmcore => "no-vmcore",
            Self::CaptureHung => "capture-hung",
            Self::NotEntered => "not-entered",
            Self::NotLoaded => "not-loaded",
            Self::Kept => "kept",
            Self::Broken => "broken",
            Self::NoSplats => "none",
            Self::Splats => "some",
        }
    }
}

impl fmt::Display for ChannelOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// That a channel has an outcome with at least this probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// The channel.
    pub channel: Channel,
    /// The outcome that it should have.
    pub outcome: ChannelOutcome,
    /// The least probability, 0 to 1.
    #[serde(default = "Expectation::default_at_least")]
    pub at_least: f64,
}

impl Expectation {
    /// The least probability where none is named. Not 1: a share of exactly all would be refuted by a single trial, and
    /// no number of trials could show it.
    pub const AT_LEAST: f64 = 0.9;

    const fn default_at_least() -> f64 {
        Self::AT_LEAST
    }

    /// To a hundredth: 0.999 is not 100 %, and 0.57 is not 56.99999999999999 %.
    pub fn percent(&self) -> f64 {
        (self.at_least * 1e4).round() / 1e2
    }
}

impl fmt::Display for Expectation {
    /// `pstore saved in at least 90 %`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in at least {} %", self.channel, self.outcome, self.percent())
    }
}

/// The outcome of one channel in one trial, and how it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelVerdict {
    /// The outcome.
    pub outcome: ChannelOutcome,
    /// Witness lines found whole; of an order: assertions that hold; of splats: titles that were expected.
    pub witnesses: u32,
    /// Witness lines that were written; of an order: assertions that could be decided; of splats: titles.
    pub of: u32,
    /// What was missing or damaged, in words, of an order several lines of them; empty when the outcome is the good
    /// one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Of an order, the assertions that are broken, each in its words as the scenario's `order` is shown; of splats, the
    /// titles that were not expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<String>,
    /// What it kept of all that was logged, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<KeptLines>,
}

impl ChannelVerdict {
    /// A verdict on a log, of which it is not known what it kept of all that was logged.
    pub fn new(outcome: ChannelOutcome, witnesses: u32, of: u32, detail: String) -> Self {
        Self { outcome, witnesses, of, detail, broken: Vec::new(), log: None }
    }
}

/// What a channel kept of the lines that a trial logged, from its first witness line on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLines {
    /// Lines that it has, whole.
    pub lines: u32,
    /// Lines that there were in the guest's memory at the end.
    pub of: u32,
    /// The first that it does not have, as the console would show it, at most 120 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_lost: Option<String>,
}

impl KeptLines {
    /// The share that was kept, in hundredths of a percent, rounded down: 10000 is all.
    pub fn basis_points(&self) -> u32 {
        let share = u64::from(self.lines) * 10_000 / u64::from(self.of).max(1);
        u32::try_from(share).unwrap_or(u32::MAX)
    }
}

impl fmt::Display for KeptLines {
    /// `98 % of 61 log lines`, rounded down
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} % of {} log lines", self.basis_points() / 100, self.of)
    }
}
