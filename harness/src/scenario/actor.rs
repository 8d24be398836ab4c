//! Who does what, on which CPU, in which context, when.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::pstore::Backend;

/// Something that is done on a CPU of the guest; armed beforehand, fired together with the others, and stamped when it
/// enters its critical section and when it leaves.
///
/// Before a trial's seed is known, its CPU may be one of several, and its times may have to be drawn; see
/// [`Instance`](super::Instance). As it is, it is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor<C = u32, T = Duration> {
    /// Its name: at most 15 characters of `a-z`, `0-9` and `-`.
    pub name: String,
    /// The CPU it is armed on, from 0.
    pub cpu: C,
    /// What it does.
    pub action: Action<T>,
    /// Where it does that. An NMI from outside is asked for by a thread.
    pub context: Context,
    /// When. None if it waits for nothing but its CPU to come by.
    pub start: Option<Start<T>>,
}

/// A CPU that may have to be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cpu {
    /// This one.
    Number(u32),
    /// One of these, but none that an actor before this one has drawn.
    AnyOf(Vec<u32>),
}

/// A time that may have to be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// This long.
    Fixed(Duration),
    /// Each microsecond from one to the other, both included, is as probable as each other.
    Uniform {
        /// The shortest.
        from: Duration,
        /// The longest.
        to: Duration,
    },
    /// Exponentially distributed, but never longer than [`CLIP`](Self::CLIP) times the mean.
    Exponential {
        /// The mean of the distribution that is not clipped.
        mean: Duration,
    },
}

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

/// In which context an actor acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Context {
    /// A kernel thread.
    Thread,
    /// With preemption off.
    PreemptOff,
    /// With interrupts off.
    IrqsOff,
    /// In a softirq.
    Softirq,
    /// In a hardirq.
    Hardirq,
    /// In an NMI.
    Nmi,
    /// Within `stop_machine()`.
    StopMachine,
    /// When its CPU begins to idle.
    Idle,
    /// In a panic notifier that is called before all others.
    NotifierFirst,
    /// In a panic notifier that is called after all others.
    NotifierLast,
    /// When its CPU gets to pstore's kmsg dumper.
    Dumper,
    /// When its CPU writes to pstore's back end.
    BackendWrite,
    /// When its CPU writes to the serial console.
    ConsoleWrite,
    /// When its CPU enters this function.
    Function(String),
}

/// When an actor acts; in a context where something has to come by: from when on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start<T = Duration> {
    /// This long after the actors were fired.
    At(T),
    /// This long after another actor passed an edge.
    After {
        /// The other actor's name.
        actor: String,
        /// The edge.
        edge: Edge,
        /// The time between.
        delay: T,
    },
}

/// An edge of an actor's critical section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Edge {
    /// Its beginning.
    #[default]
    Entered,
    /// Its end.
    Left,
}

impl<C, T> Actor<C, T> {
    /// The same on `cpu`, each time being what `time` makes of it; `time` gets the key of the file that it is the value
    /// of.
    pub(super) fn map<D, U>(&self, cpu: D, mut time: impl FnMut(&'static str, &T) -> U) -> Actor<D, U> {
        let start = self.start.as_ref().map(|start| match start {
            Start::At(at) => Start::At(time("at", at)),
            Start::After { actor, edge, delay } => {
                Start::After { actor: actor.clone(), edge: *edge, delay: time("delay", delay) }
            }
        });
        let stay = |stay: &Stay<T>, time: &mut dyn FnMut(&'static str, &T) -> U| match stay {
            Stay::For(span) => Stay::For(time("for", span)),
            Stay::Forever => Stay::Forever,
        };
        let action = match &self.action {
            Action::Oops { kind, count, every } => {
                Action::Oops { kind: *kind, count: *count, every: time("every", every) }
            }
            Action::Panic => Action::Panic,
            Action::Warn => Action::Warn,
            Action::Spin { stay: of } => Action::Spin { stay: stay(of, &mut time) },
            Action::Hold { lock, stay: of } => Action::Hold { lock: *lock, stay: stay(of, &mut time) },
            Action::Print { enough, every } => Action::Print {
                enough: match enough {
                    Enough::Count(count) => Enough::Count(*count),
                    Enough::Stay(of) => Enough::Stay(stay(of, &mut time)),
                },
                every: time("every", every),
            },
            Action::Reboot => Action::Reboot,
            Action::Block { stay: of } => Action::Block { stay: stay(of, &mut time) },
            Action::Harvest { stay: of } => Action::Harvest { stay: stay(of, &mut time) },
            Action::Nmi => Action::Nmi,
        };
        Actor { name: self.name.clone(), cpu, action, context: self.context.clone(), start }
    }
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

impl Span {
    /// An exponentially distributed time is at most so many times its mean.
    pub const CLIP: u32 = 10;

    /// The longest that it may come to.
    pub fn longest(&self) -> Duration {
        match self {
            Self::Fixed(time) | Self::Uniform { to: time, .. } => *time,
            Self::Exponential { mean } => *mean * Self::CLIP,
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

impl Context {
    /// The function at whose entry an actor in this context acts, if it is one, in a guest with this back end of
    /// pstore's.
    ///
    /// `ramoops_pstore_write()` takes the console's lines too; what it calls for a dump alone, before anything else, is
    /// `persistent_ram_zap()`.
    pub fn function(&self, pstore: Backend) -> Option<&str> {
        match self {
            Self::Idle => Some("tick_nohz_idle_enter"),
            Self::Dumper => Some("pstore_dump"),
            Self::BackendWrite => match pstore {
                Backend::Erst => Some("erst_write"),
                Backend::Ramoops(_) => Some("persistent_ram_zap"),
            },
            Self::ConsoleWrite => Some("serial8250_console_write"),
            Self::Function(name) => Some(name),
            Self::Thread
            | Self::PreemptOff
            | Self::IrqsOff
            | Self::Softirq
            | Self::Hardirq
            | Self::Nmi
            | Self::StopMachine
            | Self::NotifierFirst
            | Self::NotifierLast => None,
        }
    }

    /// Whether something has to come by for an actor to act.
    pub fn comes_by(&self) -> bool {
        matches!(self, Self::NotifierFirst | Self::NotifierLast) || self.function(Backend::default()).is_some()
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
