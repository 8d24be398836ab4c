//! Kernels against their references, as tables with a picture of each interval.

use serde::Serialize;

use super::super::cases::Cell;
use super::super::compare::{compare_remarks, difference_text, p_adjusted_text, verdicts_text};
use super::anchor::anchor;
use crate::compare::{ComparedCell, Comparison, Evidence, Options, Point, Share, Verdict, compare, references};
use crate::model::{CellKey, KernelName};
use crate::results::{CellSummary, RunInfo};
use crate::stats::percent;

/// Rows of all comparisons together that are shown: what differs before what does not.
const MOST_ROWS: usize = 500;

/// Cells that are compared at most. An exact test takes its time, and what is not compared here is by `harness compare`.
const MOST_CELLS: usize = 600;

/// One kernel compared with its reference.
#[derive(Debug, Serialize)]
pub(super) struct ComparisonView {
    pub base: String,
    pub candidate: String,
    /// `2 regressed, 1 improved, 9 same, 0 undecided`
    pub verdicts: String,
    /// Whether something got worse.
    pub regressed: bool,
    /// What its intervals and p-values are.
    pub evidence: &'static str,
    /// What is shown to differ, and what is not.
    pub differ: Vec<ComparedRow>,
    pub others: Vec<ComparedRow>,
    /// Rows for which there is no room.
    pub left_out: usize,
    /// What else is to be said of it, a line each.
    pub remarks: Vec<String>,
}

/// One channel of one point.
#[derive(Debug, Serialize)]
pub(super) struct ComparedRow {
    /// The candidate's cell.
    pub anchor: String,
    pub point: String,
    pub channel: &'static str,
    pub base: SideView,
    pub candidate: SideView,
    /// In percentage points, with its interval.
    pub difference: String,
    pub plot: Option<Plot>,
    pub p: String,
    pub verdict: &'static str,
    /// A sign that tells the verdict without colour.
    pub sign: &'static str,
    /// Trials a side that would decide it.
    pub more: Option<u32>,
}

/// A side's share.
#[derive(Debug, Serialize)]
pub(super) struct SideView {
    pub good: u32,
    pub n: u32,
    pub lo: String,
    pub hi: String,
}

/// Where a difference and its interval lie on a line of 200 pixels from -100 to +100 percentage points.
#[derive(Debug, Serialize)]
pub(super) struct Plot {
    pub lo: f64,
    pub at: f64,
    pub hi: f64,
}

/// The comparisons of a run, of each kernel with its reference, in the plan's order, and which were not made because there are
/// too many cells.
pub(super) fn comparisons(info: &RunInfo, cells: &[Cell]) -> (Vec<ComparisonView>, Vec<String>) {
    let sequential = info.until.is_some();
    let evidence = if sequential { Evidence::Sequential } else { Evidence::Fixed };
    let options = Options { evidence, ..Options::default() };
    let of = |kernel: &KernelName| -> Vec<CellSummary> {
        let own = cells.iter().filter(|cell| cell.key().kernel() == *kernel);
        own.map(|cell| cell.counted.clone()).collect()
    };
    let (mut rows_left, mut cells_left) = (MOST_ROWS, MOST_CELLS);
    let (mut views, mut not_made) = (Vec::new(), Vec::new());
    for (kernel, reference) in references(cells.iter().map(Cell::key)) {
        let (base, candidate) = (of(&reference), of(&kernel));
        let Some(left) = cells_left.checked_sub(candidate.len()) else {
            not_made.push(format!("harness compare --run {} {reference} {kernel}", info.run_id));
            continue;
        };
        cells_left = left;
        // A point that stands twice on one side cannot be of a run that was planned.
        let Ok(comparison) = compare(&base, &candidate, options) else { continue };
        if !comparison.cells.is_empty() || !comparison.skipped.is_empty() {
            let view = ComparisonView::of(&comparison, &kernel, &reference, rows_left);
            rows_left = rows_left.saturating_sub(view.differ.len() + view.others.len());
            views.push(view);
        }
    }
    (views, not_made)
}

impl ComparisonView {
    fn of(comparison: &Comparison, kernel: &KernelName, reference: &KernelName, rows: usize) -> Self {
        let mut cells: Vec<&ComparedCell> = comparison.cells.iter().collect();
        // Stable: what came out alike keeps the plan's order.
        cells.sort_by_key(|cell| place(cell.verdict));
        let left_out = cells.len().saturating_sub(rows);
        cells.truncate(rows);
        let differs = |cell: &&ComparedCell| matches!(cell.verdict, Verdict::Regressed | Verdict::Improved);
        let (differ, others): (Vec<_>, Vec<_>) = cells.into_iter().partition(differs);
        let rows = |cells: Vec<&ComparedCell>| cells.into_iter().map(|cell| ComparedRow::of(cell, kernel)).collect();
        Self {
            base: reference.to_string(),
            candidate: kernel.to_string(),
            verdicts: verdicts_text(comparison),
            regressed: comparison.regressed(),
            evidence: match comparison.evidence {
                Evidence::Fixed => "95 % intervals; p: Boschloo's exact test, adjusted for all rows",
                Evidence::Sequential => "95 % confidence sequences; p adjusted for all rows; both hold at any look",
            },
            differ: rows(differ),
            others: rows(others),
            left_out,
            remarks: compare_remarks(comparison),
        }
    }
}

impl ComparedRow {
    fn of(cell: &ComparedCell, kernel: &KernelName) -> Self {
        let Point { scenario, params } = &cell.point;
        let key = CellKey {
            variant: kernel.variant.clone(),
            base: kernel.base.clone(),
            scenario: scenario.clone(),
            params: params.clone(),
        };
        let pixels = |share: f64| (1000.0 + share * 1000.0).round() / 10.0;
        let side = |Share { n, saved, ci95, .. }: Share| SideView {
            good: saved,
            n,
            lo: percent(ci95.lo),
            hi: percent(ci95.hi),
        };
        Self {
            anchor: anchor(&key),
            point: cell.point.to_string(),
            channel: cell.channel.name(),
            base: side(cell.base),
            candidate: side(cell.candidate),
            difference: difference_text(cell),
            plot: cell.difference.map(|at| Plot {
                lo: pixels(cell.difference_ci95.lo),
                at: pixels(at),
                hi: pixels(cell.difference_ci95.hi),
            }),
            p: p_adjusted_text(cell),
            verdict: match cell.verdict {
                Verdict::Regressed => "regressed",
                Verdict::Improved => "improved",
                Verdict::Same => "same",
                Verdict::Undecided => "undecided",
            },
            sign: match cell.verdict {
                Verdict::Regressed => "▼",
                Verdict::Improved => "▲",
                Verdict::Same => "=",
                Verdict::Undecided => "?",
            },
            more: cell.trials_to_decide,
        }
    }
}

/// What is looked for first stands first.
const fn place(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Regressed => 0,
        Verdict::Improved => 1,
        Verdict::Undecided => 2,
        Verdict::Same => 3,
    }
}
