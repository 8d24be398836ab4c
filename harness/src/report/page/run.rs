//! A whole run as a page.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::cases::{Cell, Reported, State};
use super::super::summary::unexpected;
use super::super::templates::differing;
use super::cells::{CameOut, Group, Link, groups};
use super::comparison::{ComparisonView, comparisons};
use super::curves::{Curves, curves};
use super::facts::Facts;
use super::failures::{Failures, failures};
use super::map::Map;
use super::orders::Samples;
use super::render::{PageError, render};
use super::trial::Sources;
use super::{Artifacts, Room};
use crate::model::{Channel, KernelName, TrialOutcome};
use crate::text::plural;

/// How much of a console's end is shown: lines, of so many bytes at most.
const CONSOLE: (usize, usize) = (24, 4096);

/// Bytes for consoles and pictures. The tables of five thousand cells take four times as much, and browsers take their time with
/// more.
const ROOM: usize = 768 << 10;

/// Cells whose rows have links; of more they take more room than they are worth.
const LINKED: usize = 1000;

/// Lines of a list that only adds to what stands elsewhere.
const LINES: usize = 100;

/// What the page of a run is made of.
#[derive(Clone, Copy)]
pub struct RunPage<'a> {
    /// The run, what it counted and what was expected of it.
    pub reported: Reported<'a>,
    /// The trials of which the order of steps is told.
    pub samples: &'a Samples,
    /// What trials left.
    pub artifacts: &'a dyn Artifacts,
    /// How many trials are recorded.
    pub finished: u64,
}

impl<'a> RunPage<'a> {
    /// Where single trials are taken from.
    pub(super) fn sources(&self) -> Sources<'a> {
        Sources { info: self.reported.info, artifacts: self.artifacts, console: CONSOLE }
    }
}

/// The page of a run, as HTML.
pub fn run_page(page: &RunPage) -> Result<String, PageError> {
    render("run.html", &RunView::of(page))
}

/// A run.
#[derive(Debug, Serialize)]
struct RunView {
    run_id: String,
    started: String,
    verdict: Verdict,
    counts: Vec<Count>,
    /// What the reader should know before all else, a sentence each.
    warnings: Vec<String>,
    failures: Failures,
    known: Vec<KnownFailure>,
    /// How many more there are.
    more_known: usize,
    map: Map,
    comparisons: Vec<ComparisonView>,
    not_compared: Vec<String>,
    curves: Curves,
    /// Reports of the kernel's that nobody has asked for, and templates that differ; a line each.
    noted: Lines,
    skipped: Vec<Skipped>,
    uncounted: Uncounted,
    channels: Vec<&'static str>,
    groups: Vec<Group>,
    /// Whether each cell's row has a link to itself, for others to copy.
    linked: bool,
    facts: Facts,
}

/// What came of the run, in a line.
#[derive(Debug, Serialize)]
struct Verdict {
    state: CameOut,
    sign: &'static str,
    words: String,
}

/// How many cells came out in a way.
#[derive(Debug, Serialize)]
struct Count {
    state: CameOut,
    sign: &'static str,
    words: &'static str,
    cells: usize,
}

/// Lines, and how many more there are.
#[derive(Debug, Serialize)]
struct Lines {
    shown: Vec<String>,
    more: usize,
}

/// A channel of a cell that failed, as is known.
#[derive(Debug, Serialize)]
struct KnownFailure {
    cell: Link,
    channel: &'static str,
    /// In a sentence, with its figures.
    why: String,
    /// Where more is said of it.
    link: String,
    /// The day since when.
    since: String,
}

/// Cells that were skipped for one reason.
#[derive(Debug, Serialize)]
struct Skipped {
    reason: String,
    cells: usize,
    shown: Vec<Link>,
}

/// Trials that are in no figure.
#[derive(Debug, Serialize)]
struct Uncounted {
    trials: u64,
    missed: u64,
    infra_errors: u64,
    hung: u64,
    retried: u64,
    /// Cells of which none counted, each with the reason of one.
    cells: Vec<(Link, String)>,
    more: usize,
}

impl RunView {
    fn of(page: &RunPage) -> Self {
        let Reported { info, summary, .. } = page.reported;
        let cells = page.reported.cells();
        let channels = summary.channels();
        let kernels = kernels(&cells);
        let mut room = Room(ROOM);
        let (comparisons, not_compared) = comparisons(info, &cells);
        let mut known = known(&cells);
        let more_known = known.len().saturating_sub(LINES);
        known.truncate(LINES);
        Self {
            run_id: info.run_id.clone(),
            started: info.started.clone(),
            verdict: verdict(&cells),
            counts: counts(&cells),
            warnings: warnings(page),
            failures: failures(page, &cells, &kernels, &mut room),
            known,
            more_known,
            map: Map::of(&cells, &channels),
            comparisons,
            not_compared,
            curves: curves(summary, &mut room),
            noted: Lines::of(unexpected(summary).chain(differing(summary)).collect()),
            skipped: skipped(&cells),
            uncounted: uncounted(&cells),
            groups: groups(&cells, &channels),
            linked: cells.len() <= LINKED,
            channels: channels.into_iter().map(Channel::name).collect(),
            facts: Facts::of(info),
        }
    }
}

impl Lines {
    fn of(mut lines: Vec<String>) -> Self {
        let more = lines.len().saturating_sub(LINES);
        lines.truncate(LINES);
        Self { shown: lines, more }
    }
}

/// The kernels, in the plan's order.
fn kernels(cells: &[Cell]) -> Vec<KernelName> {
    let mut kernels = Vec::new();
    for cell in cells {
        let kernel = cell.key().kernel();
        if !kernels.contains(&kernel) {
            kernels.push(kernel);
        }
    }
    kernels
}

fn known(cells: &[Cell]) -> Vec<KnownFailure> {
    let of_cell = |cell: &Cell| {
        let of_channel = |channel: Channel| match cell.state(channel) {
            State::Known { why, link, since } => {
                Some(KnownFailure { cell: Link::to(cell.key()), channel: channel.name(), why, link, since })
            }
            _ => None,
        };
        Channel::ALL.into_iter().filter_map(of_channel).collect::<Vec<_>>()
    };
    cells.iter().flat_map(of_cell).collect()
}

fn number(cells: &[Cell], state: CameOut) -> usize {
    cells.iter().filter(|cell| CameOut::of(cell) == state).count()
}

fn verdict(cells: &[Cell]) -> Verdict {
    let [failed, known, met, measured, unknown] =
        [CameOut::Failed, CameOut::Known, CameOut::Met, CameOut::Measured, CameOut::Unknown]
            .map(|state| number(cells, state));
    let (state, words) = match (failed, known, met, measured, unknown) {
        (0, 0, 0, 0, 0) => (CameOut::Skipped, "No cell was run".to_owned()),
        (0, 0, 0, 0, _) => (CameOut::Unknown, "Nothing counted".to_owned()),
        (0, 0, 0, _, _) => (CameOut::Measured, "Measured; nothing was expected".to_owned()),
        (0, 0, _, _, _) => (CameOut::Met, "All that was expected is so, as far as it counted".to_owned()),
        (0, known, ..) => (CameOut::Known, format!("{} failed, as is known, and no other", plural(known, "cell"))),
        (failed, ..) => (CameOut::Failed, format!("{} failed, of {}", plural(failed, "cell"), cells.len())),
    };
    Verdict { state, sign: state.sign(), words }
}

fn counts(cells: &[Cell]) -> Vec<Count> {
    let count = |state: CameOut| Count { state, sign: state.sign(), words: state.words(), cells: number(cells, state) };
    // Most runs know nothing of known failures.
    let shown = |count: &Count| count.cells > 0 || !matches!(count.state, CameOut::Known);
    CameOut::ALL.map(count).into_iter().filter(shown).collect()
}

fn warnings(page: &RunPage) -> Vec<String> {
    let info = page.reported.info;
    let planned: u64 = info.cells.iter().map(|cell| u64::from(cell.trials)).sum();
    let mut warnings = Vec::new();
    // A sequential run has as many as it took, and a shard its part.
    if info.until.is_none() && info.shard.is_none() && page.finished < planned {
        warnings.push(format!("Not complete: {} of {planned} trials were not run.", planned - page.finished));
    }
    if let Some(shard) = info.shard {
        warnings.push(format!("A part of its plan: shard {} of {}.", shard.index(), shard.of()));
    }
    warnings
}

/// The reasons for which cells were skipped, in the order of their first cells.
fn skipped(cells: &[Cell]) -> Vec<Skipped> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut skipped: Vec<Skipped> = Vec::new();
    for (cell, reason) in cells.iter().filter_map(|cell| Some((cell, cell.counted.skipped.as_deref()?))) {
        let place = *places.entry(reason).or_insert_with(|| {
            skipped.push(Skipped { reason: reason.to_owned(), cells: 0, shown: Vec::new() });
            skipped.len() - 1
        });
        let of_reason = &mut skipped[place];
        of_reason.cells += 1;
        if of_reason.shown.len() < LINES {
            of_reason.shown.push(Link::to(cell.key()));
        }
    }
    skipped
}

fn uncounted(cells: &[Cell]) -> Uncounted {
    let sum = |count: fn(&Cell) -> u32| cells.iter().map(|cell| u64::from(count(cell))).sum();
    let of_none = cells.iter().filter(|cell| cell.counted.skipped.is_none() && cell.counted.counted() == 0);
    let mut none: Vec<(Link, String)> = of_none.map(|cell| (Link::to(cell.key()), why_none(cell))).collect();
    let more = none.len().saturating_sub(LINES);
    none.truncate(LINES);
    Uncounted {
        trials: sum(|cell| cell.counted.trials),
        missed: sum(|cell| cell.counted.missed),
        infra_errors: sum(|cell| cell.counted.infra_errors),
        hung: sum(|cell| cell.counted.hung),
        retried: sum(|cell| cell.counted.retried),
        cells: none,
        more,
    }
}

/// Why no trial of a cell counted: how many were what, and how the first one ended.
fn why_none(cell: &Cell) -> String {
    let why = cell.counted.why_none_counted(Channel::Console);
    let first = cell.telling_trial(Channel::Console).map(|trial| match &trial.outcome {
        TrialOutcome::Missed { reason } => format!("; trial {}: {reason}", trial.index),
        TrialOutcome::InfraError { cause } => format!("; trial {}: {cause}", trial.index),
        TrialOutcome::Counted { .. } => String::new(),
    });
    why + &first.unwrap_or_default()
}
