//! Whether a guest is hung, by what is seen of it from outside: pure.
//!
//! ```text
//! Observation, Observation, … ──> Progress ──> Suspicion ──(who called whom on each vCPU)──> Hung
//! ```
//!
//! A guest goes on as long as it prints, takes a step that the tracer sees, stamps, or counts in crashlab's page. One
//! that does nothing of all that for a while is *suspected*; whether it waits for something that the kernel itself
//! bounds only its vCPUs' stacks tell, which are read then.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::evidence::stamps::{Action, Actor};
use crate::guest::Waited;
use crate::verdict::SLOW_HOST;

/// How often a guest that has not ended is looked at.
pub(super) const PEEK: Duration = Duration::from_millis(250);

/// How long nothing may happen, in the guest's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    /// From the last sign of life on.
    pub quiet: Duration,
    /// Added to that while an actor has yet to enter, or sleeps: the longest time that it may do so.
    pub pending: Duration,
    /// In virtual time, the factor by which the patience is longer in the processor's time than in the guest's: a vCPU that
    /// spins with `pause` takes a hundred times as long for a second as one that counts turns of `udelay()`. None in real
    /// time.
    pub of_processor: Option<u32>,
}

/// What was seen of a guest at one moment. Times are the guest's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Observation {
    /// When.
    pub at: Duration,
    /// When the console or the tracer told something last, if that is known.
    pub last: Option<Duration>,
    /// Whatever changes as long as the guest goes on.
    pub signs: Signs,
    /// An actor has not entered yet, or sleeps.
    pub pending: bool,
    /// Every vCPU waits for an interrupt, and none can come.
    pub dead: bool,
    /// What its vCPUs have got of the host's processors by now.
    pub waited: Option<Waited>,
}

/// Signs of life.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Signs {
    /// Bytes on the console.
    pub printed: u64,
    /// Probes passed.
    pub steps: u64,
    /// What crashlab's page has of each actor.
    pub actors: Vec<ActorSigns>,
}

/// An actor's stamps and counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ActorSigns {
    entered: bool,
    left: bool,
    hits: u32,
    spent_us: u64,
}

impl ActorSigns {
    /// The signs of an actor. The turns of one that spins for ever do not count: it continues whatever becomes of all
    /// others.
    pub fn of(actor: &Actor) -> Self {
        let for_ever = actor.budget_us == u64::MAX && matches!(actor.action, Action::Spin | Action::Hold);
        Self {
            entered: actor.entered_tsc.is_some(),
            left: actor.left_tsc.is_some(),
            hits: actor.hits,
            spent_us: if for_ever { 0 } else { actor.spent_us },
        }
    }
}

/// What is held of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspicion {
    /// It goes on, or has not been quiet for long.
    None,
    /// Nothing but an NMI can wake any of its CPUs, and nobody is left to send one.
    Dead,
    /// It has been quiet for this long.
    Quiet(Duration),
    /// It has been quiet while QEMU took this much of the processor's time.
    Busy(Duration),
    /// It has been quiet for too long in real time, but the host has given it no processor.
    Starved,
}

/// How a hung guest was recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HungBy {
    /// As [`Suspicion::Dead`].
    Dead,
    /// As [`Suspicion::Quiet`].
    Quiet(Duration),
    /// As [`Suspicion::Busy`].
    Busy(Duration),
    /// By its deadline, and why not before.
    Deadline(Duration, NotBefore),
}

/// Why a guest past its deadline was not recognised before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NotBefore {
    /// It had not been quiet for long enough.
    WentOn,
    /// A vCPU waited for something that comes by itself.
    In(Limited),
    /// This watchdog was still to have its time.
    Watched(String),
    /// The host had no processor for it.
    Starved,
    /// Of its kernel it cannot be told what a CPU waits for.
    Untold,
}

/// A wait with an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limited {
    /// What waits.
    pub function: String,
    /// For how long at most; none if that is not known.
    pub at_most: Option<Duration>,
}

impl Patience {
    /// How long it may be quiet as it is.
    fn of(&self, moment: &Observation) -> Duration {
        self.quiet + if moment.pending { self.pending } else { Duration::ZERO }
    }
}

/// What has been seen of a guest so far.
#[derive(Debug)]
pub(super) struct Progress {
    patience: Patience,
    /// The last moment; the last one with a sign of life; when that sign was.
    seen: Option<(Observation, Option<Waited>, Duration)>,
    /// How much longer it may be quiet until the next sign of life.
    watched: Duration,
    /// The waits that vCPUs have been seen in since the last sign of life, by their functions: since when.
    waits: BTreeMap<String, (Duration, Option<Waited>)>,
}

impl Progress {
    pub const fn new(patience: Patience) -> Self {
        Self { patience, seen: None, watched: Duration::ZERO, waits: BTreeMap::new() }
    }

    /// What one more moment says.
    pub fn see(&mut self, moment: Observation) -> Suspicion {
        let known = |at: Duration| moment.last.map_or(at, |last| last.clamp(at, moment.at));
        let Some((before, waited, alive)) = &mut self.seen else {
            // What was before the first look is known as far as something told when it was.
            let alive = moment.last.map_or(moment.at, |last| last.min(moment.at));
            self.seen = Some((moment.clone(), moment.waited, alive));
            return Suspicion::None;
        };
        if moment.signs != before.signs {
            // At some time since the look before, if it is not known better.
            *alive = known(before.at);
            *waited = moment.waited;
            *before = moment;
            self.watched = Duration::ZERO;
            self.waits.clear();
            return Suspicion::None;
        }
        let dead = before.dead && moment.dead;
        let quiet = moment.at.saturating_sub(*alive);
        let since = waited.zip(moment.waited).map(|(then, now)| now.since(then)).unwrap_or_default();
        let allowed = self.patience.of(&moment) + self.watched;
        *before = moment;
        let ran = Duration::from_nanos(since.ran_ns);
        match self.patience.of_processor {
            _ if dead => Suspicion::Dead,
            None if quiet >= allowed && since.share() > SLOW_HOST => Suspicion::Starved,
            _ if quiet >= allowed => Suspicion::Quiet(quiet),
            Some(times) if ran >= allowed * times => Suspicion::Busy(ran),
            _ => Suspicion::None,
        }
    }

    /// A watchdog that has seen nothing yet may take this time to; whether that is longer than it was known before.
    pub fn is_watched(&mut self, at_most: Duration) -> bool {
        let longer = at_most > self.watched;
        self.watched = self.watched.max(at_most);
        longer
    }

    /// A vCPU is in a wait that is over after this time at most: how much of that is left, if any. As long as it waits, the
    /// guest is not quiet. In real time that in which the host has no processor for it does not count: most waits are made
    /// of many short ones, each of which is longer then.
    pub fn is_waiting(&mut self, function: &str, over_after: Duration) -> Option<Duration> {
        let (moment, waited, alive) = self.seen.as_mut()?;
        let (since, then) = *self.waits.entry(function.to_owned()).or_insert((moment.at, moment.waited));
        let by_host = then.zip(moment.waited).filter(|_| self.patience.of_processor.is_none());
        let starved = by_host.map(|(then, now)| now.since(then).share()).unwrap_or_default();
        let passed = moment.at.saturating_sub(since).mul_f64((1.0 - starved).clamp(0.0, 1.0));
        let left = over_after.checked_sub(passed).filter(|left| !left.is_zero())?;
        (*alive, *waited) = (moment.at, moment.waited);
        Some(left)
    }

    /// Whether a vCPU has been seen in such a wait since the last sign of life.
    pub fn waited(&self) -> bool {
        !self.waits.is_empty()
    }

    /// Whether it has not been quiet for too long.
    pub fn goes_on(&self) -> bool {
        !self.left().is_zero()
    }

    /// How long until it has been quiet for too long, in the guest's time.
    fn left(&self) -> Duration {
        let Some((moment, _, alive)) = &self.seen else { return self.patience.quiet };
        (*alive + self.patience.of(moment) + self.watched).saturating_sub(moment.at)
    }

    /// When to look next: soon, and just when it has been quiet for too long.
    pub fn next(&self) -> Duration {
        match self.left() {
            Duration::ZERO => PEEK,
            left => left.min(PEEK),
        }
    }
}

impl fmt::Display for HungBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dead => f.write_str("all halted: nothing can wake a CPU any more"),
            Self::Quiet(time) => {
                write!(f, "quiet {:.1} s: nothing printed, no step taken, nothing counted", time.as_secs_f64())
            }
            Self::Busy(time) => write!(
                f,
                "quiet for {:.1} s of processor time: nothing printed, no step taken, nothing counted",
                time.as_secs_f64()
            ),
            Self::Deadline(time, why) => write!(f, "deadline {time:?}: {why}"),
        }
    }
}

impl fmt::Display for NotBefore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WentOn => f.write_str("it had not been quiet for long before"),
            Self::In(Limited { function, at_most: Some(time) }) => {
                write!(f, "a CPU was in {function}(), which waits for {time:?} at most")
            }
            Self::In(Limited { function, at_most: None }) => {
                write!(f, "a CPU was in {function}, which takes a limited time")
            }
            Self::Watched(switch) => write!(f, "the watchdog of {switch} had not had its time"),
            Self::Starved => f.write_str("its vCPUs waited for processors of the host"),
            Self::Untold => f.write_str(
                "its kernel came without symbols or frame pointers, so it is not known what a CPU waits for",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
