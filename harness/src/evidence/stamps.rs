//! The page that crashlab shares with the host: when each actor entered and left its critical section.
//!
//! The page lies in the guest's memory, where QEMU reads it whatever has become of the guest. The
//! layout (version 3, little endian, 4096 bytes) is crashlab's own, `guest-kernel/crashlab/page.h`:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | magic `CRASHLAB` |
//! | 8 | 4 | version |
//! | 12 | 4 | slots in use, at most 32 |
//! | 16 | 8 | kHz of the time-stamp counter |
//! | 24 | 8 | counter when the actors were fired, 0: not fired |
//! | 32 | 16 | the trial's nonce; zeros until it is armed |
//! | 64 + 64 i | 64 | slot i |
//! | slot + 0 | 16 | the actor's name, padded with NUL |
//! | slot + 16 | 4 | action |
//! | slot + 20 | 4 | CPU it was armed on |
//! | slot + 24 | 8 | counter when it entered first, 0: never |
//! | slot + 32 | 8 | counter when it left first, 0: never |
//! | slot + 40 | 8 | microseconds it was asked to stay, 0: none, all ones: for ever |
//! | slot + 48 | 4 | times it entered |
//! | slot + 52 | 4 | context |
//! | slot + 56 | 8 | microseconds of its stay, or rounds of what it does, that it counted so far |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::evidence::bytes::{array, u32_at, u64_at};
use crate::model::ActorStamps;

/// The page's size.
pub const PAGE: usize = 4096;

const MAGIC: [u8; 8] = *b"CRASHLAB";
/// The version of the layout.
pub const VERSION: u32 = 3;
/// The oldest that is read too: since then there are only more contexts.
const OLDEST: u32 = 2;
const MAX_SLOTS: usize = 32;
/// Where the counter of the firing stands.
pub(super) const FIRED_AT: usize = 24;
/// Where the word stands by which a guest calls a tracer.
pub(crate) const TRACER_AT: usize = 48;
pub(super) const SLOTS_AT: usize = 64;
pub(super) const SLOT: usize = 64;
/// Where a slot's counters stand.
pub(super) const ENTERED_AT: usize = 24;
pub(super) const LEFT_AT: usize = 32;
/// No x86 kernel has more CPUs (`CONFIG_MAXSMP`).
const MAX_CPUS: u32 = 8192;

/// Defines an enum of which each variant has a number in the page and a word in scenarios.
macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $of:literal])+ $variant:ident = $number:literal, $word:literal;)+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $of])+ $variant,)+
        }

        impl $name {
            const fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// The word that crashlab is told.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

words! {
    /// What an actor does once it is fired.
    Action {
        /// Oopses.
        Oops = 1, "oops";
        /// Calls `panic()`.
        Panic = 2, "panic";
        /// Warns, as `WARN()` does.
        Warn = 3, "warn";
        /// Spins.
        Spin = 4, "spin";
        /// Holds a lock.
        Hold = 5, "hold";
        /// Writes messages to the log.
        Print = 6, "print";
        /// Restarts the machine at once.
        Reboot = 7, "reboot";
        /// Sleeps where nothing wakes it.
        Block = 8, "block";
        /// Reads and erases pstore's records.
        Harvest = 9, "harvest";
        /// Waits for an NMI from outside.
        Nmi = 10, "nmi";
    }
}

words! {
    /// In which context an actor acts.
    Context {
        /// A kernel thread of its own.
        Thread = 1, "thread";
        /// In a thread, with preemption off.
        PreemptOff = 2, "preempt-off";
        /// In a thread, with interrupts off.
        IrqsOff = 3, "irqs-off";
        /// A softirq.
        Softirq = 4, "softirq";
        /// A hard interrupt.
        Hardirq = 5, "hardirq";
        /// An NMI.
        Nmi = 6, "nmi";
        /// While the machine is stopped.
        StopMachine = 7, "stop-machine";
        /// A panic notifier, before all others.
        NotifierFirst = 8, "notifier-first";
        /// A panic notifier, after all others.
        NotifierLast = 9, "notifier-last";
        /// The entry of a function of the kernel's.
        Function = 10, "function";
        /// A panic notifier that tells the hypervisor.
        NotifierHypervisor = 11, "notifier-hypervisor";
        /// A panic notifier that tells something about the panic.
        NotifierInfo = 12, "notifier-info";
        /// A panic notifier that must be called before a reboot.
        NotifierPreReboot = 13, "notifier-pre-reboot";
        /// A panic notifier for a machine that is not rebooted.
        NotifierPostReboot = 14, "notifier-post-reboot";
    }
}

/// One actor's slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// Its name in the scenario.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// Where it does it.
    pub context: Context,
    /// The CPU it was armed on.
    pub cpu: u32,
    /// The time-stamp counter when it first entered its critical section.
    pub entered_tsc: Option<u64>,
    /// The time-stamp counter when it first left.
    pub left_tsc: Option<u64>,
    /// Microseconds that it was asked to stay; 0: none; `u64::MAX`: for ever.
    pub budget_us: u64,
    /// How often it entered.
    pub hits: u32,
    /// Turns of `udelay(1)` that it has spent inside, up to `budget_us`. On an emulated CPU a turn takes longer than
    /// its microsecond, so this is how far a section got that was never left, not how long that took. Of an actor that
    /// does not spin, how often it has done what it does.
    pub spent_us: u64,
}

/// The whole page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamps {
    /// kHz of the guest's time-stamp counter; never 0.
    pub tsc_khz: u64,
    /// The time-stamp counter when the actors were fired, if they were.
    pub fired_tsc: Option<u64>,
    /// The trial's nonce; empty if none was armed.
    pub nonce: String,
    /// The actors, in the order in which they were armed. No two have one name.
    pub actors: Vec<Actor>,
}

/// Why a page cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StampsError {
    /// Not a whole page.
    #[error("{have} bytes are too few for crashlab's page of {PAGE}")]
    Short {
        /// Bytes there are.
        have: usize,
    },
    /// Zeros only: crashlab never wrote to it.
    #[error("crashlab never wrote its page (the magic is zero)")]
    Blank,
    /// Some other page.
    #[error("the page's magic is \"{found}\", not \"CRASHLAB\"")]
    Magic {
        /// What stands in its place, escaped.
        found: String,
    },
    /// A layout that is not known here: crashlab and harness are not of one version.
    #[error("the page's version is {found}, not {VERSION}")]
    Version {
        /// The version it says.
        found: u32,
    },
    /// More slots than the page has.
    #[error("the page has {found} actors, more than {MAX_SLOTS}")]
    Slots {
        /// The number it says.
        found: u32,
    },
    /// A clock that stands still.
    #[error("the page's time-stamp counter has 0 kHz")]
    Clock,
    /// Not 16 lowercase hexadecimal digits.
    #[error("the page's nonce is \"{found}\", not 16 hexadecimal digits")]
    Nonce {
        /// What stands in its place, escaped.
        found: String,
    },
    /// An actor whose slot makes no sense.
    #[error("actor {slot}: {field} is {found}")]
    Actor {
        /// Its slot, from 0.
        slot: usize,
        /// Which field.
        field: &'static str,
        /// What stands there.
        found: String,
    },
}

/// Reads a page; what follows it is not looked at.
pub fn decode(bytes: &[u8]) -> Result<Stamps, StampsError> {
    let short = || StampsError::Short { have: bytes.len() };
    let page = bytes.get(..PAGE).ok_or_else(short)?;
    let magic: [u8; 8] = array(page, 0).ok_or_else(short)?;
    if magic == [0; 8] {
        return Err(StampsError::Blank);
    }
    if magic != MAGIC {
        return Err(StampsError::Magic { found: magic.escape_ascii().to_string() });
    }
    let version = u32_at(page, 8).ok_or_else(short)?;
    if !(OLDEST..=VERSION).contains(&version) {
        return Err(StampsError::Version { found: version });
    }
    let slots = u32_at(page, 12).ok_or_else(short)?;
    let slots =
        usize::try_from(slots).ok().filter(|slots| *slots <= MAX_SLOTS).ok_or(StampsError::Slots { found: slots })?;
    let tsc_khz = u64_at(page, 16).filter(|khz| *khz > 0).ok_or(StampsError::Clock)?;
    let fired_tsc = stamp(page, FIRED_AT);
    let nonce = nonce(array(page, 32).ok_or_else(short)?)?;
    let mut actors = Vec::new();
    let mut names = BTreeSet::new();
    for (slot, bytes) in page.get(SLOTS_AT..).unwrap_or_default().chunks_exact(SLOT).enumerate().take(slots) {
        let actor = actor(slot, bytes)?;
        if !names.insert(actor.name.clone()) {
            return Err(StampsError::Actor { slot, field: "the name", found: format!("{}, once more", actor.name) });
        }
        actors.push(actor);
    }
    Ok(Stamps { tsc_khz, fired_tsc, nonce, actors })
}

/// A counter value; 0 stands for "never".
fn stamp(bytes: &[u8], at: usize) -> Option<u64> {
    u64_at(bytes, at).filter(|tsc| *tsc != 0)
}

fn nonce(bytes: [u8; 16]) -> Result<String, StampsError> {
    if bytes == [0; 16] {
        return Ok(String::new());
    }
    String::from_utf8(bytes.to_vec())
        .ok()
        .filter(|nonce| nonce.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        .ok_or_else(|| StampsError::Nonce { found: bytes.escape_ascii().to_string() })
}

fn actor(slot: usize, bytes: &[u8]) -> Result<Actor, StampsError> {
    let nonsense = |field, found| StampsError::Actor { slot, field, found };
    let number = |at| u32_at(bytes, at).unwrap_or_default();
    let raw_name: [u8; 16] = array(bytes, 0).unwrap_or_default();
    Ok(Actor {
        name: name(&raw_name).ok_or_else(|| nonsense("the name", format!("\"{}\"", raw_name.escape_ascii())))?,
        action: Action::from_number(number(16)).ok_or_else(|| nonsense("the action", number(16).to_string()))?,
        context: Context::from_number(number(52)).ok_or_else(|| nonsense("the context", number(52).to_string()))?,
        cpu: Some(number(20))
            .filter(|cpu| *cpu < MAX_CPUS)
            .ok_or_else(|| nonsense("the cpu", number(20).to_string()))?,
        entered_tsc: stamp(bytes, ENTERED_AT),
        left_tsc: stamp(bytes, LEFT_AT),
        budget_us: u64_at(bytes, 40).unwrap_or_default(),
        hits: number(48),
        spent_us: u64_at(bytes, 56).unwrap_or_default(),
    })
}

/// A word of ASCII letters, digits, `-`, `_` and `.`, padded with NUL.
fn name(bytes: &[u8; 16]) -> Option<String> {
    let word = bytes.split(|b| *b == 0).next()?;
    let padding = bytes.get(word.len()..)?;
    let sound = !word.is_empty()
        && word.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        && padding.iter().all(|b| *b == 0);
    sound.then(|| String::from_utf8_lossy(word).into_owned())
}

impl Stamps {
    /// The stamps in microseconds since the actors were fired, rounded down. A stamp from before that counts as 0; if
    /// they were never fired there is no time to count from, and no stamp either.
    pub fn actor_stamps(&self) -> Vec<ActorStamps> {
        self.actors
            .iter()
            .map(|actor| ActorStamps {
                actor: actor.name.clone(),
                cpu: actor.cpu,
                entered_us: self.since_fired(actor.entered_tsc),
                left_us: self.since_fired(actor.left_tsc),
            })
            .collect()
    }

    /// How long each actor was asked to stay in its critical section, in microseconds; 0: no time was asked for.
    pub fn budgets(&self) -> BTreeMap<String, u64> {
        self.actors.iter().map(|actor| (actor.name.clone(), actor.budget_us)).collect()
    }

    fn since_fired(&self, tsc: Option<u64>) -> Option<u64> {
        let cycles = u128::from(tsc?.saturating_sub(self.fired_tsc?));
        let micros = (cycles * 1000).checked_div(u128::from(self.tsc_khz))?;
        Some(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests;
