//! What a cell was expected to do, and whether it did.

use std::collections::BTreeMap;

use super::{CellSummary, PlannedCell, Summary};
use crate::model::{CellKey, Expectation};
use crate::stats::{percent, wilson};

/// Whether an expectation was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// What was seen does not speak against it.
    Met,
    /// What was seen refutes it; in words, with the figures.
    Failed(String),
    /// Nothing counted; in words, why not.
    Unknown(String),
}

/// One expectation of one cell, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The cell.
    pub cell: CellKey,
    /// What was expected of it.
    pub expectation: Expectation,
    /// Whether it was met.
    pub judgement: Judgement,
}

/// Judges every expectation of the plan by what the run counted, in the plan's order.
pub fn judge(summary: &Summary, plan: &[PlannedCell]) -> Vec<Judged> {
    let counted: BTreeMap<&CellKey, &CellSummary> = summary.cells.iter().map(|cell| (&cell.key, cell)).collect();
    let mut judged = Vec::new();
    for planned in plan {
        for &expectation in &planned.expect {
            let judgement = match counted.get(&planned.key) {
                Some(cell) => judge_cell(cell, &expectation),
                None => Judgement::Unknown("no trial was run".to_owned()),
            };
            judged.push(Judged { cell: planned.key.clone(), expectation, judgement });
        }
    }
    judged
}

/// Judges one expectation of a cell: failed when even the upper end of the 95 % Wilson interval of the outcome's share
/// lies below what was expected.
///
/// So a run that says little is let pass, and a share that only happens to lie a little below is no failure. At 0.9,
/// 15 of 20 fail and 16 of 20 pass; of a handful the interval is rough, and 1 of 3 fail.
pub fn judge_cell(cell: &CellSummary, expectation: &Expectation) -> Judgement {
    let counts = cell.channel(expectation.channel);
    if counts.n() == 0 {
        return Judgement::Unknown(cell.why_none_counted(expectation.channel));
    }
    let share = counts.of_by_template(|outcome| outcome == expectation.outcome);
    let (interval, share) = (wilson(share.effective()), share.pooled());
    if interval.hi >= expectation.at_least {
        return Judgement::Met;
    }
    let Expectation { channel, outcome, .. } = expectation;
    let (hits, of, lo, hi) = (share.hits(), share.of(), percent(interval.lo), percent(interval.hi));
    Judgement::Failed(format!(
        "{channel} {outcome} in {hits} of {of} (95 % CI {lo}–{hi} %), expected at least {} %",
        expectation.percent()
    ))
}
