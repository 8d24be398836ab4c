//! The page of the guest's memory that crashlab shares with the host: what lies where in it.
//!
//! All numbers are little endian. In C the layout is `guest-kernel/crashlab/page.h`, which asserts the same offsets; as a
//! table it stands in `docs/crashlab.md`.

use crate::words::words;

/// The page's size in bytes.
pub const SIZE: usize = 4096;
/// What it begins with.
pub const MAGIC: [u8; 8] = *b"CRASHLAB";
/// The version of the layout.
pub const VERSION: u32 = 4;
/// The oldest version that can be read like this one: since then there are only more contexts and actions, and the CPUs.
pub const OLDEST_VERSION: u32 = 2;
/// The most actors that a page has room for.
pub const MAX_SLOTS: usize = 32;
/// The budget of an actor that stays until its CPU is stopped.
pub const FOR_EVER: u64 = u64::MAX;

/// Offset of the magic.
pub const MAGIC_AT: usize = 0;
/// Offset of the version (32 bits).
pub const VERSION_AT: usize = 8;
/// Offset of the number of slots in use (32 bits).
pub const SLOTS_USED_AT: usize = 12;
/// Offset of the frequency of the time-stamp counter, in kHz (64 bits).
pub const TSC_KHZ_AT: usize = 16;
/// Offset of the counter when the actors were fired (64 bits; 0: not fired).
pub const FIRED_AT: usize = 24;
/// Offset of the nonce: 16 characters; zeros until it is given.
pub const NONCE_AT: usize = 32;
/// Offset of the word by which a guest calls a tracer (32 bits; see the crate `harness-trace`).
pub const TRACER_AT: usize = 48;
/// Offset of the CPUs that are possible, a bit each of the first 32, when the actors are fired (32 bits); since
/// [`CPUS_SINCE`].
pub const CPUS_POSSIBLE_AT: usize = 52;
/// Offset of the CPUs that are present (32 bits).
pub const CPUS_PRESENT_AT: usize = 56;
/// Offset of the CPUs that are online (32 bits).
pub const CPUS_ONLINE_AT: usize = 60;
/// The version from which on a page tells CPUs.
pub const CPUS_SINCE: u32 = 4;
/// Offset of the first slot.
pub const SLOTS_AT: usize = 64;

/// The size of a slot in bytes.
pub const SLOT: usize = 64;
/// The size of a name in bytes.
pub const NAME_LEN: usize = 16;

/// Offset of the name in a slot; it is padded with NUL.
pub const NAME_AT: usize = 0;
/// Offset of the action in a slot (32 bits; [`Action`]).
pub const ACTION_AT: usize = 16;
/// Offset in a slot of the CPU that the actor was armed on (32 bits).
pub const CPU_AT: usize = 20;
/// Offset in a slot of the counter when the actor entered first (64 bits; 0: never).
pub const ENTERED_AT: usize = 24;
/// Offset in a slot of the counter when the actor left first (64 bits; 0: never).
pub const LEFT_AT: usize = 32;
/// Offset in a slot of the time that the actor was asked to stay, in microseconds (64 bits; 0: none; [`FOR_EVER`]).
pub const BUDGET_AT: usize = 40;
/// Offset in a slot of the number of times that the actor entered (32 bits).
pub const HITS_AT: usize = 48;
/// Offset of the context in a slot (32 bits; [`Context`]).
pub const CONTEXT_AT: usize = 52;
/// Offset in a slot of the microseconds of its stay, or rounds of what it does, that the actor has counted so far (64
/// bits).
pub const SPENT_AT: usize = 56;

words! {
    /// What an actor does once it is fired.
    Action {
        /// Oopses.
        Oops = "oops" as 1,
        /// Calls `panic()`.
        Panic = "panic" as 2,
        /// Warns, as `WARN()` does.
        Warn = "warn" as 3,
        /// Spins.
        Spin = "spin" as 4,
        /// Holds a lock.
        Hold = "hold" as 5,
        /// Writes messages to the log.
        Print = "print" as 6,
        /// Restarts the machine at once.
        Reboot = "reboot" as 7,
        /// Sleeps where nothing wakes it.
        Block = "block" as 8,
        /// Reads and erases pstore's records.
        Harvest = "harvest" as 9,
        /// Waits for an NMI from outside.
        Nmi = "nmi" as 10,
        /// Uses up the memory.
        Exhaust = "exhaust" as 11,
        /// Has the agent end, which is PID 1.
        Exit = "exit" as 12,
        /// Waits for a machine check from outside.
        Mce = "mce" as 13,
        /// Waits for grace periods of RCU.
        SynchronizeRcu = "synchronize-rcu" as 14,
        /// Calls another CPU and waits for its answer.
        Call = "call" as 15,
        /// Has a function of the kernel's fail.
        Fail = "fail" as 16,
        /// Takes a CPU down.
        CpuDown = "cpu-down" as 20,
        /// Brings a CPU up.
        CpuUp = "cpu-up" as 21,
    }
}

words! {
    /// The context in which an actor acts.
    Context {
        /// A kernel thread.
        Thread = "thread" as 1,
        /// With preemption off.
        PreemptOff = "preempt-off" as 2,
        /// With interrupts off.
        IrqsOff = "irqs-off" as 3,
        /// A softirq.
        Softirq = "softirq" as 4,
        /// A hardirq.
        Hardirq = "hardirq" as 5,
        /// An NMI.
        Nmi = "nmi" as 6,
        /// Within `stop_machine()`.
        StopMachine = "stop-machine" as 7,
        /// A panic notifier, called before all others.
        NotifierFirst = "notifier-first" as 8,
        /// A panic notifier, called after all others.
        NotifierLast = "notifier-last" as 9,
        /// The entry of a function of the kernel's.
        Function = "function" as 10,
        /// A panic notifier that tells the hypervisor.
        NotifierHypervisor = "notifier-hypervisor" as 11,
        /// A panic notifier that tells something about the panic.
        NotifierInfo = "notifier-info" as 12,
        /// A panic notifier that must be called before a reboot.
        NotifierPreReboot = "notifier-pre-reboot" as 13,
        /// A panic notifier for a machine that is not rebooted.
        NotifierPostReboot = "notifier-post-reboot" as 14,
    }
}

impl Action {
    /// The action that has this number in the page.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| *action as u32 == number)
    }
}

impl Context {
    /// The context that has this number in the page.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|context| *context as u32 == number)
    }
}
