//! How the actors went through their critical sections: by crashlab's stamps, and as the tracer saw it.

use crate::model::ActorStamps;
use crate::model::timeline::{Event, StepEdge, Timeline};

/// How an actor went through its critical section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorInterval {
    /// The actor.
    pub actor: String,
    /// The CPU it was armed on, or seen on.
    pub cpu: u32,
    /// When it entered, if it did.
    pub entered: Option<TrialTime>,
    /// When it left, if it did.
    pub left: Option<TrialTime>,
    /// How many turns of a microsecond it has spent inside, if it counts them.
    pub spent_us: Option<u64>,
}

/// A moment of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrialTime {
    /// What came before has less. Of stamps it is the time, of a timeline the place in it.
    pub order: u64,
    /// Microseconds since the faults were fired, for people.
    pub us: u64,
}

impl ActorInterval {
    /// As crashlab has stamped it.
    pub fn stamped(stamps: &ActorStamps) -> Self {
        let moment = |us: u64| TrialTime { order: us, us };
        Self {
            actor: stamps.actor.clone(),
            cpu: stamps.cpu,
            entered: stamps.entered_us.map(moment),
            left: stamps.left_us.map(moment),
            spent_us: None,
        }
    }
}

/// As the tracer has seen it; of the actors that were `stamped`, in their order.
pub fn intervals(timeline: &Timeline, stamped: &[ActorInterval]) -> Vec<ActorInterval> {
    let of = |stamped: &ActorInterval| {
        let mut interval = ActorInterval { entered: None, left: None, ..stamped.clone() };
        let events = (0..).zip(&timeline.events);
        for (order, event) in events.filter(|(_, event)| event.step == Event::ACTOR && event.of == stamped.actor) {
            let us = u64::try_from(event.ns / 1000).unwrap_or(0);
            match event.edge {
                StepEdge::Begin => {
                    interval.cpu = event.cpu;
                    interval.entered.get_or_insert(TrialTime { order, us });
                }
                StepEdge::End => {
                    interval.left.get_or_insert(TrialTime { order, us });
                }
            }
        }
        interval
    };
    stamped.iter().map(of).collect()
}

/// Whether stamps and timeline tell of the same entering and leaving, on the same CPUs. Where the guest was not
/// `stopped` before both were read, more may have been seen than stamped.
pub fn agree(stamped: &[ActorInterval], seen: &[ActorInterval], stopped: bool) -> Result<(), String> {
    stamped.iter().zip(seen).try_for_each(|(stamped, seen)| {
        let edge = |stamp: Option<TrialTime>, event: Option<TrialTime>, edge: &str| match (stamp, event) {
            (Some(at), None) => Err(format!("{} {edge} at {} us, and was not seen to", seen.actor, at.us)),
            (None, Some(at)) if stopped => {
                Err(format!("{} was seen at {} us when it {edge}, and has no stamp of that", seen.actor, at.us))
            }
            _ => Ok(()),
        };
        edge(stamped.entered, seen.entered, "entered")?;
        edge(stamped.left, seen.left, "left")?;
        if seen.entered.is_some() && stamped.cpu != seen.cpu {
            let (actor, armed, on) = (&seen.actor, stamped.cpu, seen.cpu);
            return Err(format!("{actor} was armed on CPU {armed} and seen to enter on CPU {on}"));
        }
        Ok(())
    })
}
