//! The tracer's memory as a timeline. Its layout: the crate `harness-trace`.
//!
//! QEMU wrote it, or whoever took QEMU over, so nothing in it is believed either.

use std::collections::BTreeMap;

use harness_protocol::page::{ENTERED_AT, FIRED_AT, LEFT_AT, SLOT, SLOTS_AT};
use harness_trace::{
    CLAIMED, EVENT, EVENT_MARK, EVENTS_AT, HITS_AT, Hold as InMemory, HoldState, MAGIC, MAX_EVENTS, RULE, RULES_AT,
    STATE, State,
};

use super::bytes::{array, u32_at, u64_at};
use super::probes::{Meaning, Probes};
use harness_model::schedule::{Held, Hold, HoldOutcome, Schedule};
use harness_model::timeline::{Event, StepEdge, Timeline};

/// Why there is no timeline.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimelineError {
    /// Not the tracer's memory.
    #[error("{have} bytes are no memory of the tracer's")]
    NotOurs {
        /// Bytes there are.
        have: usize,
    },
    /// QEMU has not loaded the tracer, or it never woke up.
    #[error("the tracer did not look ({0})")]
    Asleep(&'static str),
    /// Without this moment nothing has a place in time.
    #[error("the tracer did not see the faults fired")]
    NotFired,
}

/// Decodes. `actors`: the names of crashlab's actors, in the order in which they were armed; `cpus`: how many the guest
/// has; `capture`: what was heard of its crash kernel, and when, by the clock of the tracer; `schedule`: what it was made to
/// follow.
///
/// A crash kernel of the same code passes the same addresses, of which nothing is to be taken for the dead kernel's: the
/// tracer's events end with the jump to it.
pub fn decode(
    memory: &[u8],
    probes: &Probes,
    actors: &[String],
    cpus: u32,
    capture: &[(&str, u64)],
    schedule: Option<&Schedule>,
) -> Result<Timeline, TimelineError> {
    if memory.len() < EVENTS_AT || array(memory, 0) != Some(MAGIC) {
        return Err(TimelineError::NotOurs { have: memory.len() });
    }
    match u32_at(memory, STATE).and_then(State::from_number) {
        Some(State::Ready) => {}
        Some(State::Loaded) => return Err(TimelineError::Asleep("it was loaded, and not woken")),
        Some(State::Absent) | None => return Err(TimelineError::Asleep("QEMU has not loaded it")),
    }
    let claimed = u64_at(memory, CLAIMED).unwrap_or(0);
    let mut raw = Vec::new();
    let mut unfinished = 0;
    for place in 0..claimed.min(MAX_EVENTS as u64) {
        match Raw::read(memory, place) {
            Some(event) => raw.push((place, event)),
            None => unfinished += 1,
        }
    }
    let is_fired = |event: &Raw| event.offset == FIRED_AT && event.meaning(probes) == Some(&Meaning::Stamp);
    let fired = raw.iter().find(|(_, event)| is_fired(event)).ok_or(TimelineError::NotFired)?.1.ns;
    let step = |(place, event): &(u64, Raw)| Some((*place, event.step(probes, actors, fired)?));
    let (places, mut events): (Vec<u64>, Vec<Event>) = raw.iter().filter_map(step).unzip();
    let first_after = |place: u64| places.partition_point(|at| *at < place);
    let holds = schedule.iter().flat_map(|schedule| &schedule.holds).enumerate();
    let holds = holds.map(|(number, hold)| held(memory, number, hold, fired, &first_after)).collect();
    let room = (MAX_EVENTS as u64).min(claimed);
    let mut dropped = claimed - room + unfinished;
    if let Some(left) = events.iter().position(|event| event.step == Event::MACHINE_KEXEC) {
        events.truncate(left + 1);
        dropped = 0;
        let cpu = events.last().map_or(0, |event| event.cpu);
        events.extend(capture.iter().map(|(of, ns)| Event {
            ns: ns.cast_signed().wrapping_sub(fired.cast_signed()),
            cpu,
            step: Event::CAPTURE.to_owned(),
            of: (*of).to_owned(),
            edge: StepEdge::Begin,
            detail: false,
        }));
    }
    let beyond_limit = beyond_limit(memory, probes);
    Ok(Timeline { cpus, online: None, events, beyond_limit, dropped, absent: probes.absent.clone(), holds })
}

/// What became of the hold of this number. `first_after`: the index of the first event that asked for this place or a later
/// one.
fn held(memory: &[u8], number: usize, hold: &Hold, fired: u64, first_after: &impl Fn(u64) -> usize) -> Held {
    let bytes = memory.get(RULES_AT + number * RULE..).and_then(|rest| rest.get(..RULE));
    let none = Held {
        hold: hold.to_string(),
        outcome: HoldOutcome::NotReached,
        cpu: None,
        from_ns: None,
        lasted_ns: None,
        before: [0; 2],
    };
    let Some(InMemory { state, cpu, times_ns: [from, to], places }) = bytes.and_then(InMemory::decode) else {
        return none;
    };
    let outcome = match (state, &hold.until) {
        (HoldState::Waiting, _) => return none,
        (HoldState::Holding | HoldState::ByHarness, _) => HoldOutcome::Ended,
        (HoldState::ByMoment, _) => HoldOutcome::Released,
        (HoldState::Bound, Some(_)) => HoldOutcome::Bound,
        (HoldState::Bound, None) => HoldOutcome::Over,
        (HoldState::Exclusive, _) => HoldOutcome::Infeasible,
        (HoldState::NotNeeded, _) => HoldOutcome::NotNeeded,
    };
    let ended = state != HoldState::Holding;
    let [began, over] = places.map(first_after);
    Held {
        outcome,
        cpu: Some(cpu),
        from_ns: Some(from.cast_signed().wrapping_sub(fired.cast_signed())),
        lasted_ns: ended.then(|| to.saturating_sub(from)),
        before: [began, if ended { over } else { first_after(u64::MAX) }],
        ..none
    }
}

/// An event as it stands in the memory.
pub(super) struct Raw {
    pub ns: u64,
    offset: usize,
    pub probe: usize,
    cpu: u32,
}

impl Raw {
    /// `None`: QEMU died while it was being written.
    pub fn read(memory: &[u8], place: u64) -> Option<Self> {
        let at = EVENTS_AT + usize::try_from(place).ok()? * EVENT;
        let event = Self {
            ns: u64_at(memory, at)?,
            offset: usize::try_from(u64_at(memory, at + 8)?).ok()?,
            probe: usize::try_from(u32_at(memory, at + 16)?).ok()?,
            cpu: u32_at(memory, at + 20)?,
        };
        (u64_at(memory, at + EVENT_MARK)? == place + 1).then_some(event)
    }

    fn meaning<'a>(&self, probes: &'a Probes) -> Option<&'a Meaning> {
        probes.meanings.get(self.probe)
    }

    /// `None` for what is no step: that the faults are fired, which is time 0.
    fn step(&self, probes: &Probes, actors: &[String], fired: u64) -> Option<Event> {
        let (step, of, edge, detail) = match self.meaning(probes)? {
            Meaning::Step { step, of, edge, detail } => (step.clone(), of.clone(), *edge, *detail),
            Meaning::Stamp => {
                let offset = self.offset.checked_sub(SLOTS_AT)?;
                let edge = match offset % SLOT {
                    ENTERED_AT => StepEdge::Begin,
                    LEFT_AT => StepEdge::End,
                    _ => return None,
                };
                let name = actors.get(offset / SLOT)?;
                (Event::ACTOR.to_owned(), name.clone(), edge, false)
            }
        };
        let ns = self.ns.cast_signed().wrapping_sub(fired.cast_signed());
        Some(Event { ns, cpu: self.cpu, step, of, edge, detail })
    }
}

/// By step, how often one of its probes was passed beyond its limit.
fn beyond_limit(memory: &[u8], probes: &Probes) -> BTreeMap<String, u64> {
    let mut beyond = BTreeMap::new();
    for (number, (probe, meaning)) in probes.probes.iter().zip(&probes.meanings).enumerate() {
        let hits = u64_at(memory, HITS_AT + number * 8).unwrap_or(0);
        let Meaning::Step { step, .. } = meaning else { continue };
        if hits > u64::from(probe.limit) {
            *beyond.entry(step.clone()).or_insert(0) += hits - u64::from(probe.limit);
        }
    }
    beyond
}

#[cfg(test)]
mod tests;
