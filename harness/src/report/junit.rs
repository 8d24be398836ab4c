//! The run as a `JUnit` report.
//!
//! One suite for each variant and scenario, one case for each cell and channel. The form is held to what the Jenkins
//! xUnit plugin's `junit-10.xsd` and older readers accept: no properties or timestamps of cases, no `skipped` at the
//! root.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::console::{one_line, printable};
use super::templates;
use crate::model::assignments;
use crate::model::{CellKey, Channel, ChannelOutcome, TrialOutcome, TrialRecord};
use crate::results::{CellSummary, Judged, Judgement, KernelInfo, RunInfo, Summary};
use crate::stats::percent;

/// How much of a console's end a case shows.
pub const TAIL_BYTES: u32 = 4096;

/// What a report is made of.
pub struct Junit<'a> {
    /// The run and its plan: a cell that was planned and never run is reported as skipped.
    pub info: &'a RunInfo,
    /// What it counted.
    pub summary: &'a Summary,
    /// What is told of its single trials.
    pub notes: &'a TrialNotes,
    /// Its expectations, judged: [`crate::results::judge`].
    pub judged: &'a [Judged],
    /// The end of a trial's console, by the trial's index, at most [`TAIL_BYTES`]; none if it was not kept.
    pub console_tail: &'a dyn Fn(u64) -> Option<Vec<u8>>,
}

/// The report could not be written as XML.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the JUnit report: {0}")]
pub struct JunitError(#[from] quick_junit::SerializeError);

/// The report's text.
pub fn junit(input: &Junit) -> Result<String, JunitError> {
    let mut suites: Vec<(String, Vec<Cell>)> = Vec::new();
    for cell in cells(input) {
        let CellKey { variant, base, scenario, .. } = &cell.counted.key;
        let name = format!("{variant}@{base} {scenario}");
        match suites.iter_mut().find(|(known, _)| *known == name) {
            Some((_, cells)) => cells.push(cell),
            None => suites.push((name, vec![cell])),
        }
    }
    let mut report = Report::new(one_line(&input.info.run_id));
    for (name, cells) in suites {
        report.add_test_suite(suite(input, &name, &cells));
    }
    Ok(without_root_skipped(&report.to_string()?))
}

/// What the report tells of single trials, gathered as they go by: a few records a cell, however many trials there are.
#[derive(Debug, Default)]
pub struct TrialNotes(BTreeMap<CellKey, CellNotes>);

#[derive(Debug, Default)]
struct CellNotes {
    wall: Duration,
    /// The earliest start.
    started: Option<String>,
    /// The trial with the least index, of each kind.
    first: Option<TrialRecord>,
    first_infra: Option<TrialRecord>,
    first_with: BTreeMap<(Channel, ChannelOutcome), Option<TrialRecord>>,
}

impl TrialNotes {
    /// Notes one trial: its last attempt.
    pub fn add(&mut self, record: &TrialRecord) {
        let notes = self.0.entry(record.cell.clone()).or_default();
        notes.wall += Duration::from_millis(record.wall_ms);
        if notes.started.as_ref().is_none_or(|started| record.started < *started) {
            notes.started = Some(record.started.clone());
        }
        keep_first(&mut notes.first, record);
        match &record.outcome {
            TrialOutcome::Counted { channels, .. } => {
                for (channel, verdict) in channels {
                    keep_first(notes.first_with.entry((*channel, verdict.outcome)).or_default(), record);
                }
            }
            TrialOutcome::InfraError { .. } => keep_first(&mut notes.first_infra, record),
            TrialOutcome::Missed { .. } => {}
        }
    }
}

fn keep_first(kept: &mut Option<TrialRecord>, record: &TrialRecord) {
    if kept.as_ref().is_none_or(|kept| record.index < kept.index) {
        *kept = Some(record.clone());
    }
}

/// One cell, with all that is known of it.
struct Cell<'a> {
    counted: CellSummary,
    notes: Option<&'a CellNotes>,
    judged: Vec<&'a Judged>,
}

/// The planned cells, and then any that were counted without having been planned: none is left out.
fn cells<'a>(input: &Junit<'a>) -> Vec<Cell<'a>> {
    let mut counted: BTreeMap<&CellKey, &CellSummary> =
        input.summary.cells.iter().map(|cell| (&cell.key, cell)).collect();
    let mut cell = |key: &CellKey| Cell {
        counted: counted.remove(key).cloned().unwrap_or_else(|| CellSummary::empty(key.clone())),
        notes: input.notes.0.get(key),
        judged: input.judged.iter().filter(|judged| judged.cell == *key).collect(),
    };
    let planned: Vec<&CellKey> = input.info.cells.iter().map(|planned| &planned.key).collect();
    let unplanned = input.summary.cells.iter().map(|cell| &cell.key).filter(|key| !planned.contains(key));
    planned.iter().copied().chain(unplanned).map(&mut cell).collect()
}

fn suite(input: &Junit, name: &str, cells: &[Cell]) -> TestSuite {
    let mut suite = TestSuite::new(one_line(name));
    let notes = || cells.iter().filter_map(|cell| cell.notes);
    suite.set_time(notes().map(|notes| notes.wall).sum());
    if let Some(started) = notes().filter_map(|notes| notes.started.as_ref()).min() {
        suite.extra.insert("timestamp".into(), one_line(started).into());
    }
    for (name, value) in properties(input.info, &cells[0].counted.key) {
        suite.add_property((name, one_line(&value).as_str()));
    }
    for cell in cells {
        for channel in Channel::ALL.into_iter().filter(|channel| reports(cell, *channel)) {
            suite.add_test_case(case(cell, channel, input.console_tail));
        }
    }
    suite
}

/// Whether the cell has a case of the channel: always of the log; of the order where it was judged or something is
/// expected of it.
fn reports(cell: &Cell, channel: Channel) -> bool {
    Channel::OF_LOG.contains(&channel)
        || cell.counted.channel(channel).n() > 0
        || expectations(cell, channel).next().is_some()
}

/// What it takes to run the suite again.
fn properties(info: &RunInfo, cell: &CellKey) -> Vec<(&'static str, String)> {
    let mut properties = vec![
        ("seed", info.seed.to_string()),
        ("run", info.run_id.clone()),
        ("command", info.command.join(" ")),
        ("harness", info.harness.git.clone().unwrap_or_else(|| info.harness.version.clone())),
        ("qemu", info.qemu.version.clone()),
        ("accelerator", info.qemu.accelerator.clone()),
    ];
    let of_cell = |kernel: &&KernelInfo| kernel.variant == cell.variant && kernel.base == cell.base;
    if let Some(kernel) = info.kernels.iter().find(of_cell) {
        properties.extend([("kernel", kernel.release.clone()), ("build_id", kernel.build_id.clone())]);
    }
    properties
}

fn case(cell: &Cell, channel: Channel, console_tail: &dyn Fn(u64) -> Option<Vec<u8>>) -> TestCase {
    let CellKey { variant, base, scenario, params } = &cell.counted.key;
    let name = format!("{} {channel}", assignments(params));
    let mut case = TestCase::new(one_line(name.trim_start()), status(cell, channel));
    // Jenkins takes what is before the last dot for a package: no other dot may be in it.
    let [package, class] = [scenario.clone(), format!("{variant}@{base}")].map(|part| part.replace('.', "_"));
    case.set_classname(one_line(&format!("{package}.{class}")));
    case.set_system_out(system_out(cell, channel, console_tail));
    case
}

fn status(cell: &Cell, channel: Channel) -> TestCaseStatus {
    if cell.counted.channel(channel).n() == 0 {
        return none_counted(cell, channel);
    }
    let failed: Vec<&str> = expectations(cell, channel)
        .filter_map(|judged| match &judged.judgement {
            Judgement::Failed(text) => Some(text.as_str()),
            Judgement::Met | Judgement::Unknown(_) => None,
        })
        .collect();
    if failed.is_empty() {
        return TestCaseStatus::success();
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    status.set_type("expectation").set_message(one_line(&failed.join("; ")));
    if let Some(detail) = telling_trial(cell, channel).and_then(|trial| detail_in_lines(trial, channel)) {
        status.set_description(printable(detail.as_bytes()));
    }
    status
}

/// An error where our own failures had a part in it that no trial counted; skipped where it is the scenario that
/// missed.
fn none_counted(cell: &Cell, channel: Channel) -> TestCaseStatus {
    let CellSummary { trials, missed, infra_errors, .. } = cell.counted;
    let mut status = if infra_errors > 0 && infra_errors + missed == trials {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_type("infra-error");
        status
    } else {
        TestCaseStatus::skipped()
    };
    let mut message = cell.counted.skipped.clone().unwrap_or_else(|| cell.counted.why_none_counted(channel));
    if let Some(trial) = telling_trial(cell, channel) {
        let _ = write!(message, "; trial {}: {}", trial.index, end(trial, channel));
    }
    status.set_message(one_line(&message));
    status
}

fn expectations<'a>(cell: &Cell<'a>, channel: Channel) -> impl Iterator<Item = &'a Judged> {
    cell.judged.clone().into_iter().filter(move |judged| judged.expectation.channel == channel)
}

/// The first trial that did not end as expected, else to the good outcome; an infra error above all, where
/// none counted.
fn telling_trial<'a>(cell: &Cell<'a>, channel: Channel) -> Option<&'a TrialRecord> {
    let notes = cell.notes?;
    if cell.counted.channel(channel).n() == 0 {
        return notes.first_infra.as_ref().or(notes.first.as_ref());
    }
    let wanted = wanted(cell, channel);
    let others = notes.first_with.iter().filter(|((of, outcome), _)| *of == channel && *outcome != wanted);
    others.filter_map(|(_, first)| first.as_ref()).min_by_key(|first| first.index)
}

/// The outcome the cell is measured by.
fn wanted(cell: &Cell, channel: Channel) -> ChannelOutcome {
    let failed = |judged: &&Judged| matches!(judged.judgement, Judgement::Failed(_));
    let judged = expectations(cell, channel).find(failed).or_else(|| expectations(cell, channel).next());
    judged.map_or(channel.good(), |judged| judged.expectation.outcome)
}

/// How a trial ended, as far as this channel goes.
fn end(trial: &TrialRecord, channel: Channel) -> String {
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
fn detail_in_lines(trial: &TrialRecord, channel: Channel) -> Option<&str> {
    let TrialOutcome::Counted { channels, .. } = &trial.outcome else { return None };
    let in_lines = |outcome| matches!(outcome, ChannelOutcome::Broken | ChannelOutcome::Splats);
    let verdict = channels.get(&channel).filter(|verdict| in_lines(verdict.outcome))?;
    Some(&verdict.detail)
}

/// The figures, and the trial that tells most about them.
fn system_out(cell: &Cell, channel: Channel, console_tail: &dyn Fn(u64) -> Option<Vec<u8>>) -> String {
    if cell.counted.skipped.is_some() {
        return format!("{}\n", cell.counted.why_none_counted(channel));
    }
    let counts = cell.counted.channel(channel);
    let (n, good, interval) = (counts.n(), channel.good(), counts.ci95());
    let (lo, hi) = (percent(interval.lo), percent(interval.hi));
    let told = |outcome: &&ChannelOutcome| !outcome.is_rare() || counts.of(**outcome) > 0;
    let others = channel.outcomes().iter().filter(|outcome| **outcome != good).filter(told);
    let others: Vec<String> = others.map(|outcome| format!("{} {outcome}", counts.of(*outcome))).collect();
    let others = others.join(", ");
    let mut text = format!("{channel}: {} {good} of {n} (95 % CI {lo}–{hi} %), {others}\n", counts.of(good));
    let CellSummary { trials, missed, infra_errors, hung, .. } = cell.counted;
    // Writing to a string does not fail.
    let _ = writeln!(text, "cell: {trials} trials, {missed} missed, {infra_errors} infra-error, {hung} hung");
    if let Some(mean) = cell.counted.log_kept_percent.get(&channel) {
        let _ = writeln!(text, "log: a trial kept {mean} % of what it had logged, on average");
    }
    for (title, trials) in cell.counted.unexpected_splats() {
        let _ = writeln!(text, "splat: {trials} of {} trials log \"{title}\"", cell.counted.counted());
    }
    if let Some(between) = counts.by_template().between() {
        let _ = writeln!(text, "templates: {}, {}", between.templates, templates::figures(&between));
    }
    for judged in expectations(cell, channel) {
        let _ = writeln!(text, "expected: {}", judged.expectation);
    }
    if let Some(trial) = telling_trial(cell, channel) {
        let TrialRecord { index, seed, nonce, .. } = trial;
        let which = if counts.n() == 0 { String::new() } else { format!(" that was not {}", wanted(cell, channel)) };
        let _ = writeln!(text, "first trial{which}: {index}");
        let _ =
            writeln!(text, "  seed {seed}, nonce {}: {}", one_line(nonce), one_line(end(trial, channel).trim_end()));
        if let Some(tail) = console_tail(*index) {
            let _ = writeln!(text, "  the end of its console:\n{}", printable(&tail));
        }
    }
    text
}

/// The root's `skipped` is an extension that strict readers refuse; the suites' own stay.
fn without_root_skipped(xml: &str) -> String {
    let Some((start, rest)) = xml.split_once("<testsuites") else { return xml.to_owned() };
    let Some((root, rest)) = rest.split_once('>') else { return xml.to_owned() };
    let attributes = match root.split_once(" skipped=\"") {
        Some((before, after)) => before.to_owned() + after.split_once('"').map_or("", |(_, after)| after),
        None => root.to_owned(),
    };
    format!("{start}<testsuites{attributes}>{rest}")
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
