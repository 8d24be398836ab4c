//! The page that crashlab shares with the host: when each actor entered and left its critical section.
//!
//! The page lies in the guest's memory, where QEMU reads it in whatever state the guest is. What lies where in it:
//! [`harness_protocol::page`].

use std::collections::{BTreeMap, BTreeSet};

use harness_protocol::page::{
    ACTION_AT, BUDGET_AT, CONTEXT_AT, CPU_AT, CPUS_ONLINE_AT, CPUS_POSSIBLE_AT, CPUS_PRESENT_AT, CPUS_SINCE,
    ENTERED_AT, FIRED_AT, HITS_AT, LEFT_AT, MAGIC, MAGIC_AT, MAX_SLOTS, NAME_AT, NAME_LEN, NONCE_AT, OLDEST_VERSION,
    SIZE, SLOT, SLOTS_AT, SLOTS_USED_AT, SPENT_AT, TSC_KHZ_AT, VERSION, VERSION_AT,
};
use harness_protocol::witness::NONCE_LEN;
pub use harness_protocol::{Action, Context};

use crate::bytes::{array, u32_at, u64_at};
use harness_model::ActorStamps;
use harness_model::cpus::Cpus;

/// No x86 kernel has more CPUs (`CONFIG_MAXSMP`).
const MAX_CPUS: u32 = 8192;

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
    /// Which CPUs the guest had when they were fired; none before that, or of a page that does not tell.
    pub cpus: Option<Cpus>,
    /// The actors, in the order in which they were armed. No two have one name.
    pub actors: Vec<Actor>,
}

/// Why a page cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StampsError {
    /// Not a whole page.
    #[error("{have} bytes are too few for crashlab's page of {SIZE}")]
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
    let page = bytes.get(..SIZE).ok_or_else(short)?;
    let magic: [u8; 8] = array(page, MAGIC_AT).ok_or_else(short)?;
    if magic == [0; 8] {
        return Err(StampsError::Blank);
    }
    if magic != MAGIC {
        return Err(StampsError::Magic { found: magic.escape_ascii().to_string() });
    }
    let version = u32_at(page, VERSION_AT).ok_or_else(short)?;
    if !(OLDEST_VERSION..=VERSION).contains(&version) {
        return Err(StampsError::Version { found: version });
    }
    let slots = u32_at(page, SLOTS_USED_AT).ok_or_else(short)?;
    let slots =
        usize::try_from(slots).ok().filter(|slots| *slots <= MAX_SLOTS).ok_or(StampsError::Slots { found: slots })?;
    let tsc_khz = u64_at(page, TSC_KHZ_AT).filter(|khz| *khz > 0).ok_or(StampsError::Clock)?;
    let fired_tsc = stamp(page, FIRED_AT);
    let nonce = nonce(array(page, NONCE_AT).ok_or_else(short)?)?;
    let mut actors = Vec::new();
    let mut names = BTreeSet::new();
    for (slot, bytes) in page.get(SLOTS_AT..).unwrap_or_default().chunks_exact(SLOT).enumerate().take(slots) {
        let actor = actor(slot, bytes)?;
        if !names.insert(actor.name.clone()) {
            return Err(StampsError::Actor { slot, field: "the name", found: format!("{}, once more", actor.name) });
        }
        actors.push(actor);
    }
    let bits = [CPUS_POSSIBLE_AT, CPUS_PRESENT_AT, CPUS_ONLINE_AT].map(|at| u32_at(page, at).unwrap_or_default());
    // Some CPU has fired them.
    let told = version >= CPUS_SINCE && bits.iter().all(|bits| *bits != 0);
    Ok(Stamps { tsc_khz, fired_tsc, nonce, cpus: told.then(|| Cpus::of_bits(bits)), actors })
}

/// A counter value; 0 stands for "never".
fn stamp(bytes: &[u8], at: usize) -> Option<u64> {
    u64_at(bytes, at).filter(|tsc| *tsc != 0)
}

fn nonce(bytes: [u8; NONCE_LEN]) -> Result<String, StampsError> {
    if bytes == [0; NONCE_LEN] {
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
    let raw_name: [u8; NAME_LEN] = array(bytes, NAME_AT).unwrap_or_default();
    Ok(Actor {
        name: name(&raw_name).ok_or_else(|| nonsense("the name", format!("\"{}\"", raw_name.escape_ascii())))?,
        action: Action::from_number(number(ACTION_AT))
            .ok_or_else(|| nonsense("the action", number(ACTION_AT).to_string()))?,
        context: Context::from_number(number(CONTEXT_AT))
            .ok_or_else(|| nonsense("the context", number(CONTEXT_AT).to_string()))?,
        cpu: Some(number(CPU_AT))
            .filter(|cpu| *cpu < MAX_CPUS)
            .ok_or_else(|| nonsense("the cpu", number(CPU_AT).to_string()))?,
        entered_tsc: stamp(bytes, ENTERED_AT),
        left_tsc: stamp(bytes, LEFT_AT),
        budget_us: u64_at(bytes, BUDGET_AT).unwrap_or_default(),
        hits: number(HITS_AT),
        spent_us: u64_at(bytes, SPENT_AT).unwrap_or_default(),
    })
}

/// A word of ASCII letters, digits, `-`, `_` and `.`, padded with NUL.
fn name(bytes: &[u8; NAME_LEN]) -> Option<String> {
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
