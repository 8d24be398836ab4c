//! How a trial ended, and the line of `trials.jsonl` that records it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::cpus::Cpus;
use super::schedule::Held;
use super::splats::Splat;
use super::{CellKey, Channel, ChannelVerdict, is_zero};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
    /// The kernel did not die: the program that it ran ended, or its time was over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub survived: bool,
    /// The words of the kernel's first panic, if it has panicked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub panic: Option<String>,
    /// What became of the user's program, if the scenario runs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadRecord>,
    /// What became of each hold of its schedule, if it had one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Held>,
}

impl TrialRecord {
    /// The record of a trial that began at `started` (RFC 3339) and ended so, of which nothing else is known.
    pub fn new(index: u64, cell: CellKey, seed: u64, nonce: String, started: String, outcome: TrialOutcome) -> Self {
        Self {
            index,
            cell,
            attempt: 0,
            seed,
            nonce,
            started,
            wall_ms: 0,
            outcome,
            template: None,
            host_wait_percent: None,
            cpus: None,
            stamps: Vec::new(),
            hung_by: None,
            hung_at: Vec::new(),
            log: None,
            log_unknown: None,
            dump: None,
            splats: Vec::new(),
            survived: false,
            panic: None,
            workload: None,
            holds: Vec::new(),
        }
    }
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
