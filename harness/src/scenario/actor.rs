//! Who does what, on which CPU, in which context, when.

mod action;

use std::time::Duration;

pub use harness_protocol::{Edge, Lock, OopsKind, Reboot};

pub use self::action::{Action, Failing, PrintLimit, Stay};
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
    /// Whichever comes by.
    Any,
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
    /// In a panic notifier.
    Notifier(Notifier),
    /// When its CPU gets to pstore's kmsg dumper.
    Dumper,
    /// When its CPU writes to pstore's back end.
    BackendWrite,
    /// When its CPU writes to the serial console.
    ConsoleWrite,
    /// When its CPU enters this function.
    Function(String),
}

/// Which panic notifier. Kernels as they are have one list of them; the series of 2022 have a list for each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notifier {
    /// Called before all others; where there are several lists, of those that tell something about the panic.
    First,
    /// Called after all others; likewise.
    Last,
    /// One that tells the hypervisor.
    Hypervisor,
    /// One that tells something about the panic, in the log or elsewhere.
    Info,
    /// One that must be called before a reboot.
    PreReboot,
    /// One that is for a machine which is not rebooted.
    PostReboot,
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

impl<C, T> Actor<C, T> {
    /// The function at whose entry it acts, if it is one, in a guest with this back end of pstore's. What fails is the back
    /// end's own write, which pstore calls with a record, and not what that calls in its turn.
    pub fn function(&self, pstore: Backend) -> Option<&str> {
        match (&self.action, &self.context) {
            (Action::Fail { .. }, Context::BackendWrite) => Some(match pstore {
                Backend::Erst(_) => "erst_writer",
                Backend::Ramoops(_) => "ramoops_pstore_write",
                Backend::Efi(_) => "efi_pstore_write",
            }),
            _ => self.context.function(pstore),
        }
    }

    /// The actor on `cpu`, each of its times replaced by what `time` makes of it and of the key that it has in the file.
    pub(crate) fn map<D, U>(&self, cpu: D, mut time: impl FnMut(&'static str, &T) -> U) -> Actor<D, U> {
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
            Action::Print { limit, every } => Action::Print {
                limit: match limit {
                    PrintLimit::Count(count) => PrintLimit::Count(*count),
                    PrintLimit::Time(of) => PrintLimit::Time(stay(of, &mut time)),
                },
                every: time("every", every),
            },
            Action::Reboot { how } => Action::Reboot { how: *how },
            Action::Block { stay: of } => Action::Block { stay: stay(of, &mut time) },
            Action::Harvest { stay: of } => Action::Harvest { stay: stay(of, &mut time) },
            Action::Nmi => Action::Nmi,
            Action::Exhaust => Action::Exhaust,
            Action::Exit => Action::Exit,
            Action::Mce => Action::Mce,
            Action::SynchronizeRcu { stay: of } => Action::SynchronizeRcu { stay: stay(of, &mut time) },
            Action::Call { to } => Action::Call { to: *to },
            Action::Fail { failing, part, times } => Action::Fail { failing: *failing, part: *part, times: *times },
            Action::Switch { target, up } => Action::Switch { target: *target, up: *up },
        };
        Actor { name: self.name.clone(), cpu, action, context: self.context.clone(), start }
    }
}

impl Span {
    /// An exponentially distributed time is at most this many times its mean.
    pub const CLIP: u32 = 10;

    /// The longest time that may be drawn.
    pub fn longest(&self) -> Duration {
        match self {
            Self::Fixed(time) | Self::Uniform { to: time, .. } => *time,
            Self::Exponential { mean } => *mean * Self::CLIP,
        }
    }
}

impl Context {
    /// What crashlab is told.
    pub const fn kind(&self) -> harness_protocol::Context {
        use harness_protocol::Context as Told;

        match self {
            Self::Thread => Told::Thread,
            Self::PreemptOff => Told::PreemptOff,
            Self::IrqsOff => Told::IrqsOff,
            Self::Softirq => Told::Softirq,
            Self::Hardirq => Told::Hardirq,
            Self::Nmi => Told::Nmi,
            Self::StopMachine => Told::StopMachine,
            Self::Notifier(Notifier::First) => Told::NotifierFirst,
            Self::Notifier(Notifier::Last) => Told::NotifierLast,
            Self::Notifier(Notifier::Hypervisor) => Told::NotifierHypervisor,
            Self::Notifier(Notifier::Info) => Told::NotifierInfo,
            Self::Notifier(Notifier::PreReboot) => Told::NotifierPreReboot,
            Self::Notifier(Notifier::PostReboot) => Told::NotifierPostReboot,
            Self::Idle | Self::Dumper | Self::BackendWrite | Self::ConsoleWrite | Self::Function(_) => Told::Function,
        }
    }

    /// The function at whose entry an actor in this context acts, if it is one, in a guest with this back end of
    /// pstore's.
    ///
    /// `ramoops_pstore_write()` takes the console's lines too; what it calls for a dump alone, before anything else, is
    /// `persistent_ram_zap()`.
    fn function(&self, pstore: Backend) -> Option<&str> {
        match self {
            Self::Idle => Some("tick_nohz_idle_enter"),
            Self::Dumper => Some("pstore_dump"),
            Self::BackendWrite => match pstore {
                Backend::Erst(_) => Some("erst_write"),
                Backend::Ramoops(_) => Some("persistent_ram_zap"),
                Backend::Efi(_) => Some("efi_pstore_write"),
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
            | Self::Notifier(_) => None,
        }
    }

    /// Whether an actor in it waits for its CPU to come by, rather than for a time alone.
    pub fn is_event_driven(&self) -> bool {
        matches!(self, Self::Notifier(_)) || self.function(Backend::default()).is_some()
    }
}
