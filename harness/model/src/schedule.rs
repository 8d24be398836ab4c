//! Which CPU is held where, until when: a schedule that a trial is made to follow, and what became of it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::timeline::{StepEdge, written};

/// No CPU is held for longer.
pub const LONGEST_HOLD: Duration = Duration::from_secs(3);

/// A schedule has no more holds than this.
pub const MAX_HOLDS: usize = 16;

/// The holds of a schedule, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Schedule {
    /// All of them are in force from the moment on that the faults are fired; each holds once.
    pub holds: Vec<Hold>,
}

/// A CPU is held at one moment until another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hold {
    /// Where it is held: before it does that.
    pub at: Trigger,
    /// Until when; none: for [`Self::at_most`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Trigger>,
    /// The longest time; never more than [`LONGEST_HOLD`].
    pub at_most: Duration,
}

/// A CPU comes to a step, for the nth time since the faults were fired.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Trigger {
    /// The step.
    pub step: String,
    /// Which one, where a step has several; empty for any of them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// Its beginning or its end.
    #[serde(default)]
    pub edge: StepEdge,
    /// Which time, from 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub nth: u32,
    /// On which CPU; none: any. How often it comes is counted on those that are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Role>,
}

/// A CPU by what it is to the trial.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// This one.
    Number(u32),
    /// The one that this actor is armed on.
    Actor(String),
    /// The first one that panics.
    Panic,
    /// Any one that no actor is armed on.
    Others,
}

/// What became of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldOutcome {
    /// The moment came that was waited for.
    Released,
    /// It lasted as long as it was to.
    Over,
    /// The moment had come already when the CPU was to be held.
    NotNeeded,
    /// The CPU never came to where it was to be held.
    NotReached,
    /// The moment did not come within the longest time.
    Bound,
    /// Another CPU waited for the held one within QEMU, which could go on for none of them.
    Infeasible,
    /// The guest had ended before it was over, or was stopped.
    Ended,
}

/// What became of a hold in a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The hold in words.
    pub hold: String,
    /// What became of it.
    pub outcome: HoldOutcome,
    /// The vCPU that was held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// When it began, in nanoseconds since the faults were fired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ns: Option<i64>,
    /// How long it lasted, in nanoseconds; none if it did not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasted_ns: Option<u64>,
    /// The indices of the timeline's first events after it had begun, and after it had ended.
    #[serde(default, skip_serializing_if = "is_nowhere")]
    pub before: [usize; 2],
}

impl HoldOutcome {
    /// All of them, those that keep a schedule first.
    pub const ALL: [Self; 7] =
        [Self::Released, Self::Over, Self::NotNeeded, Self::NotReached, Self::Bound, Self::Infeasible, Self::Ended];

    /// Whether things went as the schedule says.
    pub const fn is_kept(self) -> bool {
        matches!(self, Self::Released | Self::Over | Self::NotNeeded)
    }

    /// In words, to be put behind `held`, or behind a number of trials.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Over => "its time was over",
            Self::NotNeeded => "not needed, the moment had come before",
            Self::NotReached => "not reached",
            Self::Bound => "its bound ran out",
            Self::Infeasible => "infeasible, another CPU waited for it within QEMU",
            Self::Ended => "the guest ended before",
        }
    }
}

impl Held {
    /// What kept the schedule from being kept, of the first hold of which that is so.
    pub fn not_kept(holds: &[Self]) -> Option<&Self> {
        holds.iter().find(|held| !held.outcome.is_kept())
    }
}

impl Schedule {
    /// How much longer than by itself a trial may last by it.
    pub fn longest(&self) -> Duration {
        self.holds.iter().map(|hold| hold.at_most).sum()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(cpu) => write!(f, "CPU {cpu}"),
            Self::Actor(name) => write!(f, "the CPU of {name}"),
            Self::Panic => f.write_str("the panic CPU"),
            Self::Others => f.write_str("another CPU"),
        }
    }
}

impl fmt::Display for Trigger {
    /// `stop_ipi #2 on another CPU`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        written(f, &self.step, &self.of, self.edge)?;
        if self.nth > 1 {
            write!(f, " #{}", self.nth)?;
        }
        self.cpu.iter().try_for_each(|role| write!(f, " on {role}"))
    }
}

impl fmt::Display for Hold {
    /// `kmsg_dump on the panic CPU held until backend_write end on the CPU of oops, at most 1s`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.until {
            Some(until) => write!(f, "{} held until {until}, at most {:?}", self.at, self.at_most),
            None => write!(f, "{} held for {:?}", self.at, self.at_most),
        }
    }
}

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_one(number: &u32) -> bool {
    *number == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_nowhere(before: &[usize; 2]) -> bool {
    *before == [0; 2]
}
