//! One comparison of two shares, and what follows from it. Whatever decides, decides here: the comparison, the number
//! of trials still needed, and whether a run may stop.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::stats::{
    Clusters, EValues, Interval, benjamini_hochberg, boschloo_effective, difference_sequence, miettinen_nurminen,
    score_excludes, share_sequence, wilson,
};

/// When a difference is taken for one, and when for none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// A difference counts below this adjusted p-value: the share of false ones to be expected among those found.
    pub alpha: f64,
    /// Shares no further apart than this are the same for the purpose.
    pub margin: f64,
    /// What the p-values and intervals are to stand.
    pub evidence: Evidence,
}

impl Default for Options {
    fn default() -> Self {
        Self { alpha: 0.05, margin: 0.10, evidence: Evidence::Fixed }
    }
}

/// What p-values and intervals are to stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// One look, at a number of trials that was fixed beforehand: Boschloo's test, score intervals.
    #[default]
    Fixed,
    /// Any number of looks, and stopping because of what was seen: e-values, confidence sequences.
    Sequential,
}

impl Evidence {
    /// The interval (95 %) of one share.
    pub(super) fn share(self, seen: &Clusters) -> Interval {
        match self {
            Self::Fixed => wilson(seen.effective()),
            Self::Sequential => share_sequence(seen),
        }
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

/// How often each side had the good outcome, on one channel of one cell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    /// Without the change.
    pub(super) base: Clusters,
    /// With it.
    pub(super) candidate: Clusters,
}

impl Pair {
    /// The candidate's share less the base's; none if nothing counted on one side.
    pub(super) fn difference(&self) -> Option<f64> {
        let [base, candidate] = [&self.base, &self.candidate].map(|side| side.pooled().share());
        base.zip(candidate).map(|(base, candidate)| candidate - base)
    }

    /// The p-value of the hypothesis that both shares are the same, of this test alone.
    pub(super) fn p_value(&self, evidence: Evidence) -> f64 {
        match evidence {
            Evidence::Fixed => boschloo_effective(self.base.effective(), self.candidate.effective()),
            Evidence::Sequential => EValues::of(&self.base, &self.candidate).p_value(),
        }
    }

    /// The interval (95 %) of the difference.
    pub(super) fn interval(&self, evidence: Evidence) -> Interval {
        match evidence {
            Evidence::Fixed => miettinen_nurminen(self.base.effective(), self.candidate.effective()),
            Evidence::Sequential => difference_sequence(&self.base, &self.candidate),
        }
    }

    /// What follows, with a p-value that is adjusted for all tests made.
    pub(super) fn verdict(&self, adjusted_p: f64, options: Options) -> Verdict {
        match self.difference() {
            Some(difference) if adjusted_p < options.alpha && difference < 0.0 => Verdict::Regressed,
            Some(_) if adjusted_p < options.alpha => Verdict::Improved,
            Some(difference) if difference.abs() < options.margin && self.within(options) => Verdict::Same,
            _ => Verdict::Undecided,
        }
    }

    /// Whether the interval of the difference leaves out both ends of the margin; cheaper than the interval itself.
    fn within(&self, Options { margin, evidence, .. }: Options) -> bool {
        match evidence {
            Evidence::Fixed => {
                let (base, candidate) = (self.base.effective(), self.candidate.effective());
                [-margin, margin].into_iter().all(|difference| score_excludes(base, candidate, difference))
            }
            Evidence::Sequential => {
                let e_values = EValues::of(&self.base, &self.candidate);
                [-margin, margin].into_iter().all(|difference| e_values.excludes(difference))
            }
        }
    }
}

/// The p-values of one test of a family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PValues {
    /// The p-value of this test alone.
    pub(super) raw: f64,
    /// Adjusted for the others.
    pub(super) adjusted: f64,
}

/// The p-values of a family of tests; none where nothing counted on one side. Nothing was tested there, so those are no
/// part of the family and do not make the others weaker.
///
/// They are adjusted by Benjamini and Hochberg. Of anytime p-values, which are one over an e-value, this is the e-BH
/// procedure: it holds the false discovery rate however the tests depend on each other (R. Wang, A. Ramdas, "False
/// discovery rate control with e-values", J. R. Statist. Soc. B 84 (2022)).
pub(super) fn p_values(pairs: &[Pair], evidence: Evidence) -> Vec<Option<PValues>> {
    let tested = |pair: &&Pair| pair.difference().is_some();
    // The same counts come up again and again, and an exact test takes its time.
    let mut known: HashMap<&Pair, f64> = HashMap::new();
    let p_value = |pair| *known.entry(pair).or_insert_with(|| pair.p_value(evidence));
    let raw: Vec<f64> = pairs.iter().filter(tested).map(p_value).collect();
    let adjusted = benjamini_hochberg(&raw);
    let mut both = raw.into_iter().zip(adjusted).map(|(raw, adjusted)| PValues { raw, adjusted });
    pairs.iter().map(|pair| pair.difference().and_then(|_| both.next())).collect()
}

/// The adjusted ones alone.
pub(super) fn adjusted(pairs: &[Pair], evidence: Evidence) -> Vec<Option<f64>> {
    p_values(pairs, evidence).into_iter().map(|both| Some(both?.adjusted)).collect()
}
