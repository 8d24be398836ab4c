//! What an actor does, and for how long.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

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
        /// When that is enough.
        enough: Enough<T>,
        /// The time from one message to the next.
        every: T,
    },
    /// Its CPU calls `emergency_restart()`.
    Reboot,
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
}

/// How long an actor stays in its critical section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay<T = Duration> {
    /// So long.
    For(T),
    /// Until the guest ends.
    Forever,
}

/// When enough is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enough<T = Duration> {
    /// After so many messages.
    Count(u32),
    /// After so long.
    Stay(Stay<T>),
}

/// By what a CPU oopses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OopsKind {
    /// `BUG()`.
    #[default]
    Bug,
    /// A write close to address 0.
    PageFault,
    /// A write to an address that is none: a general protection fault.
    Gpf,
    /// A recursion that leaves the stack.
    Stack,
}

/// A lock of the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Lock {
    /// pstore's `psinfo->buf_lock`, by which one dump keeps out another.
    PstoreBuf,
    /// `erst_lock` of the ERST back end.
    Erst,
    /// `buffer_lock` of the zone that ramoops is about to write to; only in the function `persistent_ram_write`.
    RamoopsZone,
    /// `console_lock()`, which may sleep before it is held.
    Console,
    /// The spin lock inside of the semaphore `console_sem`.
    ConsoleSem,
    /// The lock of the first 8250 port.
    UartPort,
    /// `die_lock`, by which one oops keeps out another.
    Die,
    /// A lock of crashlab's own, as any module has.
    Module,
    /// `logbuf_lock` of kernels before 5.12.
    Logbuf,
}

impl<T> Action<T> {
    /// The word for it in scenario files and in the text for the agent.
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::Oops { .. } => "oops",
            Self::Panic => "panic",
            Self::Warn => "warn",
            Self::Spin { .. } => "spin",
            Self::Hold { .. } => "hold",
            Self::Print { .. } => "print",
            Self::Reboot => "reboot",
            Self::Block { .. } => "block",
            Self::Harvest { .. } => "harvest",
            Self::Nmi => "nmi",
        }
    }

    /// How long it stays in its section, where that was said.
    pub const fn stay(&self) -> Option<&Stay<T>> {
        match self {
            Self::Spin { stay }
            | Self::Hold { stay, .. }
            | Self::Block { stay }
            | Self::Harvest { stay }
            | Self::Print { enough: Enough::Stay(stay), .. } => Some(stay),
            Self::Oops { .. }
            | Self::Panic
            | Self::Warn
            | Self::Reboot
            | Self::Nmi
            | Self::Print { enough: Enough::Count(_), .. } => None,
        }
    }

    /// Whether its section has no end: its CPU does not come back, or stays for ever.
    pub const fn never_leaves(&self) -> bool {
        matches!(self, Self::Oops { .. } | Self::Panic | Self::Reboot) || matches!(self.stay(), Some(Stay::Forever))
    }
}

impl Action {
    /// The time it is asked to stay in its critical section, in microseconds; `u64::MAX` if that is not known
    /// beforehand, or for ever. 0 for what takes no time, and for what never comes back.
    pub fn budget_us(&self) -> u64 {
        match self {
            Self::Oops { .. } | Self::Panic | Self::Warn | Self::Reboot | Self::Nmi => 0,
            Self::Print { enough: Enough::Count(_), .. } => u64::MAX,
            Self::Print { .. } | Self::Spin { .. } | Self::Hold { .. } | Self::Block { .. } | Self::Harvest { .. } => {
                match self.stay() {
                    Some(Stay::For(time)) => u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
                    Some(Stay::Forever) | None => u64::MAX,
                }
            }
        }
    }
}

impl OopsKind {
    /// The word for it in scenario files and in the text for the agent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bug => "bug",
            Self::PageFault => "page-fault",
            Self::Gpf => "gpf",
            Self::Stack => "stack",
        }
    }
}

impl Lock {
    /// The word for it in scenario files and in the text for the agent.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PstoreBuf => "pstore-buf",
            Self::Erst => "erst",
            Self::RamoopsZone => "ramoops-zone",
            Self::Console => "console",
            Self::ConsoleSem => "console-sem",
            Self::UartPort => "uart-port",
            Self::Die => "die",
            Self::Module => "module",
            Self::Logbuf => "logbuf",
        }
    }
}
