//! What a cell was expected to do, and whether it did.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CellSummary, PlannedCell, Summary};
use crate::model::{CellKey, Channel, ChannelOutcome};
use crate::stats::{percent, wilson};

/// That a channel comes to an outcome with at least this probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// The channel.
    pub channel: Channel,
    /// The outcome it should come to.
    pub outcome: ChannelOutcome,
    /// The least probability, 0 to 1.
    #[serde(default = "Expectation::default_at_least")]
    pub at_least: f64,
}

impl Expectation {
    /// The least probability where none is named. Not 1: a share of exactly all would be refuted by a single trial, and
    /// no number of trials could show it.
    pub const AT_LEAST: f64 = 0.9;

    const fn default_at_least() -> f64 {
        Self::AT_LEAST
    }

    /// To a hundredth: 0.999 is not 100 %, and 0.57 is not 56.99999999999999 %.
    fn percent(&self) -> f64 {
        (self.at_least * 1e4).round() / 1e2
    }
}

impl fmt::Display for Expectation {
    /// `pstore saved in at least 90 %`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} in at least {} %", self.channel, self.outcome, self.percent())
    }
}

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
        return Judgement::Unknown(cell.why_none_counted());
    }
    let share = counts.proportion(expectation.outcome);
    let interval = wilson(share);
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
