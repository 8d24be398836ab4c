//! A trial's events as a sequence that does not depend on which CPU chance chose for what.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::timeline::{Event, StepEdge, Timeline};

const PANIC: &str = "panic";
const PANIC_CPU: &str = "panic CPU";
const OTHERS: &str = "other CPUs";
const STOP_IPI: &str = "stop_ipi";
const STOP_NMI: &str = "stop_nmi";
const SELF_STOP: &str = "panic_self_stop";

/// One step of a sequence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct OrderStep {
    /// Who makes it: `panic CPU`, the first that panics; the actor that is on this CPU; `other CPUs`.
    pub on: String,
    /// The step's name.
    pub step: String,
    /// Which one, where a step has several. For `stopped`, which CPUs and how: `all 3 by IPI`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// Whether it begins or ends.
    pub edge: StepEdge,
}

impl OrderStep {
    /// Whether the CPU that panics first makes it. The stop of the others is its work too.
    pub(super) fn of_panic(&self) -> bool {
        self.on == PANIC_CPU || self.step == Event::STOPPED
    }

    /// `kmsg_dump`, `dumper pstore_dump`; with who makes it, unless that is the CPU that panics: `[victim] oops_begin`.
    pub(super) fn name(&self) -> String {
        let of = if self.of.is_empty() { String::new() } else { format!(" {}", self.of) };
        let on = if self.of_panic() { String::new() } else { format!("[{}] ", self.on) };
        format!("{on}{}{of}", self.step)
    }
}

/// Whether events of this timeline that belong to its order are not there: there were more than are kept.
pub(super) fn is_incomplete(timeline: &Timeline) -> bool {
    let detail = |step: &String| timeline.events.iter().any(|event| event.step == *step && event.detail);
    timeline.dropped > 0 || !timeline.beyond_limit.keys().all(detail)
}

/// The steps from firing on, without details. The stops of the CPUs that do not panic first, which come in any order,
/// are one step: where the last of them has stopped.
pub(super) fn steps(timeline: &Timeline) -> Vec<OrderStep> {
    let events: Vec<&Event> = timeline.events.iter().filter(|event| event.ns >= 0 && !event.detail).collect();
    let roles = Roles::of(&events);
    let stopped = Stops::of(&events, roles.panic);
    let mut steps = Vec::new();
    for (index, event) in events.iter().enumerate() {
        if stopped.last == Some(index) {
            let (on, step) = (OTHERS.to_owned(), Event::STOPPED.to_owned());
            let online = u32::try_from(timeline.online_at(usize::MAX).count()).unwrap_or(u32::MAX);
            let others = online.saturating_sub(u32::from(roles.panic.is_some()));
            steps.push(OrderStep { on, step, of: stopped.summary(&roles, others), edge: StepEdge::Begin });
        }
        if roles.panic == Some(event.cpu) || !is_stop(event) {
            let (on, step, of) = (roles.on(event.cpu).to_owned(), event.step.clone(), event.of.clone());
            steps.push(OrderStep { on, step, of, edge: event.edge });
        }
    }
    steps
}

fn is_stop(event: &Event) -> bool {
    [STOP_IPI, STOP_NMI, Event::STOPPED].contains(&event.step.as_str())
}

fn begins(event: &Event, step: &str) -> bool {
    event.step == step && event.edge == StepEdge::Begin
}

/// What each CPU is in this trial.
struct Roles<'a> {
    panic: Option<u32>,
    actors: BTreeMap<u32, &'a str>,
}

impl<'a> Roles<'a> {
    fn of(events: &[&'a Event]) -> Self {
        let panic = events.iter().find(|event| begins(event, PANIC)).map(|event| event.cpu);
        let mut actors = BTreeMap::new();
        for event in events.iter().filter(|event| begins(event, Event::ACTOR)) {
            actors.entry(event.cpu).or_insert(event.of.as_str());
        }
        Self { panic, actors }
    }

    fn on(&self, cpu: u32) -> &'a str {
        if self.panic == Some(cpu) { PANIC_CPU } else { self.actors.get(&cpu).copied().unwrap_or(OTHERS) }
    }
}

/// How the CPUs that do not panic first were stopped.
struct Stops {
    /// By CPU: `by IPI`.
    how: BTreeMap<u32, &'static str>,
    /// The event of the last one.
    last: Option<usize>,
}

impl Stops {
    fn of(events: &[&Event], panic: Option<u32>) -> Self {
        let mut asked = BTreeMap::new();
        let mut stops = Self { how: BTreeMap::new(), last: None };
        for (index, event) in events.iter().enumerate().filter(|(_, event)| panic != Some(event.cpu)) {
            match event.step.as_str() {
                STOP_IPI => drop(asked.insert(event.cpu, "by IPI")),
                STOP_NMI => drop(asked.insert(event.cpu, "by NMI")),
                SELF_STOP => drop(asked.insert(event.cpu, "by itself")),
                Event::STOPPED if !stops.how.contains_key(&event.cpu) => {
                    stops.how.insert(event.cpu, asked.get(&event.cpu).copied().unwrap_or("by what was not seen"));
                    stops.last = Some(index);
                }
                _ => {}
            }
        }
        stops
    }

    /// `all 3 by IPI`, `all 3: 2 by IPI, victim by NMI`, `2 of 3 by IPI`; `of` is the total.
    fn summary(&self, roles: &Roles, others: u32) -> String {
        let stopped = self.how.len();
        let number = match (stopped as u64, u64::from(others)) {
            (1, 1) => "the other".to_owned(),
            (stopped, others) if stopped == others => format!("all {others}"),
            (stopped, others) => format!("{stopped} of {others}"),
        };
        let mut ways: BTreeMap<&str, (usize, Vec<&str>)> = BTreeMap::new();
        for (cpu, how) in &self.how {
            let (nameless, actors) = ways.entry(how).or_default();
            match roles.on(*cpu) {
                OTHERS => *nameless += 1,
                actor => actors.push(actor),
            }
        }
        if let [how] = ways.keys().collect::<Vec<_>>().as_slice() {
            return format!("{number} {how}");
        }
        let way = |(how, (nameless, actors)): (&str, (usize, Vec<&str>))| {
            let who = (nameless > 0).then(|| nameless.to_string()).into_iter();
            let mut actors = actors;
            actors.sort_unstable();
            format!("{} {how}", who.chain(actors.into_iter().map(str::to_owned)).collect::<Vec<_>>().join(" and "))
        };
        format!("{number}: {}", ways.into_iter().map(way).collect::<Vec<_>>().join(", "))
    }
}
