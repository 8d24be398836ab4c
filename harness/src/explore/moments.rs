//! What each CPU passes in trials as they come, and in which order.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::schedule::{Role, Trigger};
use crate::model::timeline::{Event, StepEdge, Timeline};

/// A step that comes again and again is told apart no more often than this.
const TIMES: u32 = 3;

/// A CPU passes a step, for the nth time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// Which CPU, by what it is to the trial.
    pub role: Role,
    /// The step.
    pub step: String,
    /// Which one, where a step has several; else empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// Its beginning or its end.
    pub edge: StepEdge,
    /// Which time, from 1.
    pub nth: u32,
}

impl Moment {
    /// As schedules have it.
    pub fn trigger(&self) -> Trigger {
        let Self { role, step, of, edge, nth } = self.clone();
        Trigger { step, of, edge, nth, cpu: Some(role) }
    }
}

impl fmt::Display for Moment {
    /// `kmsg_dump end #2 on the CPU of oops`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trigger().fmt(f)
    }
}

/// The moments of a timeline's steps, in order, each with its event's index. `cast`: the actors with their CPUs.
pub(super) fn sequence(timeline: &Timeline, cast: &[(String, Option<u32>)]) -> Vec<(usize, Moment)> {
    let mut times: BTreeMap<(Role, &str, &str, StepEdge), u32> = BTreeMap::new();
    let mut moments = Vec::new();
    for (index, event) in timeline.events.iter().enumerate() {
        if event.ns < 0 || event.detail || event.step == Event::CAPTURE {
            continue;
        }
        let role = role(cast, event.cpu);
        let nth = times.entry((role.clone(), &event.step, &event.of, event.edge)).or_insert(0);
        *nth += 1;
        if *nth <= TIMES {
            let (step, of) = (event.step.clone(), event.of.clone());
            moments.push((index, Moment { role, step, of, edge: event.edge, nth: *nth }));
        }
    }
    moments
}

/// What a CPU is to the trial: that of the first actor that is on it.
fn role(cast: &[(String, Option<u32>)], cpu: u32) -> Role {
    let actor = cast.iter().find(|(_, on)| *on == Some(cpu));
    actor.map_or(Role::Others, |(name, _)| Role::Actor(name.clone()))
}

/// The moments that trials have in common, and how they lie to each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moments {
    /// By role, and within it in the order in which they come.
    pub all: Vec<Moment>,
    /// Of each pair, in how many trials the first came before the other.
    before: BTreeMap<(usize, usize), u32>,
}

impl Moments {
    /// Those that at least half of these timelines have.
    pub(super) fn of(timelines: &[Timeline], cast: &[(String, Option<u32>)]) -> Self {
        let sequences: Vec<Vec<Moment>> = timelines
            .iter()
            .map(|timeline| sequence(timeline, cast).into_iter().map(|(_, moment)| moment).collect())
            .collect();
        // How often each was seen, and the sum of its places.
        let mut seen: BTreeMap<&Moment, (usize, usize)> = BTreeMap::new();
        for (place, moment) in sequences.iter().flat_map(|sequence| sequence.iter().enumerate()) {
            let (times, places) = seen.entry(moment).or_default();
            (*times, *places) = (*times + 1, *places + place);
        }
        let common = seen.into_iter().filter(|(_, (times, _))| times * 2 >= sequences.len() && *times > 0);
        let mut common: Vec<(&Moment, usize)> =
            common.map(|(moment, (times, places))| (moment, places * 1000 / times)).collect();
        common.sort_by(|(one, at), (other, than)| (&one.role, at, one).cmp(&(&other.role, than, other)));
        let all: Vec<Moment> = common.into_iter().map(|(moment, _)| moment.clone()).collect();
        let mut before = BTreeMap::new();
        for sequence in &sequences {
            let places: BTreeMap<&Moment, usize> =
                sequence.iter().enumerate().map(|(at, moment)| (moment, at)).collect();
            for (a, one) in all.iter().enumerate() {
                for (b, other) in all.iter().enumerate().filter(|(_, other)| other.role != one.role) {
                    if let (Some(at), Some(than)) = (places.get(one), places.get(other))
                        && at < than
                    {
                        *before.entry((a, b)).or_insert(0) += 1;
                    }
                }
            }
        }
        Self { all, before }
    }

    /// The pairs on two CPUs of which the first was seen before the other: by their places, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        self.before.keys().copied()
    }

    /// Which of the moments this is.
    pub(super) fn find(&self, moment: &Moment) -> Option<usize> {
        self.all.iter().position(|known| known == moment)
    }
}
