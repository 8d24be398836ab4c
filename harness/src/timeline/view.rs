//! What every picture of a trial's timeline is made from.

use std::collections::BTreeMap;

use super::spans::{Edge, Part, parts};
use crate::model::schedule::Held;
use crate::model::timeline::{Event, PlacedLine, Timeline};
use crate::model::{TrialOutcome, TrialRecord};

/// A pause in which nothing was seen is marked from here on.
const GAP_NS: u64 = 10_000_000;

/// How many of the console's lines before the first event are shown: the rest is of a healthy guest.
const LINES_BEFORE: usize = 2;

/// One trial, to be shown.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The run.
    pub run_id: &'a str,
    /// The trial.
    pub trial: &'a TrialRecord,
    /// What was seen of it.
    pub timeline: &'a Timeline,
    /// The lines of its console, placed in `timeline`.
    pub lines: &'a [PlacedLine],
    /// Whether steps are shown that only tell how things went.
    pub detail: bool,
}

/// An event or a line, in order.
#[derive(Debug, Clone)]
pub(super) enum Row<'a> {
    Event {
        event: &'a Event,
        /// Its indices are those of rows.
        part: Part,
        /// How many steps its CPU is in.
        depth: usize,
    },
    Line {
        /// When the kernel stored it.
        ns: i64,
        text: &'a str,
    },
    /// A CPU is held, or goes on again.
    Held {
        ns: i64,
        cpu: u32,
        held: &'a Held,
        /// It is held no longer.
        over: bool,
        /// How many steps its CPU is in.
        depth: usize,
    },
}

/// One line of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Step {
        ns: i64,
        cpu: u32,
        depth: usize,
        label: String,
        /// The entry in which the step ends that begins here.
        end: Option<usize>,
    },
    Line(String),
    /// Nothing was seen for this many nanoseconds.
    Gap(u64),
}

impl<'a> View<'a> {
    /// Which trial it is, and how it went.
    pub(super) fn title(&self) -> String {
        let outcome = match &self.trial.outcome {
            TrialOutcome::Counted { hung, channels } => {
                let channels = channels.iter().map(|(channel, verdict)| format!("{channel} {}", verdict.outcome));
                channels.chain(hung.then(|| "hung".to_owned())).collect::<Vec<_>>().join(", ")
            }
            TrialOutcome::Missed { reason } => format!("missed: {reason}"),
            TrialOutcome::InfraError { cause } => format!("infra-error: {cause}"),
        };
        let TrialRecord { index, cell, seed, .. } = self.trial;
        plain(&format!("{cell}, trial {index} of {} (seed {seed}): {outcome}", self.run_id))
    }

    /// What is not among the events, a sentence each.
    pub(super) fn remarks(&self) -> Vec<String> {
        let Timeline { beyond_limit, dropped, absent, .. } = self.timeline;
        let mut remarks = Vec::new();
        let before = self.lines_left_out(&self.rows());
        if before > 0 {
            remarks.push(format!("{before} lines of the console before those above"));
        }
        let beyond = beyond_limit.iter();
        remarks
            .extend(beyond.map(|(step, times)| format!("{step}: {times} more, beyond the number that is kept of it")));
        if *dropped > 0 {
            remarks.push(format!("{dropped} more events at the end, for which there was no room"));
        }
        let not_begun = self.timeline.holds.iter().filter(|held| held.cpu.is_none());
        remarks.extend(not_begun.map(|held| format!("{}: {}", held.hold, held.outcome.words())));
        remarks.extend(absent.iter().map(|it| format!("{} cannot be seen: {}", name(&it.step, &it.of), it.why)));
        remarks.iter().map(|remark| plain(remark)).collect()
    }

    /// The CPUs that have a lane: those of the guest, if they are few, and all that something was seen on.
    pub(super) fn lanes(&self) -> BTreeMap<u32, usize> {
        let seen = self.timeline.events.iter().map(|event| event.cpu);
        let cpus: std::collections::BTreeSet<u32> = (0..self.timeline.cpus.min(8)).chain(seen).collect();
        cpus.into_iter().enumerate().map(|(lane, cpu)| (cpu, lane)).collect()
    }

    /// Events and lines in order, without what is not to be shown.
    pub(super) fn rows(&self) -> Vec<Row<'a>> {
        let shown = |event: &&Event| self.detail || !event.detail;
        let edge = |event: &'a Event| Edge { lane: event.cpu, step: &event.step, of: &event.of, edge: event.edge };
        let mut parts = parts(self.timeline.events.iter().filter(shown).map(edge)).into_iter();
        let mut rows = Vec::new();
        // The rows of the events that are shown.
        let mut places = Vec::new();
        let mut lines = self.lines.iter().peekable();
        let mut ns = self.timeline.events.first().map_or(0, |event| event.ns);
        let holds = self.holds();
        let mut holds = holds.into_iter().peekable();
        for (index, event) in self.timeline.events.iter().enumerate() {
            while let Some(line) = lines.next_if(|line| line.before <= index) {
                rows.push(Row::Line { ns, text: &line.text });
            }
            while let Some((_, row)) = holds.next_if(|(before, _)| *before <= index) {
                rows.push(row);
            }
            ns = event.ns;
            if shown(&event) {
                places.push(rows.len());
                rows.push(Row::Event { event, part: parts.next().unwrap_or(Part::Point), depth: 0 });
            }
        }
        rows.extend(lines.map(|line| Row::Line { ns, text: &line.text }));
        rows.extend(holds.map(|(_, row)| row));
        nest(&mut rows, &places);
        rows
    }

    /// The beginnings and ends of what the trial's schedule held, each with the index of the first event after it, in order.
    fn holds(&self) -> Vec<(usize, Row<'a>)> {
        let mut rows = Vec::new();
        for held in &self.timeline.holds {
            let (Some(cpu), Some(from)) = (held.cpu, held.from_ns) else { continue };
            let [began, ended] = held.before;
            rows.push((began, Row::Held { ns: from, cpu, held, over: false, depth: 0 }));
            if let Some(lasted) = held.lasted_ns {
                let ns = from.saturating_add_unsigned(lasted);
                rows.push((ended, Row::Held { ns, cpu, held, over: true, depth: 0 }));
            }
        }
        let ns = |row: &Row| if let Row::Held { ns, .. } = row { *ns } else { 0 };
        rows.sort_by_key(|(before, row)| (*before, ns(row)));
        rows
    }

    /// How many of the first rows are lines from before the first event that are not shown.
    fn lines_left_out(&self, rows: &[Row]) -> usize {
        let before = rows.iter().take_while(|row| matches!(row, Row::Line { .. })).count();
        if self.detail || before == rows.len() { 0 } else { before.saturating_sub(LINES_BEFORE) }
    }

    /// The rows for pictures: a step that nothing was seen within is one entry, and pauses are marked.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let rows = self.rows();
        let left_out = self.lines_left_out(&rows);
        let mut entries = Vec::new();
        // By the row of a beginning, its entry.
        let mut begun: BTreeMap<usize, usize> = BTreeMap::new();
        let mut last = None;
        let mut skip = None;
        for (index, row) in rows.iter().enumerate() {
            if skip == Some(index) || index < left_out {
                continue;
            }
            let at = match row {
                Row::Line { text, .. } => {
                    entries.push(Entry::Line(plain(text)));
                    continue;
                }
                Row::Event { event, .. } => event.ns,
                Row::Held { ns, .. } => *ns,
            };
            let pause = last.map_or(0, |last: i64| at.saturating_sub(last).max(0).unsigned_abs());
            if pause >= GAP_NS {
                entries.push(Entry::Gap(pause));
            }
            last = Some(at);
            if let &Row::Held { ns, cpu, held, over, depth } = row {
                let label = if over {
                    format!("go on: {}, {}", held.outcome.words(), duration(held.lasted_ns.unwrap_or(0)))
                } else {
                    plain(&format!("HELD: {}", held.hold))
                };
                entries.push(Entry::Step { ns, cpu, depth, label, end: None });
                continue;
            }
            let &Row::Event { event, part, depth } = row else { continue };
            let lasted = |other: usize| match rows.get(other) {
                Some(Row::Event { event: other, .. }) => duration(event.ns.abs_diff(other.ns)),
                _ => String::new(),
            };
            let name = name(&event.step, &event.of);
            let label = match part {
                Part::Begin { end } if end == index + 1 => {
                    skip = Some(end);
                    format!("{name} ({})", lasted(end))
                }
                Part::Begin { .. } => format!("{name} {{"),
                Part::Cut => format!("{name} (not left)"),
                Part::Point => name,
                Part::End { begin } => format!("}} {} ({})", plain(&event.step), lasted(begin)),
                Part::Tail => format!("}} {name}"),
            };
            if let Part::End { begin } = part
                && let Some(begin) = begun.get(&begin)
            {
                let here = entries.len();
                if let Some(Entry::Step { end, .. }) = entries.get_mut(*begin) {
                    *end = Some(here);
                }
            }
            begun.insert(index, entries.len());
            entries.push(Entry::Step { ns: event.ns, cpu: event.cpu, depth, label, end: None });
        }
        entries
    }
}

/// Turns the indices of events into those of their rows, and counts how deep each lies.
fn nest(rows: &mut [Row], places: &[usize]) {
    let place = |event: usize| places.get(event).copied().unwrap_or(usize::MAX);
    let mut depths: BTreeMap<u32, usize> = BTreeMap::new();
    for row in rows {
        if let Row::Held { cpu, depth, .. } = row {
            *depth = depths.get(cpu).copied().unwrap_or(0);
        }
        let Row::Event { event, part, depth } = row else { continue };
        let deep = depths.entry(event.cpu).or_default();
        match part {
            Part::Begin { end } => {
                *end = place(*end);
                *depth = *deep;
                *deep += 1;
            }
            Part::End { begin } => {
                *begin = place(*begin);
                *deep = deep.saturating_sub(1);
                *depth = *deep;
            }
            Part::Point | Part::Cut | Part::Tail => *depth = *deep,
        }
    }
}

/// `dumper pstore_dump`
pub(super) fn name(step: &str, of: &str) -> String {
    if of.is_empty() { plain(step) } else { plain(&format!("{step} {of}")) }
}

/// Text in which nothing acts on a terminal; names come from a file that anybody may have written.
pub(super) fn plain(text: &str) -> String {
    let plain = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(plain).collect()
}

/// `12 us`, `3.456 ms`, `1.002 s`
pub(super) fn duration(ns: u64) -> String {
    let thousandths = |unit: u64| format!("{}.{:03}", ns / unit, ns % unit / (unit / 1000));
    match ns {
        0..1_000_000 => format!("{} us", ns / 1000),
        1_000_000..1_000_000_000 => format!("{} ms", thousandths(1_000_000)),
        _ => format!("{} s", thousandths(1_000_000_000)),
    }
}
