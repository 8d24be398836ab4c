//! What every report of a run tells of each cell and channel: one case each.

mod notes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::console::one_line;
use super::templates;
use crate::known::{Known, Recognised};
use crate::model::{CellKey, Channel, ChannelOutcome, TrialOutcome, TrialRecord, assignments};
use crate::results::{CellSummary, Judged, Judgement, RunInfo, Summary};
use crate::stats::percent;
use notes::CellNotes;

pub use notes::TrialNotes;

/// What reports of a run are made of.
#[derive(Debug, Clone, Copy)]
pub struct Reported<'a> {
    /// The run and its plan: a cell that was planned and never run is reported as skipped.
    pub info: &'a RunInfo,
    /// What it counted.
    pub summary: &'a Summary,
    /// What is told of its single trials.
    pub notes: &'a TrialNotes,
    /// Its expectations, judged: [`crate::results::judge`].
    pub judged: &'a [Judged],
    /// Failures that are known, if there is a list of them.
    pub known: Option<&'a Recognised>,
}

/// One cell, with all that is known of it.
#[derive(Debug)]
pub(super) struct Cell<'a> {
    pub(super) counted: CellSummary,
    pub(super) notes: Option<&'a CellNotes>,
    judged: Vec<&'a Judged>,
    known: Option<&'a Recognised>,
}

/// What came of a cell's channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing that was seen speaks against what was expected.
    Met,
    /// Nothing was expected: it was only measured.
    Measured,
    /// What was seen refutes what was expected; in words, with the figures.
    Failed(String),
    /// Likewise, and that is known: where more is said of it, and since which day.
    Known { why: String, link: String, since: String },
    /// No trial counted, and our own failures had a part in it; in words.
    Broke(String),
    /// No trial counted otherwise; in words, why.
    Skipped(String),
}

impl<'a> Reported<'a> {
    /// The planned cells, and then any that were counted without having been planned: none is left out.
    pub(super) fn cells(&self) -> Vec<Cell<'a>> {
        let counted: BTreeMap<&CellKey, &CellSummary> =
            self.summary.cells.iter().map(|cell| (&cell.key, cell)).collect();
        let mut judged: BTreeMap<&CellKey, Vec<&Judged>> = BTreeMap::new();
        for judgement in self.judged {
            judged.entry(&judgement.cell).or_default().push(judgement);
        }
        let cell = |key: &CellKey| Cell {
            counted: counted.get(key).map_or_else(|| CellSummary::empty(key.clone()), |cell| CellSummary::clone(cell)),
            notes: self.notes.of_cell(key),
            judged: judged.get(key).cloned().unwrap_or_default(),
            known: self.known,
        };
        let planned: BTreeSet<&CellKey> = self.info.cells.iter().map(|planned| &planned.key).collect();
        let unplanned = self.summary.cells.iter().map(|cell| &cell.key).filter(|key| !planned.contains(key));
        self.info.cells.iter().map(|planned| &planned.key).chain(unplanned).map(cell).collect()
    }

    /// The trials that reports tell of because something went wrong, each once, in the order of their cells.
    pub fn telling_trials(&self) -> Vec<&'a TrialRecord> {
        let mut told = Vec::new();
        let mut known = BTreeSet::new();
        for cell in self.cells() {
            let wrong = |channel: &Channel| matches!(cell.state(*channel), State::Failed(_) | State::Broke(_));
            let trials = cell.channels().filter(wrong).filter_map(|channel| cell.telling_trial(channel));
            told.extend(trials.filter(|trial| known.insert(trial.index)));
        }
        told
    }
}

/// The cells of each variant and scenario, which reports put together, in the order of their first ones.
pub(super) fn suites<'c, 'a>(cells: &'c [Cell<'a>]) -> Vec<Vec<&'c Cell<'a>>> {
    let mut suites: Vec<Vec<&Cell>> = Vec::new();
    let mut places: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for cell in cells {
        let CellKey { variant, base, scenario, .. } = cell.key();
        let place = *places.entry((variant, base, scenario)).or_insert_with(|| {
            suites.push(Vec::new());
            suites.len() - 1
        });
        suites[place].push(cell);
    }
    suites
}

impl<'a> Cell<'a> {
    pub(super) fn key(&self) -> &CellKey {
        &self.counted.key
    }

    /// `stock@6.12 panic-alone`: the name of its suite, in a line.
    pub(super) fn suite_name(&self) -> String {
        let CellKey { variant, base, scenario, .. } = self.key();
        one_line(&format!("{variant}@{base} {scenario}"))
    }

    /// `hold=300ms pstore`: the name of a case in its suite, in a line.
    pub(super) fn case_name(&self, channel: Channel) -> String {
        one_line(format!("{} {channel}", assignments(&self.key().params)).trim_start())
    }

    /// The channels that have a case: always those of the log; others where they were judged or something is expected of
    /// them.
    pub(super) fn channels(&self) -> impl Iterator<Item = Channel> {
        let reports = |channel: &Channel| {
            Channel::OF_LOG.contains(channel)
                || self.counted.channel(*channel).n() > 0
                || self.expectations(*channel).next().is_some()
        };
        Channel::ALL.into_iter().filter(reports)
    }

    /// What came of a channel.
    pub(super) fn state(&self, channel: Channel) -> State {
        if self.counted.channel(channel).n() == 0 {
            return self.none_counted(channel);
        }
        let failed: Vec<&str> = self
            .expectations(channel)
            .filter_map(|judged| match &judged.judgement {
                Judgement::Failed(text) => Some(text.as_str()),
                Judgement::Met | Judgement::Unknown(_) => None,
            })
            .collect();
        match (failed.as_slice(), self.expectations(channel).next()) {
            ([], None) => State::Measured,
            ([], Some(_)) => State::Met,
            (failed, _) => self.failed(channel, failed.join("; ")),
        }
    }

    fn failed(&self, channel: Channel, why: String) -> State {
        let Some((known, entry)) = self.known.and_then(|known| known.of(self.key(), channel)) else {
            return State::Failed(why);
        };
        let link = entry.link.clone();
        match known {
            Known::As(_) => State::Known { why, link, since: entry.since.to_string() },
            Known::Worse(_) => {
                let recorded =
                    entry.share.map_or_else(String::new, |share| format!("{} of {}, ", share.hits(), share.of()));
                State::Failed(format!("{why}; worse than is known of it: {recorded}{link}"))
            }
            Known::Expired(_) => {
                let until = entry.until.map_or_else(String::new, |until| until.to_string());
                State::Failed(format!("{why}; known until {until}: {link}"))
            }
        }
    }

    fn none_counted(&self, channel: Channel) -> State {
        let CellSummary { trials, missed, infra_errors, .. } = self.counted;
        let mut message = self.counted.skipped.clone().unwrap_or_else(|| self.counted.why_none_counted(channel));
        if let Some(trial) = self.telling_trial(channel) {
            // Writing to a string does not fail.
            let _ = write!(message, "; trial {}: {}", trial.index, end(trial, channel));
        }
        // It is the scenario that missed, unless an infra-error is among what did not count.
        if infra_errors > 0 && infra_errors + missed == trials {
            State::Broke(message)
        } else {
            State::Skipped(message)
        }
    }

    pub(super) fn expectations(&self, channel: Channel) -> impl Iterator<Item = &Judged> {
        self.judged.iter().copied().filter(move |judged| judged.expectation.channel == channel)
    }

    /// The first trial that did not end as expected, else to the good outcome; an infra error above all, where none
    /// counted.
    pub(super) fn telling_trial(&self, channel: Channel) -> Option<&'a TrialRecord> {
        let notes = self.notes?;
        if self.counted.channel(channel).n() == 0 {
            return notes.first_infra.as_ref().or(notes.first.as_ref());
        }
        let wanted = self.wanted(channel);
        let others = notes.first_with.iter().filter(|((of, outcome), _)| *of == channel && *outcome != wanted);
        others.filter_map(|(_, first)| first.as_ref()).min_by_key(|first| first.index)
    }

    /// The outcome the cell is measured by.
    pub(super) fn wanted(&self, channel: Channel) -> ChannelOutcome {
        let failed = |judged: &&Judged| matches!(judged.judgement, Judgement::Failed(_));
        let judged = self.expectations(channel).find(failed).or_else(|| self.expectations(channel).next());
        judged.map_or(channel.good(), |judged| judged.expectation.outcome)
    }

    /// What was counted, in lines: how often the channel had each outcome, what became of the cell's trials, and what was
    /// expected come first.
    pub(super) fn figures(&self, channel: Channel) -> String {
        if self.counted.skipped.is_some() {
            return format!("{}\n", self.counted.why_none_counted(channel));
        }
        let counts = self.counted.channel(channel);
        let (n, good, interval) = (counts.n(), channel.good(), counts.ci95());
        let (lo, hi) = (percent(interval.lo), percent(interval.hi));
        let told = |outcome: &&ChannelOutcome| !outcome.is_rare() || counts.of(**outcome) > 0;
        let others = channel.outcomes().iter().filter(|outcome| **outcome != good).filter(told);
        let others: Vec<String> = others.map(|outcome| format!("{} {outcome}", counts.of(*outcome))).collect();
        let others = others.join(", ");
        let mut text = format!("{channel}: {} {good} of {n} (95 % CI {lo}–{hi} %), {others}\n", counts.of(good));
        let CellSummary { trials, missed, infra_errors, hung, retried, .. } = self.counted;
        let retried = if retried == 0 { String::new() } else { format!("; infra-errors tried again: {retried}") };
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "cell: {trials} trials, {missed} missed, {infra_errors} infra-error, {hung} hung{retried}");
        for judged in self.expectations(channel) {
            let _ = writeln!(text, "expected: {}", judged.expectation);
        }
        if let Some(mean) = self.counted.log_kept_percent.get(&channel) {
            let _ = writeln!(text, "log: a trial kept {mean} % of what it had logged, on average");
        }
        if let Some(between) = counts.by_template().between() {
            let _ = writeln!(text, "templates: {}, {}", between.templates, templates::figures(&between));
        }
        for (title, trials) in self.counted.unexpected_splats() {
            let _ = writeln!(text, "splat: {trials} of {} trials log \"{title}\"", self.counted.counted());
        }
        text
    }
}

/// How a trial ended, as far as this channel goes.
pub(super) fn end(trial: &TrialRecord, channel: Channel) -> String {
    match &trial.outcome {
        TrialOutcome::Missed { reason } => format!("missed: {reason}"),
        TrialOutcome::InfraError { cause } => format!("infra-error: {cause}"),
        TrialOutcome::Counted { hung, channels } => {
            let hung = match (hung, &trial.hung_by) {
                (false, _) => String::new(),
                (true, None) => ", hung".to_owned(),
                (true, Some(by)) => format!(", hung: {by}"),
            };
            channels.get(&channel).map_or_else(
                || format!("{channel} not judged{hung}"),
                |it| {
                    let (outcome, seen, of, what) = (it.outcome, it.witnesses, it.of, channel.witnesses());
                    let detail = it.detail.lines().next().unwrap_or_default();
                    format!("{outcome} ({seen} of {of} {what}{hung}) {detail}")
                },
            )
        }
    }
}

/// How a trial's order was broken, or which splats it has: several lines, which say little when they are put into one.
pub(super) fn detail_in_lines(trial: &TrialRecord, channel: Channel) -> Option<&str> {
    let TrialOutcome::Counted { channels, .. } = &trial.outcome else { return None };
    let in_lines = |outcome| matches!(outcome, ChannelOutcome::Broken | ChannelOutcome::Splats);
    let verdict = channels.get(&channel).filter(|verdict| in_lines(verdict.outcome))?;
    Some(&verdict.detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChannelOutcome::{Lost, Saved};
    use crate::results::sample::{counted, key, trial};

    #[test]
    fn a_hang_is_told_with_how_it_was_recognised() {
        let TrialOutcome::Counted { channels, .. } = counted(Saved, Lost) else { unreachable!("it counts") };
        let hung = TrialOutcome::Counted { hung: true, channels };
        let mut record = trial(0, &key("stock", "panic-alone", ""), hung);
        assert_eq!(end(&record, Channel::Console), "saved (32 of 32 witness lines, hung) ");
        record.hung_by = Some("quiet 2.9 s: nothing".to_owned());
        assert_eq!(end(&record, Channel::Console), "saved (32 of 32 witness lines, hung: quiet 2.9 s: nothing) ");
    }
}
