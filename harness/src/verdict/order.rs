//! Whether a trial's timeline keeps what its scenario asserts of the order of steps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::order::{Moment, OrderAssertion};
use crate::model::timeline::{Event, PlacedLine, StepEdge, Timeline};
use crate::model::{ChannelOutcome, ChannelVerdict};
use crate::text::{clipped, milliseconds};

/// The longest detail, in bytes: one stands in each record of a trial.
const DETAIL_BYTES: usize = 2048;
/// Lines of the console that are shown before an event, and as many after it.
const LINES: usize = 2;
/// At most this much of a line, in characters.
const LINE_CHARS: usize = 120;
/// More CPUs than a guest has.
const CPUS_SHOWN: usize = 8;

/// Broken if any assertion is; else none if one cannot be decided, or none is there to decide; else kept.
///
/// `lines` are the console's, in their order. `real_time`: the host's time is the guest's; else assertions on how long
/// something takes are passed over. The verdict on a broken order names the assertions that are broken. Its detail, in at
/// most 2 kB, shows the events that break them and the console's lines around them.
pub fn judge_order(
    assertions: &[OrderAssertion],
    timeline: &Timeline,
    lines: &[PlacedLine],
    real_time: bool,
) -> Option<ChannelVerdict> {
    let (mut kept, mut breaches, mut undecided) = (0, Vec::new(), false);
    let mut broken = Vec::new();
    let applies = |assertion: &&OrderAssertion| real_time || !matches!(assertion, OrderAssertion::Within { .. });
    for assertion in assertions.iter().filter(applies) {
        match Seen(timeline).judge(assertion) {
            Ok(()) => kept += 1,
            Err(NotKept::Broken(breach)) => {
                breaches.push(shown(assertion, &breach, timeline, lines));
                broken.push(assertion.to_string());
            }
            Err(NotKept::Undecided) => undecided = true,
        }
    }
    let outcome = match (broken.len(), kept) {
        (0, 0) => return None,
        (0, _) if undecided => return None,
        (0, _) => ChannelOutcome::Kept,
        _ => ChannelOutcome::Broken,
    };
    let of = u32::try_from(broken.len()).unwrap_or(u32::MAX).saturating_add(kept);
    Some(ChannelVerdict { outcome, witnesses: kept, of, detail: cut(&breaches.join("\n")), broken, log: None })
}

/// Why an assertion is not kept.
enum NotKept {
    /// It does not hold.
    Broken(Breach),
    /// The timeline does not tell.
    Undecided,
}

/// That an assertion does not hold.
struct Breach {
    /// In words.
    why: String,
    /// The events that show it, as indices.
    events: Vec<usize>,
}

fn broken(why: String, events: impl IntoIterator<Item = usize>) -> NotKept {
    NotKept::Broken(Breach { why, events: events.into_iter().collect() })
}

/// What a timeline tells of what came after the faults were fired.
#[derive(Clone, Copy)]
struct Seen<'a>(&'a Timeline);

impl<'a> Seen<'a> {
    fn judge(self, assertion: &OrderAssertion) -> Result<(), NotKept> {
        match assertion {
            OrderAssertion::Before { first, then } => self.before(first, then),
            OrderAssertion::StoppedBefore { moment } => self.stopped_before(moment),
            OrderAssertion::NothingAfterStopped => self.nothing_after_stopped(),
            OrderAssertion::Count { moment, times } => self.count(moment, *times),
            OrderAssertion::Within { from, to, at_most } => self.within(from, to, *at_most),
        }
    }

    fn before(self, first: &Moment, then: &Moment) -> Result<(), NotKept> {
        self.tells_of(first)?;
        let (then_at, _) = self.first(then)?;
        match self.all(first).next() {
            Some((first_at, _)) if first_at < then_at => Ok(()),
            Some((first_at, _)) => Err(broken(format!("{then} came first"), [then_at, first_at])),
            // Events that were dropped came later still.
            None => Err(broken(format!("{first} had not come when {then} did"), [then_at])),
        }
    }

    fn stopped_before(self, moment: &Moment) -> Result<(), NotKept> {
        self.tells_of_step(Event::STOPPED)?;
        let (at, event) = self.first(moment)?;
        let stopped: BTreeSet<u32> =
            self.events().take_while(|(index, _)| *index < at).filter(|(_, e)| stops(e)).map(|(_, e)| e.cpu).collect();
        let online = self.0.online_at(at);
        let running = online.iter().filter(|cpu| *cpu != event.cpu && !stopped.contains(cpu));
        let running: Vec<String> = running.take(CPUS_SHOWN).map(|cpu| cpu.to_string()).collect();
        if running.is_empty() {
            return Ok(());
        }
        Err(broken(format!("not stopped by then: CPU {}", running.join(", ")), [at]))
    }

    fn nothing_after_stopped(self) -> Result<(), NotKept> {
        let mut stopped = BTreeMap::new();
        let is_touch = |step: &str| Event::TOUCHES.contains(&step);
        for (index, event) in self.events().filter(|(_, event)| !is_touch(&event.step)) {
            if let Some(&at) = stopped.get(&event.cpu) {
                return Err(broken(format!("CPU {} went on", event.cpu), [at, index]));
            }
            if stops(event) {
                stopped.insert(event.cpu, index);
            }
        }
        self.tells_of_step(Event::STOPPED)?;
        if self.0.dropped > 0 || !self.0.beyond_limit.keys().all(|step| is_touch(step)) {
            return Err(NotKept::Undecided);
        }
        if stopped.is_empty() { Err(broken("no CPU was stopped".to_owned(), [])) } else { Ok(()) }
    }

    fn count(self, moment: &Moment, times: u32) -> Result<(), NotKept> {
        let seen: Vec<usize> = self.all(moment).map(|(index, _)| index).collect();
        let times = usize::try_from(times).unwrap_or(usize::MAX);
        let wrong = || broken(format!("it came {} times", seen.len()), seen.iter().copied());
        // Events that were not kept would only add to it.
        if seen.len() > times {
            return Err(wrong());
        }
        self.tells_of(moment)?;
        if self.0.dropped > 0 {
            return Err(NotKept::Undecided);
        }
        if seen.len() == times { Ok(()) } else { Err(wrong()) }
    }

    fn within(self, from: &Moment, to: &Moment, at_most: Duration) -> Result<(), NotKept> {
        self.tells_of(to)?;
        let (from_at, from_event) = self.first(from)?;
        let next = self.all(to).find(|(index, event)| *index > from_at && event.cpu == from_event.cpu);
        let Some((to_at, to_event)) = next else {
            return Err(self.never(to, &format!("after it on CPU {}", from_event.cpu), [from_at]));
        };
        let took = Duration::from_nanos(u64::try_from(to_event.ns.saturating_sub(from_event.ns)).unwrap_or(0));
        if took <= at_most { Ok(()) } else { Err(broken(format!("it took {took:?}"), [from_at, to_at])) }
    }

    /// The events, with their indices.
    fn events(self) -> impl Iterator<Item = (usize, &'a Event)> {
        self.0.events.iter().enumerate().filter(|(_, event)| event.ns >= 0)
    }

    /// The events that are of this kind of moment, as far as they were kept.
    fn all(self, moment: &Moment) -> impl Iterator<Item = (usize, &'a Event)> {
        let mut begun = BTreeSet::new();
        self.events().filter(move |(_, event)| {
            let due = moment.after.is_none() || begun.contains(&event.cpu);
            if event.edge == StepEdge::Begin && moment.after.as_ref() == Some(&event.step) {
                begun.insert(event.cpu);
            }
            let of = moment.of.is_empty() || event.of == moment.of;
            due && of && event.step == moment.step && event.edge == moment.edge
        })
    }

    /// The first of them. That it never came is a breach.
    fn first(self, moment: &Moment) -> Result<(usize, &'a Event), NotKept> {
        self.tells_of(moment)?;
        self.all(moment).next().ok_or_else(|| self.never(moment, "", []))
    }

    /// A moment is not there: it did not come, or it came when there was no more room for events.
    fn never(self, moment: &Moment, when: &str, events: impl IntoIterator<Item = usize>) -> NotKept {
        if self.0.dropped > 0 {
            return NotKept::Undecided;
        }
        let blank = if when.is_empty() { "" } else { " " };
        broken(format!("{moment} never came{blank}{when}"), events)
    }

    /// That every event by which the moment is known was kept, but for those that were dropped at the end.
    fn tells_of(self, moment: &Moment) -> Result<(), NotKept> {
        moment.after.iter().chain([&moment.step]).try_for_each(|step| self.tells_of_step(step))
    }

    fn tells_of_step(self, step: &str) -> Result<(), NotKept> {
        let absent = self.0.absent.iter().any(|absent| absent.step == step && absent.of.is_empty());
        if absent || self.0.beyond_limit.contains_key(step) { Err(NotKept::Undecided) } else { Ok(()) }
    }
}

/// Whether its CPU is stopped for good by it.
fn stops(event: &Event) -> bool {
    event.step == Event::STOPPED && event.edge == StepEdge::Begin
}

/// A breach in words, with its events between the lines of the console.
///
/// ```text
/// all other CPUs stopped before kmsg_dump after panic: not stopped by then: CPU 1, 2, 3
///   | [    3.141592] Kernel panic - not syncing: crashlab 0123456789abcdef
///   2.718 ms CPU 0: kmsg_dump
///   | [    3.150000] ---[ end Kernel panic - not syncing: crashlab 0123456789abcdef ]---
/// ```
fn shown(assertion: &OrderAssertion, breach: &Breach, timeline: &Timeline, lines: &[PlacedLine]) -> String {
    // By their places: a line stands before the event with its index.
    let mut rows: BTreeMap<(usize, bool, usize), String> = BTreeMap::new();
    for &index in &breach.events {
        let Some(event) = timeline.events.get(index) else { continue };
        let at = format!("{} ms CPU {}: {event}", milliseconds(event.ns), event.cpu);
        rows.insert((index, true, 0), at);
        let numbered = || lines.iter().enumerate();
        let before = numbered().filter(|(_, line)| line.before <= index).rev().take(LINES);
        let after = numbered().filter(|(_, line)| line.before > index).take(LINES);
        for (number, line) in before.chain(after) {
            rows.insert((line.before, false, number), format!("| {}", clipped(&line.text, LINE_CHARS)));
        }
    }
    rows.values().fold(format!("{assertion}: {}", breach.why), |text, row| text + "\n  " + row)
}

/// As much of a detail as there is room for.
fn cut(detail: &str) -> String {
    const MARK: &str = "…";
    if detail.len() <= DETAIL_BYTES {
        return detail.to_owned();
    }
    let ends = detail.char_indices().map(|(start, c)| start + c.len_utf8());
    let end = ends.take_while(|end| *end <= DETAIL_BYTES - MARK.len()).last().unwrap_or(0);
    format!("{}{MARK}", detail.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests;
