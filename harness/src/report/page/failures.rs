//! What failed: the figures of each cell, and what is known of the trials that tell most.

use std::collections::BTreeMap;

use minijinja::Value;
use serde::Serialize;

use super::super::cases::Cell;
use super::Room;
use super::cells::{CameOut, Link, failed, others};
use super::orders::orders_at;
use super::run::RunPage;
use super::trial::TrialView;
use crate::compare::Point;
use crate::model::{CellKey, Expectation, KernelName, TrialRecord};
use crate::results::MeanPercent;
use crate::stats::{percent, wilson};

/// Cells of which single trials are shown; of the others only the figures are.
const SHOWN: usize = 12;

/// Cells of which all that is shown is unfolded; the others unfold their figures.
const UNFOLDED: usize = 3;

/// Cells whose figures are shown; of the others as many are listed.
const FIGURES: usize = 100;

/// Pictures of orders among them.
const ORDERS: usize = 6;

/// What failed.
#[derive(Debug, Default, Serialize)]
pub(super) struct Failures {
    pub shown: Vec<Failure>,
    /// Cells of which nothing is shown here, and how many more there are; they stand in the table of all cells.
    pub further: Vec<Link>,
    pub more: usize,
}

/// A cell of which an expectation failed.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub cell: Link,
    pub figures: Vec<Refuted>,
    /// Whether it is one of the first, of which all is unfolded.
    pub unfolded: bool,
    /// Trials that did not end as expected.
    pub trials: Vec<TrialView>,
    /// The order of steps at its point.
    pub order: Option<Value>,
    /// The cell that has the picture of this point.
    pub order_at: Option<Link>,
}

/// An expectation that was refuted.
#[derive(Debug, Serialize)]
pub(super) struct Refuted {
    pub channel: &'static str,
    /// In a sentence, with its figures.
    pub why: String,
    /// `2 truncated, 15 lost`
    pub others: String,
    /// What the channel kept of the log, on average.
    pub kept: Option<MeanPercent>,
    pub bar: Bar,
    /// The first trial that did not end as expected.
    pub trial: Option<u64>,
}

/// A share with its interval and what was expected, on a line of 300 pixels from 0 to 100 %.
#[derive(Debug, Serialize)]
pub(super) struct Bar {
    pub lo: f64,
    pub at: f64,
    pub hi: f64,
    pub least: f64,
    /// In percent: the share, its interval, what was expected.
    pub words: [String; 4],
}

/// Those cells that failed, in the plan's order.
pub(super) fn failures(page: &RunPage, cells: &[Cell], kernels: &[KernelName], room: &mut Room) -> Failures {
    let mut failures = Failures::default();
    let mut drawn: Vec<(Point, Link)> = Vec::new();
    for cell in cells.iter().filter(|cell| CameOut::of(cell) == CameOut::Failed) {
        let number = failures.shown.len();
        if number >= FIGURES {
            if failures.further.len() < FIGURES {
                failures.further.push(Link::to(cell.key()));
            } else {
                failures.more += 1;
            }
            continue;
        }
        let figures = failed(cell).map(|(judged, why)| refuted(cell, &judged.expectation, why)).collect();
        let mut failure = Failure {
            cell: Link::to(cell.key()),
            figures,
            unfolded: number < UNFOLDED,
            trials: Vec::new(),
            order: None,
            order_at: None,
        };
        if number < SHOWN {
            failure.trials = trials(page, cell, room);
            let point = Point { scenario: cell.key().scenario.clone(), params: cell.key().params.clone() };
            if let Some((_, link)) = drawn.iter().find(|(known, _)| *known == point) {
                failure.order_at = Some(link.clone());
            } else if drawn.len() < ORDERS {
                let picture = orders_at(&point, &own_first(cell.key(), kernels), page.samples, page.artifacts);
                let part = picture.map(|picture| picture.part(&format!("order{number}-")));
                if let Some(part) = part.filter(|part| room.take(part.len())) {
                    failure.order = Some(Value::from_safe_string(part));
                    drawn.push((point, failure.cell.clone()));
                }
            }
        }
        failures.shown.push(failure);
    }
    failures
}

/// The trials that tell why a cell failed: of each channel the first that did not end as expected.
fn trials(page: &RunPage, cell: &Cell, room: &mut Room) -> Vec<TrialView> {
    let telling = failed(cell).filter_map(|(judged, _)| cell.telling_trial(judged.expectation.channel));
    let telling: BTreeMap<u64, &TrialRecord> = telling.map(|trial| (trial.index, trial)).collect();
    telling.into_values().map(|trial| TrialView::of(trial, page.sources(), room)).collect()
}

/// The kernels, that of the cell before the others: where not all have room, it has.
fn own_first(cell: &CellKey, kernels: &[KernelName]) -> Vec<KernelName> {
    let own = cell.kernel();
    let others = kernels.iter().filter(|kernel| **kernel != own).cloned();
    std::iter::once(own.clone()).chain(others).collect()
}

fn refuted(cell: &Cell, expected: &Expectation, why: &str) -> Refuted {
    let Expectation { channel, outcome, at_least } = *expected;
    let counts = cell.counted.channel(channel);
    let share = counts.of_by_template(|it| it == outcome);
    let interval = wilson(share.effective());
    let at = share.pooled().share().unwrap_or_default();
    let pixels = |share: f64| (share * 3000.0).round() / 10.0;
    Refuted {
        channel: channel.name(),
        why: why.to_owned(),
        others: others(counts, channel, outcome),
        kept: cell.counted.log_kept_percent.get(&channel).copied(),
        bar: Bar {
            lo: pixels(interval.lo),
            at: pixels(at),
            hi: pixels(interval.hi),
            least: pixels(at_least),
            words: [percent(at), percent(interval.lo), percent(interval.hi), expected.percent().to_string()],
        },
        trial: cell.telling_trial(channel).map(|trial| trial.index),
    }
}
