//! The comparison itself.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::Error;
use crate::model::{Channel, ChannelOutcome, Params};
use crate::results::{CellSummary, Counts};
use crate::stats::{Interval, Proportion, benjamini_hochberg, fisher, newcombe};

/// When a difference is taken for one, and when for none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// A difference counts below this adjusted p-value: the share of false ones to be expected among those found.
    pub alpha: f64,
    /// Shares no further apart than this are the same for the purpose.
    pub margin: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self { alpha: 0.05, margin: 0.10 }
    }
}

/// What a comparison says of one channel of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The candidate saves less often.
    Regressed,
    /// The candidate saves more often.
    Improved,
    /// The two are shown to differ by no more than the margin.
    Same,
    /// Neither a difference nor its absence is shown: more trials are needed.
    Undecided,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Regressed => "regressed",
            Self::Improved => "improved",
            Self::Same => "same",
            Self::Undecided => "undecided",
        })
    }
}

/// A point of a scenario's sweep.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Point {
    /// The scenario.
    pub scenario: String,
    /// The values.
    pub params: Params,
}

/// How often one side saved everything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Trials that counted.
    pub n: u32,
    /// Those in which everything was saved.
    pub saved: u32,
    /// The Wilson interval (95 %) of the share.
    pub ci95: Interval,
}

/// One channel of one cell, on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedCell {
    /// The cell.
    #[serde(flatten)]
    pub point: Point,
    /// The channel.
    pub channel: Channel,
    /// Without the change.
    pub base: Share,
    /// With it.
    pub candidate: Share,
    /// The candidate's share less the base's, −1 to 1; none if nothing counted on one side.
    pub difference: Option<f64>,
    /// The Newcombe interval (95 %) of the difference.
    #[serde(skip)]
    pub difference_ci95: Interval,
    /// Fisher's exact test, two-sided, Benjamini-Hochberg adjusted over the comparison.
    pub p_value: f64,
    /// What follows.
    pub verdict: Verdict,
}

/// All cells of two columns; none is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The cells both sides have, in the base's order, each with all channels.
    pub cells: Vec<ComparedCell>,
    /// What only the base has.
    pub only_in_base: Vec<Point>,
    /// What only the candidate has.
    pub only_in_candidate: Vec<Point>,
}

impl Comparison {
    /// Whether anything got worse.
    pub fn regressed(&self) -> bool {
        self.cells.iter().any(|cell| cell.verdict == Verdict::Regressed)
    }
}

/// Compares two columns point by point and channel by channel.
///
/// The columns' variants and bases play no part: only scenario and parameters say which cells belong together.
pub fn compare(base: &[CellSummary], candidate: &[CellSummary], options: Options) -> Result<Comparison, Error> {
    let base_by_point = by_point(base)?;
    let mut candidate_by_point = by_point(candidate)?;
    let mut cells = Vec::new();
    let mut only_in_base = Vec::new();
    for cell in base {
        let point = Point::of(cell);
        match candidate_by_point.remove(&point) {
            Some(other) => {
                let channels = Channel::ALL.into_iter();
                cells.extend(
                    channels.map(|channel| pair(&point, channel, cell.channel(channel), other.channel(channel))),
                );
            }
            None => only_in_base.push(point),
        }
    }
    let only_in_candidate =
        candidate.iter().map(Point::of).filter(|point| !base_by_point.contains_key(point)).collect();

    adjust(&mut cells);
    for cell in &mut cells {
        cell.verdict = verdict(cell, options);
    }
    Ok(Comparison { cells, only_in_base, only_in_candidate })
}

impl Point {
    fn of(cell: &CellSummary) -> Self {
        Self { scenario: cell.key.scenario.clone(), params: cell.key.params.clone() }
    }
}

impl fmt::Display for Point {
    /// `panic-during-oops-dump hold=300ms post_notifiers=0`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scenario)?;
        self.params.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

fn by_point(cells: &[CellSummary]) -> Result<BTreeMap<Point, &CellSummary>, Error> {
    let mut by_point = BTreeMap::new();
    for cell in cells {
        let point = Point::of(cell);
        if by_point.contains_key(&point) {
            return Err(Error::Twice { cell: point.to_string() });
        }
        by_point.insert(point, cell);
    }
    Ok(by_point)
}

/// Both sides of one channel, with the p-value not yet adjusted and nothing decided.
fn pair(point: &Point, channel: Channel, base: Counts, candidate: Counts) -> ComparedCell {
    let saved = |counts: Counts| counts.proportion(ChannelOutcome::Saved);
    let share = |share: Proportion, counts: Counts| Share { n: share.of(), saved: share.hits(), ci95: counts.ci95() };
    let (p_base, p_candidate) = (saved(base), saved(candidate));
    ComparedCell {
        point: point.clone(),
        channel,
        base: share(p_base, base),
        candidate: share(p_candidate, candidate),
        difference: p_base.share().zip(p_candidate.share()).map(|(base, candidate)| candidate - base),
        difference_ci95: newcombe(p_base, p_candidate),
        p_value: fisher(p_base, p_candidate),
        verdict: Verdict::Undecided,
    }
}

/// Adjusts the p-values for each other. Where nothing counted on one side nothing was tested, so those are no part of
/// the family and do not make the others weaker.
fn adjust(cells: &mut [ComparedCell]) {
    let mut tested: Vec<&mut ComparedCell> = cells.iter_mut().filter(|cell| cell.difference.is_some()).collect();
    let p_values: Vec<f64> = tested.iter().map(|cell| cell.p_value).collect();
    for (cell, adjusted) in tested.iter_mut().zip(benjamini_hochberg(&p_values)) {
        cell.p_value = adjusted;
    }
}

fn verdict(cell: &ComparedCell, options: Options) -> Verdict {
    let Interval { lo, hi } = cell.difference_ci95;
    match cell.difference {
        Some(difference) if cell.p_value < options.alpha && difference < 0.0 => Verdict::Regressed,
        Some(_) if cell.p_value < options.alpha => Verdict::Improved,
        Some(_) if -options.margin < lo && hi < options.margin => Verdict::Same,
        _ => Verdict::Undecided,
    }
}
