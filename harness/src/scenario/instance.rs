//! A scenario with its parameters fixed: plain values, nothing left to resolve.

use std::time::Duration;

use crate::model::order::OrderAssertion;
use crate::model::{Expectation, Meeting, Params};

/// One point of a scenario's sweep, ready to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// The scenario's name.
    pub scenario: String,
    /// The point.
    pub params: Params,
    /// The guest it needs.
    pub guest: Guest,
    /// From firing the faults to the guest's end; after that the guest counts as hung.
    pub deadline: Duration,
    /// Without any progress for so long the guest counts as hung before its deadline; never longer than that.
    pub quiet: Duration,
    /// What the kernel must have for this to be possible.
    pub needs: Needs,
    /// What the agent sets before it arms the actors, in this order.
    pub knobs: Vec<Knob>,
    /// Who does what on which CPU.
    pub actors: Vec<Actor>,
    /// What must have happened for the trial to count: first that every actor entered, in the order of the actors, then
    /// what the scenario asks for at this point.
    pub meetings: Vec<Meeting>,
    /// What must be so in the trial's timeline at this point.
    pub order: Vec<OrderAssertion>,
    /// What must be left at this point; nothing is judged where this is empty.
    pub expectations: Vec<Expectation>,
}

/// The shape of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guest {
    /// Virtual CPUs, 1 to 8.
    pub cpus: u32,
    /// RAM in MiB.
    pub memory_mib: u32,
}

/// What a kernel must have for an instance to be possible on it. Nothing is needed where a list is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// The oldest release of Linux, such as `6.12`.
    pub since: Option<String>,
    /// The newest release of Linux, all of its stable releases included.
    pub until: Option<String>,
    /// Functions, at whose entry something is done.
    pub functions: Vec<String>,
    /// Symbols of whatever kind, whose addresses are looked up.
    pub symbols: Vec<String>,
    /// Options that are built in or a module, such as `CONFIG_PSTORE_RAM`.
    pub config: Vec<String>,
}

/// A file of the guest's `/sys` or `/proc/sys`, and what is written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knob {
    /// Absolute path below `/sys/module/` or `/proc/sys/`.
    pub path: String,
    /// Printable ASCII, one line.
    pub value: String,
}

/// A fault on a CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Its name: at most 15 characters of `a-z`, `0-9` and `-`.
    pub name: String,
    /// The CPU it is armed on, from 0.
    pub cpu: u32,
    /// What it does.
    pub fault: Fault,
}

/// What an actor does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The next write to the pstore back end on its CPU takes this much longer.
    HoldBackendWrite {
        /// The time added.
        hold: Duration,
    },
    /// The CPU spins with interrupts off.
    SpinIrqsOff {
        /// For how long.
        hold: Duration,
        /// When it begins.
        start: Start,
    },
    /// The CPU oopses.
    Oops {
        /// When.
        start: Start,
    },
    /// The CPU calls `panic()`.
    Panic {
        /// When.
        start: Start,
    },
}

/// When an actor acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// This long after the faults were fired.
    At(Duration),
    /// This long after another actor passed an edge.
    After {
        /// The other actor's name.
        actor: String,
        /// The edge.
        edge: Edge,
        /// The time between.
        delay: Duration,
    },
}

/// An edge of an actor's critical section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Edge {
    /// Its beginning.
    #[default]
    Entered,
    /// Its end.
    Left,
}

impl Knob {
    /// A parameter of a module, or of a part of the kernel that goes by a module's name.
    pub fn parameter(module: &str, name: &str, value: String) -> Self {
        Self { path: format!("/sys/module/{module}/parameters/{name}"), value }
    }

    /// A sysctl, by its name with dots.
    pub fn sysctl(name: &str, value: String) -> Self {
        Self { path: format!("/proc/sys/{}", name.replace('.', "/")), value }
    }
}

impl Actor {
    /// The time its fault is asked to last; zero for an oops and a panic, which last for ever.
    pub fn budget(&self) -> Duration {
        match self.fault {
            Fault::HoldBackendWrite { hold } | Fault::SpinIrqsOff { hold, .. } => hold,
            Fault::Oops { .. } | Fault::Panic { .. } => Duration::ZERO,
        }
    }
}

impl Fault {
    /// The word for it in scenario files and in the text for the agent.
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::HoldBackendWrite { .. } => "hold-backend-write",
            Self::SpinIrqsOff { .. } => "spin-irqs-off",
            Self::Oops { .. } => "oops",
            Self::Panic { .. } => "panic",
        }
    }

    /// When it begins by itself; a held write begins when something writes.
    pub const fn start(&self) -> Option<&Start> {
        match self {
            Self::HoldBackendWrite { .. } => None,
            Self::SpinIrqsOff { start, .. } | Self::Oops { start } | Self::Panic { start } => Some(start),
        }
    }
}

impl Edge {
    /// The word for it in scenario files and in the text for the agent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Entered => "entered",
            Self::Left => "left",
        }
    }
}
