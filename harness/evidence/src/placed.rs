//! The lines of the console, put between the events of a timeline.

mod align;

use self::align::align;
use crate::console::Console;
use crate::printk::Line;
use harness_model::timeline::{Event, PlacedLine, StepEdge, Timeline};

/// How `panic()` begins its message (`kernel/panic.c`).
const PANIC_MESSAGE: &str = "Kernel panic - not syncing";
const PANIC: &str = "panic";

/// What the kernel printed at once: lines of one timestamp.
struct Message<'a> {
    /// Guest time in nanoseconds; none before the first timestamp.
    ns: Option<i64>,
    lines: Vec<&'a str>,
}

/// Puts the lines of `console` where the kernel stored them in its log; every line, in order.
///
/// Each message has a timestamp in guest time, and each `printk` event one in host time. The two are aligned by the
/// time between them (see `align`), so that some of either may be missing. A message without an event of its own is
/// placed by its timestamp, from the nearest one that has; a line without a timestamp follows the line before it.
/// Without any `printk` event all are placed by the panic's message, and if there is none, at the end.
pub fn place_console(timeline: &Timeline, console: &Console) -> Vec<PlacedLine> {
    let messages = messages(&console.text);
    let pairs = pairs(&messages, &timeline.events);
    let ceilings = ceilings(&pairs, timeline.events.len());
    // Guest and host time of the same message.
    let mut clocks = pairs.iter().zip(&messages).find_map(|(pair, message)| clocks(message, *pair, &timeline.events));
    let mut floor = 0;
    let mut placed = Vec::new();
    for ((message, pair), ceiling) in messages.iter().zip(&pairs).zip(ceilings) {
        let before = match (pair, message.ns, clocks) {
            (Some(event), ..) => event + 1,
            (None, None, _) => floor,
            (None, Some(_), None) => ceiling,
            (None, Some(ns), Some((guest, host))) => {
                let ns = host.saturating_add(ns.saturating_sub(guest));
                timeline.events.partition_point(|event| event.ns <= ns).max(floor).min(ceiling)
            }
        };
        clocks = self::clocks(message, *pair, &timeline.events).or(clocks);
        floor = before;
        placed.extend(message.lines.iter().map(|line| PlacedLine { before, text: (*line).to_owned() }));
    }
    placed
}

fn messages(text: &str) -> Vec<Message<'_>> {
    let mut messages: Vec<Message> = Vec::new();
    for line in text.lines() {
        let micros = Line::parse(line).micros;
        let ns = micros.map(|micros| i64::try_from(micros.saturating_mul(1000)).unwrap_or(i64::MAX));
        match messages.last_mut() {
            Some(last) if ns.is_none() || last.ns == ns => last.lines.push(line),
            _ => messages.push(Message { ns, lines: vec![line] }),
        }
    }
    messages
}

/// For each message the event that it was stored by, if that is known; ascending.
fn pairs(messages: &[Message], events: &[Event]) -> Vec<Option<usize>> {
    let mut pairs = vec![None; messages.len()];
    let stamped: Vec<(usize, i64)> =
        messages.iter().enumerate().filter_map(|(index, message)| Some((index, message.ns?))).collect();
    let printks: Vec<(usize, i64)> = begun(events, Event::PRINTK).collect();
    let times = |of: &[(usize, i64)]| of.iter().map(|(_, ns)| *ns).collect::<Vec<_>>();
    for ((message, _), printk) in stamped.iter().zip(align(&times(&stamped), &times(&printks))) {
        let event = printk.and_then(|printk| printks.get(printk)).map(|(event, _)| *event);
        if let Some(pair) = pairs.get_mut(*message) {
            *pair = event;
        }
    }
    if printks.is_empty() {
        let is_panic = |line: &&str| Line::parse(line).message.starts_with(PANIC_MESSAGE);
        let message = messages.iter().position(|message| message.lines.first().is_some_and(is_panic));
        if let Some(pair) = message.and_then(|message| pairs.get_mut(message)) {
            *pair = begun(events, PANIC).next().map(|(event, _)| event);
        }
    }
    pairs
}

/// Where in `events` a step begins, and when.
fn begun<'a>(events: &'a [Event], step: &'a str) -> impl Iterator<Item = (usize, i64)> + 'a {
    let is = move |event: &Event| event.step == step && event.edge == StepEdge::Begin;
    events.iter().enumerate().filter(move |(_, event)| is(event)).map(|(index, event)| (index, event.ns))
}

/// For each message the event that it cannot be behind: that of the next message that has one.
fn ceilings(pairs: &[Option<usize>], end: usize) -> Vec<usize> {
    let mut ceiling = end;
    let mut ceilings: Vec<usize> = Vec::with_capacity(pairs.len());
    for pair in pairs.iter().rev() {
        ceiling = pair.unwrap_or(ceiling);
        ceilings.push(ceiling);
    }
    ceilings.reverse();
    ceilings
}

/// What both clocks said when this message was stored, in nanoseconds: the guest's, the host's.
fn clocks(message: &Message, event: Option<usize>, events: &[Event]) -> Option<(i64, i64)> {
    Some((message.ns?, events.get(event?)?.ns))
}

#[cfg(test)]
mod tests;
