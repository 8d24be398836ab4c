//! Why pstore has not kept a panic's log: what the kernel did and said, and who was in its way.
//!
//! ```text
//! Timeline ────> SeenDump: whether the panic's dump began, what it wrote, whether it came back ─┐
//! log ─────────> Said: that it was skipped, that its writing failed, or nothing ────────────────┼─> reasons, in words
//! stamps, Hindrances ─> who held what of the store's, from when to when ────────────────────────┘
//! ```
//!
//! Each reason is something that was seen or said. Which of them is the cause is left to the reader: that two things met does
//! not make one the other's.

mod errors;
mod said;

use std::collections::{BTreeMap, BTreeSet};

pub use self::errors::meaning;
use self::said::Said;
use super::meet::ActorInterval;
use crate::model::errors::error_in_words;
use crate::model::timeline::{Event, StepEdge, Timeline};

/// The first version of Linux that tells in its log that a back end's write has failed (`pstore_dump()`, "backend (%s)
/// writing error (%d)"; mail of 13 October 2022).
const TELLS_SINCE: (u32, u32) = (6, 2);

/// What a scenario does that may keep records from being written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hindrances {
    /// What an actor does to the store, by its name, as the rest of a sentence: `held erst_lock`.
    pub actors: BTreeMap<String, String>,
    /// What user space does to it all the while.
    pub background: Option<String>,
}

/// What is known of a trial whose panic's log was not kept.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// What was logged, as a console shows it.
    pub log: &'a str,
    /// Whether that is all of it.
    pub log_is_whole: bool,
    /// What its CPUs were seen doing, if that was recorded.
    pub timeline: Option<&'a Timeline>,
    /// When its actors did what they do.
    pub actors: &'a [ActorInterval],
    /// How often each did it, by name.
    pub calls: &'a BTreeMap<String, u32>,
    /// What they do to the store.
    pub hindrances: &'a Hindrances,
    /// Its kernel's version, major and minor.
    pub linux: (u32, u32),
}

/// Why its log was not kept, a reason each: first what became of the dump, then what the kernel said, then who was at the
/// store meanwhile.
pub fn reasons(circumstances: &Circumstances<'_>) -> Vec<String> {
    let Circumstances { log, log_is_whole, timeline, linux, .. } = *circumstances;
    let dump = timeline.and_then(SeenDump::of_panic);
    let mut reasons: Vec<String> = dump.as_ref().and_then(SeenDump::fate).into_iter().collect();
    let came_back = dump.as_ref().is_some_and(|dump| dump.end.is_some());
    reasons.extend(told(&Said::of(log), linux, came_back && log_is_whole));
    let other = timeline.zip(dump.as_ref()).and_then(|(timeline, dump)| dump.other_dump(timeline));
    reasons.extend(other);
    reasons.extend(in_the_way(circumstances, dump.as_ref()));
    reasons
}

/// What the kernel said of its panic's dump; that it said nothing, if `silence_counts`.
fn told(said: &Said, linux: (u32, u32), silence_counts: bool) -> Option<String> {
    let in_words = |(backend, error): &(String, i64)| {
        let meaning = meaning(backend, *error, linux).map(|meaning| format!(": {meaning}")).unwrap_or_default();
        format!("writing error of {backend}, {}{meaning}", error_in_words(*error))
    };
    match said {
        Said { skipped: Some(path), .. } => Some(format!(
            "the kernel skipped the dump in its {path} path, as pstore's buf_lock was taken (\"concurrent dump\")"
        )),
        Said { error: Some(error), .. } => Some(format!("the kernel said: {}", in_words(error))),
        Said { error_before: Some(error), .. } => Some(format!(
            "the kernel said before the panic: {}; it says that once in a boot, whatever fails later",
            in_words(error)
        )),
        _ if linux < TELLS_SINCE => {
            Some(format!("Linux {}.{} does not say whether a back end's write failed", linux.0, linux.1))
        }
        _ if silence_counts => Some("the back end reported no error".to_owned()),
        _ => None,
    }
}

/// A panic's dump, as the tracer saw it.
#[derive(Debug)]
struct SeenDump {
    /// The CPU that panicked.
    cpu: u32,
    /// Places of its beginning and its end in the timeline; without a beginning it was never begun.
    begin: Option<usize>,
    end: Option<usize>,
    /// How many records it began to write, and how many of these writes came back.
    begun: usize,
    done: usize,
    /// The function in which the last of them was.
    write: String,
}

impl SeenDump {
    /// The dump of the first panic that got to one; of the first panic, if none did. None without a panic, and where a dump
    /// might not have been seen.
    fn of_panic(timeline: &Timeline) -> Option<Self> {
        let is_dump = |event: &Event| event.step == "dumper" && event.of == "pstore_dump";
        let mut panicked: BTreeSet<u32> = BTreeSet::new();
        let mut dump: Option<Self> = None;
        let mut first = None;
        for (place, event) in timeline.events.iter().enumerate().filter(|(_, event)| event.ns >= 0) {
            if matches!(event.step.as_str(), "panic" | "nmi_panic") && event.edge == StepEdge::Begin {
                panicked.insert(event.cpu);
                first.get_or_insert(event.cpu);
            }
            match &mut dump {
                None if is_dump(event) && event.edge == StepEdge::Begin && panicked.contains(&event.cpu) => {
                    let begin = Some(place);
                    dump = Some(Self { begin, ..Self::none(event.cpu) });
                }
                Some(dump) if event.cpu == dump.cpu && dump.end.is_none() => dump.goes_on(place, event, is_dump(event)),
                _ => {}
            }
        }
        let unseen = timeline.dropped > 0
            || timeline.absent.iter().any(|step| step.step == "dumper")
            || timeline.beyond_limit.contains_key("dumper");
        dump.or_else(|| first.filter(|_| !unseen).map(Self::none))
    }

    const fn none(cpu: u32) -> Self {
        Self { cpu, begin: None, end: None, begun: 0, done: 0, write: String::new() }
    }

    fn goes_on(&mut self, place: usize, event: &Event, is_dump: bool) {
        match (event.step.as_str(), event.edge) {
            ("backend_write", StepEdge::Begin) => {
                self.begun += 1;
                self.write.clone_from(&event.of);
            }
            ("backend_write", StepEdge::End) => self.done += 1,
            (_, StepEdge::End) if is_dump => self.end = Some(place),
            _ => {}
        }
    }

    /// What became of it, where that is worth a word.
    fn fate(&self) -> Option<String> {
        let Self { cpu, begin, end, begun, done, write } = self;
        let records = |n: usize| if n == 1 { "1 record".to_owned() } else { format!("{n} records") };
        match (begin, end) {
            (None, _) => Some(format!("CPU {cpu} panicked and never got to pstore_dump()")),
            (Some(_), None) if begun > done => {
                Some(format!("CPU {cpu} did not come back from {write}() in pstore_dump(), after {}", records(*done)))
            }
            (Some(_), None) => {
                Some(format!("CPU {cpu} did not come back from pstore_dump(), after {}", records(*done)))
            }
            (Some(_), Some(_)) => None,
        }
    }

    /// The dump of another CPU that was under way when this one was due.
    fn other_dump(&self, timeline: &Timeline) -> Option<String> {
        let until = self.begin.unwrap_or(timeline.events.len());
        let mut open: BTreeMap<u32, i64> = BTreeMap::new();
        for event in timeline.events.iter().take(until).filter(|event| event.step == "dumper" && event.cpu != self.cpu)
        {
            match event.edge {
                StepEdge::Begin => drop(open.insert(event.cpu, event.ns)),
                StepEdge::End => drop(open.remove(&event.cpu)),
            }
        }
        let (cpu, since) = open.into_iter().next()?;
        Some(format!("CPU {cpu} was in pstore_dump() from {} us on", since / 1000))
    }

    /// Whether an actor was in its section while it should have been written.
    fn meets(&self, actor: &ActorInterval) -> bool {
        let place = |place: Option<usize>| place.and_then(|place| u64::try_from(place).ok());
        let entered_before = match (place(self.end), actor.entered) {
            (Some(end), Some(entered)) => entered.order < end,
            _ => true,
        };
        let left_behind = match (place(self.begin), actor.left) {
            (Some(begin), Some(left)) => left.order > begin,
            _ => true,
        };
        entered_before && left_behind
    }
}

/// Who was at the store, and from when to when, where it is known meanwhile.
fn in_the_way(circumstances: &Circumstances<'_>, dump: Option<&SeenDump>) -> Vec<String> {
    let Circumstances { actors, calls, hindrances, .. } = *circumstances;
    let told = |actor: &ActorInterval| {
        let does = hindrances.actors.get(&actor.actor)?;
        let from = actor.entered?.us;
        let (name, cpu) = (&actor.actor, actor.cpu);
        let times = match calls.get(name) {
            None | Some(0 | 1) => String::new(),
            Some(times) => format!(" {times} times"),
        };
        let time = match actor.left {
            Some(left) if left.us == from => format!("at {from} us"),
            Some(left) => format!("from {from} to {} us", left.us),
            None => format!("from {from} us on"),
        };
        Some(format!("CPU {cpu} {does}{times} {time} (`{name}`)"))
    };
    let meet = |actor: &&ActorInterval| dump.is_none_or(|dump| dump.meets(actor));
    actors.iter().filter(meet).filter_map(told).chain(hindrances.background.clone()).collect()
}

#[cfg(test)]
mod tests;
