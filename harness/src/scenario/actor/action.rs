//! What an actor does, and for how long.

use std::time::Duration;

use harness_protocol::{Failure, Lock, OopsKind, Reboot};

/// What an actor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<T = Duration> {
    /// Its CPU oopses.
    Oops {
        /// By what.
        kind: OopsKind,
        /// How many times, each of them another thread's.
        count: u32,
        /// The time from one to the next.
        every: T,
    },
    /// Its CPU calls `panic()`; in an NMI, `nmi_panic()`.
    Panic,
    /// Its CPU warns.
    Warn,
    /// Its CPU spins.
    Spin {
        /// For how long.
        stay: Stay<T>,
    },
    /// Its CPU takes a lock and spins, then gives it back.
    Hold {
        /// The lock.
        lock: Lock,
        /// For how long.
        stay: Stay<T>,
    },
    /// Its CPU prints one message after the other.
    Print {
        /// How many messages, or for how long.
        limit: PrintLimit<T>,
        /// The time from one message to the next.
        every: T,
    },
    /// Its CPU restarts the machine, or its thread does.
    Reboot {
        /// How.
        how: Reboot,
    },
    /// Its thread sleeps in `TASK_UNINTERRUPTIBLE`.
    Block {
        /// For how long.
        stay: Stay<T>,
    },
    /// Its thread reads and erases pstore's records, over and over again.
    Harvest {
        /// For how long.
        stay: Stay<T>,
    },
    /// QEMU injects an NMI into every CPU that takes it; its section is that of the CPU it is armed on.
    Nmi,
    /// Its thread takes memory until there is none.
    Exhaust,
    /// The agent, which is PID 1, ends.
    Exit,
    /// QEMU sends a machine check to every CPU, of an error of the one it is armed on.
    Mce,
    /// Its thread waits for a grace period of RCU, over and over again.
    SynchronizeRcu {
        /// For how long.
        stay: Stay<T>,
    },
    /// Its CPU calls another one and waits for its answer.
    Call {
        /// The other one.
        to: u32,
    },
    /// Calls of a function fail.
    Fail {
        /// How.
        failing: Failing,
        /// Only those for the record of this part of a dump, from 1.
        part: Option<u32>,
        /// How many; all, if that is not said.
        times: Option<u32>,
    },
    /// Its thread takes a CPU down, or brings it up.
    Switch {
        /// The CPU.
        target: u32,
        /// It comes up.
        up: bool,
    },
}

/// How a function fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// It returns this in place of what it does.
    Error(i64),
    /// It returns success in place of what it does.
    Lies,
    /// It does what it does with half of the record that it is given.
    Torn,
}

impl Failing {
    /// What crashlab is told.
    pub const fn kind(self) -> Failure {
        match self {
            Self::Error(_) => Failure::Error,
            Self::Lies => Failure::Lies,
            Self::Torn => Failure::Torn,
        }
    }
}

/// How long an actor stays in its critical section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay<T = Duration> {
    /// For this time.
    For(T),
    /// Until the guest ends.
    Forever,
}

/// How much is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrintLimit<T = Duration> {
    /// After this many messages.
    Count(u32),
    /// After this time.
    Time(Stay<T>),
}

impl<T> Action<T> {
    /// What crashlab is told to do.
    pub const fn kind(&self) -> harness_protocol::Action {
        match self {
            Self::Oops { .. } => harness_protocol::Action::Oops,
            Self::Panic => harness_protocol::Action::Panic,
            Self::Warn => harness_protocol::Action::Warn,
            Self::Spin { .. } => harness_protocol::Action::Spin,
            Self::Hold { .. } => harness_protocol::Action::Hold,
            Self::Print { .. } => harness_protocol::Action::Print,
            Self::Reboot { .. } => harness_protocol::Action::Reboot,
            Self::Block { .. } => harness_protocol::Action::Block,
            Self::Harvest { .. } => harness_protocol::Action::Harvest,
            Self::Nmi => harness_protocol::Action::Nmi,
            Self::Exhaust => harness_protocol::Action::Exhaust,
            Self::Exit => harness_protocol::Action::Exit,
            Self::Mce => harness_protocol::Action::Mce,
            Self::SynchronizeRcu { .. } => harness_protocol::Action::SynchronizeRcu,
            Self::Call { .. } => harness_protocol::Action::Call,
            Self::Fail { .. } => harness_protocol::Action::Fail,
            Self::Switch { up: false, .. } => harness_protocol::Action::CpuDown,
            Self::Switch { up: true, .. } => harness_protocol::Action::CpuUp,
        }
    }

    /// The word for it in scenario files.
    pub const fn keyword(&self) -> &'static str {
        self.kind().word()
    }

    /// How long it stays in its section, where that was said.
    pub const fn stay(&self) -> Option<&Stay<T>> {
        match self {
            Self::Spin { stay }
            | Self::Hold { stay, .. }
            | Self::Block { stay }
            | Self::Harvest { stay }
            | Self::SynchronizeRcu { stay }
            | Self::Print { limit: PrintLimit::Time(stay), .. } => Some(stay),
            Self::Oops { .. }
            | Self::Panic
            | Self::Warn
            | Self::Reboot { .. }
            | Self::Nmi
            | Self::Exhaust
            | Self::Exit
            | Self::Mce
            | Self::Call { .. }
            | Self::Fail { .. }
            | Self::Switch { .. }
            | Self::Print { limit: PrintLimit::Count(_), .. } => None,
        }
    }

    /// Whether its section has no end: its CPU does not come back, or stays for ever.
    pub const fn never_leaves(&self) -> bool {
        let goes_on = matches!(
            self,
            Self::Oops { .. }
                | Self::Panic
                | Self::Reboot { .. }
                | Self::Exhaust
                | Self::Exit
                | Self::Mce
                | Self::Fail { times: None, .. }
        );
        goes_on || matches!(self.stay(), Some(Stay::Forever))
    }
}

impl Action {
    /// The time it is asked to stay in its critical section, in microseconds; `u64::MAX` if that is not known
    /// beforehand, or for ever. 0 for what takes no time, and for what never comes back.
    ///
    /// A call lasts as long as the other CPU takes, a grace period as long as all of them, and who has calls fail waits for
    /// the last of them.
    pub fn budget_us(&self) -> u64 {
        match self {
            Self::Oops { .. }
            | Self::Panic
            | Self::Warn
            | Self::Reboot { .. }
            | Self::Nmi
            | Self::Exhaust
            | Self::Exit
            | Self::Mce => 0,
            Self::Print { limit: PrintLimit::Count(_), .. }
            | Self::SynchronizeRcu { .. }
            | Self::Call { .. }
            | Self::Fail { .. }
            | Self::Switch { .. } => u64::MAX,
            Self::Print { .. } | Self::Spin { .. } | Self::Hold { .. } | Self::Block { .. } | Self::Harvest { .. } => {
                match self.stay() {
                    Some(Stay::For(time)) => u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
                    Some(Stay::Forever) | None => u64::MAX,
                }
            }
        }
    }
}
