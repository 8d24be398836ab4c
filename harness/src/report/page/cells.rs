//! The cells of a run, with all that is known of each, and how each came out.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::cases::{Cell, State};
use super::super::summary::none_counted;
use super::anchor::anchor;
use crate::model::{CellKey, Channel, ChannelOutcome, assignments};
use crate::results::{CellSummary, Counts, Judged, Judgement};
use crate::stats::percent;

/// How a cell came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CameOut {
    /// An expectation of it failed.
    Failed,
    /// Likewise, and all that failed is known.
    Known,
    /// What was expected of it is so, as far as it could be judged.
    Met,
    /// Nothing was expected of it.
    Measured,
    /// Nothing of what was to be judged counted.
    Unknown,
    /// Its kernel or guest is not fit for it.
    Skipped,
}

impl CameOut {
    /// All of them, in the order of reports.
    pub(super) const ALL: [Self; 6] =
        [Self::Failed, Self::Known, Self::Met, Self::Measured, Self::Unknown, Self::Skipped];

    /// A sign that tells it without colour.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Failed => "✗",
            Self::Known => "≈",
            Self::Met => "✓",
            Self::Measured => "○",
            Self::Unknown => "?",
            Self::Skipped => "–",
        }
    }

    /// In words.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Known => "failed, as is known",
            Self::Met => "as expected",
            Self::Measured => "only measured",
            Self::Unknown => "nothing counted",
            Self::Skipped => "skipped",
        }
    }
}

impl CameOut {
    /// How this cell did.
    pub(super) fn of(cell: &Cell) -> Self {
        let any = |is: fn(&State) -> bool| Channel::ALL.into_iter().any(|channel| is(&cell.state(channel)));
        let expected = |channel: Channel| cell.expectations(channel).next().is_some();
        if cell.counted.skipped.is_some() {
            Self::Skipped
        } else if any(|state| matches!(state, State::Failed(_))) {
            Self::Failed
        } else if any(|state| matches!(state, State::Known { .. })) {
            Self::Known
        } else if any(|state| matches!(state, State::Met)) {
            Self::Met
        } else if cell.counted.counted() == 0 || Channel::ALL.into_iter().any(expected) {
            Self::Unknown
        } else {
            Self::Measured
        }
    }
}

/// The expectations of a cell that failed and are not known to, each with the figures in a sentence.
pub(super) fn failed<'a>(cell: &'a Cell) -> impl Iterator<Item = (&'a Judged, &'a str)> {
    let new = |channel: &Channel| matches!(cell.state(*channel), State::Failed(_));
    let all = Channel::ALL.into_iter().filter(new).flat_map(|channel| cell.expectations(channel));
    all.filter_map(|judged| match &judged.judgement {
        Judgement::Failed(why) => Some((judged, why.as_str())),
        Judgement::Met | Judgement::Unknown(_) => None,
    })
}

/// A cell that is referred to.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Link {
    /// The id of its row.
    pub anchor: String,
    /// Its name.
    pub name: String,
}

impl Link {
    pub(super) fn to(key: &CellKey) -> Self {
        Self { anchor: anchor(key), name: key.to_string() }
    }
}

/// Rows of cells that differ only in their kernel.
#[derive(Debug, Serialize)]
pub(super) struct Group {
    /// Scenario and parameters.
    pub point: String,
    pub rows: Vec<Row>,
}

/// One cell in the table of all cells.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub anchor: String,
    pub kernel: String,
    pub state: CameOut,
    pub sign: &'static str,
    /// One for each channel that is reported.
    pub figures: Vec<Figure>,
    pub hung: u32,
    pub missed: u32,
    pub infra_errors: u32,
}

/// How often a channel had its good outcome.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    /// How good that is, 0 to 5; none if nothing counted.
    pub shade: Option<u8>,
    /// In words, where nothing counted.
    pub none: Option<&'static str>,
    pub good: u32,
    pub n: u32,
    /// In percent, and the ends of its 95 % interval.
    pub percent: String,
    pub lo: String,
    pub hi: String,
    /// An expectation of it failed.
    pub failed: bool,
}

impl Figure {
    pub(super) fn of(cell: &Cell, channel: Channel) -> Self {
        let counts = cell.counted.channel(channel);
        let (good, interval) = (counts.good(), counts.ci95());
        Self {
            shade: shade(counts),
            none: (counts.n() == 0).then(|| none_counted(&cell.counted, channel)),
            good: good.hits(),
            n: good.of(),
            percent: good.share().map(percent).unwrap_or_default(),
            lo: percent(interval.lo),
            hi: percent(interval.hi),
            failed: matches!(cell.state(channel), State::Failed(_)),
        }
    }
}

/// Five steps from none to all; all and none have one of their own.
fn shade(counts: &Counts) -> Option<u8> {
    let share = counts.good().share()?;
    Some(match share {
        share if share <= 0.0 => 0,
        share if share < 0.25 => 1,
        share if share < 0.5 => 2,
        share if share < 0.8 => 3,
        share if share < 1.0 => 4,
        _ => 5,
    })
}

/// The table of all cells: by point in the plan's order, variants below each other.
pub(super) fn groups(cells: &[Cell], channels: &[Channel]) -> Vec<Group> {
    let mut places = BTreeMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for cell in cells {
        let CellSummary { hung, missed, infra_errors, .. } = cell.counted;
        let key = cell.key();
        let place = *places.entry((&key.scenario, &key.params)).or_insert_with(|| {
            let point = format!("{} {}", key.scenario, assignments(&key.params)).trim_end().to_owned();
            groups.push(Group { point, rows: Vec::new() });
            groups.len() - 1
        });
        let state = CameOut::of(cell);
        groups[place].rows.push(Row {
            anchor: anchor(key),
            kernel: key.kernel().to_string(),
            state,
            sign: state.sign(),
            figures: channels.iter().map(|channel| Figure::of(cell, *channel)).collect(),
            hung,
            missed,
            infra_errors,
        });
    }
    groups
}

/// The outcomes of a channel besides one of them: `2 truncated, 15 lost`.
pub(super) fn others(counts: &Counts, channel: Channel, but: ChannelOutcome) -> String {
    let others = channel.outcomes().iter().filter(|outcome| **outcome != but && counts.of(**outcome) > 0);
    others.map(|outcome| format!("{} {outcome}", counts.of(*outcome))).collect::<Vec<_>>().join(", ")
}
