//! The words every stage shares: parameters, cells, channels, outcomes, and the record of one trial.
//!
//! Nothing here does I/O. These types are what is written to `trials.jsonl` and `summary.json`, so their serde form is
//! part of the harness's interface and changes only together with `docs/results.md`.

pub mod artifacts;
pub mod bisection;
pub mod consoles;
pub mod cpus;
pub mod ends;
pub mod order;
pub mod pstore;
pub mod splats;
pub mod timeline;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use self::cpus::Cpus;
use self::splats::Splat;

/// What a trial is judged by: a place where evidence of the crash may survive, the order in which the kernel died, or
/// whether it has reported anything else wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// What the serial console showed.
    Console,
    /// What a boot console on a second serial line showed. Only of a guest that has one.
    Earlycon,
    /// What netconsole sent. Only of a guest that has one.
    Netconsole,
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
    pub const ALL: [Self; 8] = [
        Self::Console,
        Self::Earlycon,
        Self::Netconsole,
        Self::Pstore,
        Self::PstoreConsole,
        Self::Kdump,
        Self::Order,
        Self::Splats,
    ];

    /// Those that keep the log of every guest: every trial that counts is judged by each of them.
    pub const OF_LOG: [Self; 2] = [Self::Console, Self::Pstore];

    /// Whether it is there or not by what guests have: a cell whose trials count may have no such channel.
    pub const fn is_of_some_guests(self) -> bool {
        matches!(self, Self::Earlycon | Self::Netconsole | Self::PstoreConsole | Self::Kdump)
    }

    /// The name used in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Console => "console",
            Self::Earlycon => "earlycon",
            Self::Netconsole => "netconsole",
            Self::Pstore => "pstore",
            Self::PstoreConsole => "pstore-console",
            Self::Kdump => "kdump",
            Self::Order => "order",
            Self::Splats => "splats",
        }
    }

    /// The outcomes it may come to, the good one first.
    pub const fn outcomes(self) -> &'static [ChannelOutcome] {
        use ChannelOutcome::{
            Broken, CaptureHung, Corrupt, Kept, Lost, NoSplats, NoVmcore, NotEntered, NotLoaded, Saved, Splats,
            Truncated, Unreadable, VmcoreBad,
        };
        match self {
            Self::Console | Self::Earlycon | Self::Netconsole | Self::PstoreConsole => {
                &[Saved, Truncated, Corrupt, Lost]
            }
            Self::Pstore => &[Saved, Truncated, Corrupt, Unreadable, Lost],
            Self::Kdump => &[Saved, Truncated, Corrupt, Lost, VmcoreBad, NoVmcore, CaptureHung, NotEntered, NotLoaded],
            Self::Order => &[Kept, Broken],
            Self::Splats => &[NoSplats, Splats],
        }
    }

    /// The outcome one hopes for, by which shares are measured.
    pub const fn good(self) -> ChannelOutcome {
        match self {
            Self::Console | Self::Earlycon | Self::Netconsole | Self::Pstore | Self::PstoreConsole | Self::Kdump => {
                ChannelOutcome::Saved
            }
            Self::Order => ChannelOutcome::Kept,
            Self::Splats => ChannelOutcome::NoSplats,
        }
    }

    /// What [`ChannelVerdict::witnesses`] are, in the plural.
    pub const fn witnesses(self) -> &'static str {
        match self {
            Self::Console | Self::Earlycon | Self::Netconsole | Self::Pstore | Self::PstoreConsole | Self::Kdump => {
                "witness lines"
            }
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

/// The value of a scenario's parameter at one point of its sweep.
///
/// In JSON a number stays a number; a duration is text with its unit (`"300ms"`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// A plain number.
    Number(i64),
    /// A duration as it was written (`300ms`), or any other word.
    Text(String),
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => n.fmt(f),
            Self::Text(t) => f.pad(t),
        }
    }
}

/// One point of a sweep: every parameter with its value, by name.
pub type Params = BTreeMap<String, ParamValue>;

/// `hold=300ms post_notifiers=0`
pub fn assignments(params: &Params) -> String {
    params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// A variant of a base, as it is named: `NAME@BASE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelName {
    /// The variant, with what is set about it.
    pub variant: String,
    /// The base.
    pub base: String,
}

impl KernelName {
    /// Reads `NAME` or `NAME@BASE`; without a base it is `default`.
    pub fn parse(text: &str, default: &str) -> Self {
        let (variant, base) = text.split_once('@').unwrap_or((text, default));
        Self { variant: variant.to_owned(), base: base.to_owned() }
    }
}

impl fmt::Display for KernelName {
    /// `stock@6.12`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.variant, self.base)
    }
}

/// What a variant asks for in place of the guest's shape that a scenario has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct GuestChange {
    /// Virtual CPUs, 1 to 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// What its pstore writes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pstore: Option<pstore::Backend>,
}

impl GuestChange {
    /// Whether scenarios' guests are as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Which trials are counted together: one variant of one base, one scenario, one point of its sweep.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellKey {
    /// The variant's name, e.g. `stock`.
    pub variant: String,
    /// The base's name, e.g. `6.12`.
    pub base: String,
    /// The scenario's name.
    pub scenario: String,
    /// The point of the scenario's sweep.
    pub params: Params,
}

impl CellKey {
    /// The kernel.
    pub fn kernel(&self) -> KernelName {
        KernelName { variant: self.variant.clone(), base: self.base.clone() }
    }
}

impl fmt::Display for CellKey {
    /// `stock@6.12 panic-during-oops-dump hold=300ms post_notifiers=0`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} {}", self.variant, self.base, self.scenario)?;
        for (name, value) in &self.params {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

/// A condition on the stamps of a trial; one that does not meet it is `missed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meeting {
    /// The actor entered its critical section.
    Entered {
        /// The actor.
        actor: String,
    },
    /// The actor entered while another was inside its critical section: not before it entered, and before it left. A
    /// section of no length is only asked to have been entered before.
    EntersDuring {
        /// The one that enters.
        actor: String,
        /// The one that is inside.
        of: String,
    },
    /// The actor left its critical section.
    Left {
        /// The actor.
        actor: String,
    },
    /// The actor entered its critical section and never left it.
    NeverLeft {
        /// The actor.
        actor: String,
    },
    /// Two actors entered within so long of each other, whichever was the first.
    Apart {
        /// One of them.
        actor: String,
        /// The other one.
        from: String,
        /// The longest time between.
        at_most: Duration,
    },
}

/// That a channel has an outcome with at least this probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// The channel.
    pub channel: Channel,
    /// The outcome it should come to.
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
    pub log: Option<Kept>,
}

impl ChannelVerdict {
    /// A verdict on a log, of which it is not known what it kept of all that was logged.
    pub fn new(outcome: ChannelOutcome, witnesses: u32, of: u32, detail: String) -> Self {
        Self { outcome, witnesses, of, detail, broken: Vec::new(), log: None }
    }
}

/// What a channel kept of the lines that a trial logged, from its first witness line on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Lines that it has, whole.
    pub lines: u32,
    /// Lines that there were in the guest's memory at the end.
    pub of: u32,
    /// The first that it does not have, as the console would show it, at most 120 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_lost: Option<String>,
}

impl Kept {
    /// The share that was kept, in hundredths of a percent, rounded down: 10000 is all.
    pub fn basis_points(&self) -> u32 {
        let share = u64::from(self.lines) * 10_000 / u64::from(self.of).max(1);
        u32::try_from(share).unwrap_or(u32::MAX)
    }
}

impl fmt::Display for Kept {
    /// `98 % of 61 log lines`, rounded down
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} % of {} log lines", self.basis_points() / 100, self.of)
    }
}

/// The log as it stood in the guest's memory at the end, from the trial's first witness line on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// Its lines.
    pub lines: u32,
    /// Whether the panic's own line is one of them.
    pub panic: bool,
    /// Records that somebody had begun to write, and never finished.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unfinished: u32,
}

/// Whether trials draw how their faults lie against everything else in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Each from its seed.
    #[default]
    Drawn,
    /// No: every trial has the phase of its template, for debugging. What such trials show of one template need not hold
    /// for any other.
    Fixed,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Drawn => "drawn",
            Self::Fixed => "fixed",
        })
    }
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum TrialOutcome {
    /// The faults met as the scenario says: the trial counts.
    Counted {
        /// The guest did nothing any more, or had not ended by its deadline.
        hung: bool,
        /// What each channel kept.
        channels: BTreeMap<Channel, ChannelVerdict>,
    },
    /// The faults did not meet as the scenario says. Never counted in a probability.
    Missed {
        /// Which condition did not hold, with the stamps.
        reason: String,
    },
    /// The harness or the host failed. Never counted in a probability.
    InfraError {
        /// What was being done, and the cause.
        cause: String,
    },
}

/// One line of `trials.jsonl`: a finished trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Position in the plan, from 0; also names the folder of its artifacts.
    pub index: u64,
    /// Where it counts.
    #[serde(flatten)]
    pub cell: CellKey,
    /// Which attempt at the trial it is, from 0. Only an infra-error is tried again; the last attempt counts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u32,
    /// Seed of everything random in it; `harness trial --seed` repeats it.
    pub seed: u64,
    /// The word that marks this trial's lines in the guest's log.
    pub nonce: String,
    /// Wall-clock start, RFC 3339, UTC.
    pub started: String,
    /// Wall time from starting QEMU to the verdict, in milliseconds.
    pub wall_ms: u64,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: TrialOutcome,
    /// The template that its guest was restored from, `NUMBER:DIGEST`: which of its kernel's, and eight hex digits that
    /// follow from the saved machine. Missing if the guest was booted, or the harness was one that made one template
    /// only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Percent of the time from firing to the end that the vCPUs were ready to run and the host had no processor for
    /// them; the higher, the longer the guest's delay loops lasted. Missing where the host does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_wait_percent: Option<u8>,
    /// The CPUs that the guest had when its faults were fired; missing where all of the machine's were online, or where that
    /// is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Cpus>,
    /// When each actor entered and left its critical section.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stamps: Vec<ActorStamps>,
    /// How it was recognised that the guest was hung, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hung_by: Option<String>,
    /// Where each vCPU of a hung guest stood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hung_at: Vec<HungCpu>,
    /// What was logged, by the guest's memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Logged>,
    /// Why that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_unknown: Option<String>,
    /// What a crash kernel could read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dump: Option<Dumped>,
    /// The reports of the kernel's in what was logged, each title once, in the order in which they began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub splats: Vec<Splat>,
    /// The kernel did not die: the program that it ran came to its end, or to the end of its time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub survived: bool,
    /// The words of the kernel's first panic, if it has panicked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<String>,
    /// What became of the user's program, if the scenario runs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadRecord>,
}

/// What became of a program of the user's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadRecord {
    /// How it ended: `code 0`, `signal 11`, or `stopped` when its time was over; none if the kernel died before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<String>,
    /// How much of what it has written was kept.
    pub output_bytes: u32,
}

/// A dump of a dead kernel's memory, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dumped {
    /// Memory that was left to the crash kernel, in KiB.
    pub free_kib: u64,
    /// The CPU that panicked, by the kernel's own variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic_cpu: Option<u32>,
    /// The name of the task that panicked, where the log has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Every CPU that has saved its registers.
    pub cpus: Vec<DumpedCpu>,
}

/// A CPU that has saved its registers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpedCpu {
    /// The CPU.
    pub cpu: u32,
    /// The task that it was executing.
    pub pid: u32,
    /// Function and offset, who called it, and what else is told.
    pub at: String,
}

/// Where a vCPU of a hung guest was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HungCpu {
    /// The vCPU.
    pub cpu: u32,
    /// Function and offset, who called it, and what else is told (`delay_tsc+0x2d < panic+0x30e, interrupts off`), one
    /// for each time that it was looked at, the first one first.
    pub at: Vec<String>,
}

/// When an actor entered and left its critical section, in guest time since the faults were fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorStamps {
    /// The actor's name in the scenario.
    pub actor: String,
    /// The CPU it entered on.
    pub cpu: u32,
    /// Microseconds from firing to entering; `None` if it never did.
    pub entered_us: Option<u64>,
    /// Microseconds from firing to leaving; `None` if it never did (a stopped or dead CPU never leaves).
    pub left_us: Option<u64>,
}

/// A wall-clock time as it stands in `run.json` and `trials.jsonl`: RFC 3339, UTC, milliseconds.
pub fn rfc3339(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// For fields that are left out where they are 0.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}
