//! What a search has found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::causes::Cause;
use super::moments::Moment;
use crate::model::Channel;
use crate::model::schedule::{HoldOutcome, Schedule};
use crate::stats::{Interval, Proportion, wilson};

/// What became of trials that were to follow one order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forced {
    /// All of them.
    pub trials: u32,
    /// Those in which the order came true, and that tell of the channel.
    pub kept: u32,
    /// Those among them in which the log was lost.
    pub lost: u32,
    /// For how long those held CPUs, in nanoseconds.
    pub held_ns: u64,
    /// Why it did not come true in the others, and in how many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_kept: BTreeMap<HoldOutcome, u32>,
}

impl Forced {
    pub(super) fn add(&mut self, lost: Option<bool>, not_kept: Option<HoldOutcome>, held_ns: u64) {
        self.trials += 1;
        match (not_kept, lost) {
            (Some(why), _) => *self.not_kept.entry(why).or_insert(0) += 1,
            (None, Some(lost)) => {
                self.kept += 1;
                self.lost += u32::from(lost);
                self.held_ns = self.held_ns.saturating_add(held_ns);
            }
            // It tells nothing: the guest ended by something else, or we failed.
            (None, None) => {}
        }
    }

    /// Whether more than half of them lose the log.
    pub fn loses(&self) -> bool {
        self.lost * 2 > self.kept
    }

    /// The most frequent reason for which it did not come true.
    pub(super) fn why_not(&self) -> Option<HoldOutcome> {
        self.not_kept.iter().max_by_key(|(_, times)| **times).map(|(why, _)| *why)
    }

    /// These and others together.
    pub(super) fn and(&self, other: &Self) -> Self {
        let mut all = self.clone();
        all.trials += other.trials;
        all.kept += other.kept;
        all.lost += other.lost;
        all.held_ns = all.held_ns.saturating_add(other.held_ns);
        for (why, times) in &other.not_kept {
            *all.not_kept.entry(*why).or_insert(0) += times;
        }
        all
    }

    /// The 95 % interval of the share that loses the log.
    pub fn ci95(&self) -> Interval {
        wilson(Proportion::new(self.lost, self.kept).unwrap_or_default())
    }
}

/// A pair of moments on two CPUs that was seen in one order, and is forced in the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The moment that is forced to come first, by its number; it was seen to come later.
    pub first: usize,
    /// The moment that comes after it.
    pub then: usize,
    /// What became of it.
    #[serde(flatten)]
    pub forced: Forced,
    /// Why it cannot be forced, or was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<HoldOutcome>,
}

/// How much of what was seen was forced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Pairs on two CPUs that were seen in one order.
    pub seen: u32,
    /// Those that were forced in the other one.
    pub forced: u32,
    /// Those that cannot be, and why: `bound` is that the CPU needs the held one to come there.
    pub infeasible: BTreeMap<HoldOutcome, u32>,
    /// Those that were not tried yet.
    pub left: u32,
}

/// What was found on one kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Findings {
    /// The channel that was looked at.
    pub channel: Channel,
    /// The moments, by the CPU's role and in their order.
    pub moments: Vec<Moment>,
    /// Trials that were let run as they come.
    pub as_it_comes: Forced,
    /// How much was forced.
    pub coverage: Coverage,
    /// What loses the log, the smallest cause first.
    pub causes: Vec<Cause>,
    /// Every pair.
    pub pairs: Vec<Pair>,
    /// Orders that were forced on top of causes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deeper: Vec<(Schedule, Forced)>,
}

/// An order in which one kernel loses the log, and another one does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The moment that is forced to come first.
    pub first: Moment,
    /// The moment that comes after it.
    pub then: Moment,
    /// Trials of the one.
    pub loses: Forced,
    /// Trials of the other.
    pub saves: Forced,
}

/// The orders that were forced on both, and that only one loses the log in.
pub fn differences(loses: &Findings, saves: &Findings) -> Vec<Difference> {
    let moment = |of: &Findings, number: usize| of.moments.get(number).cloned();
    let mut found = Vec::new();
    for pair in loses.pairs.iter().filter(|pair| pair.forced.kept > 0 && pair.forced.loses()) {
        let (Some(first), Some(then)) = (moment(loses, pair.first), moment(loses, pair.then)) else { continue };
        let same = |other: &&Pair| {
            saves.moments.get(other.first) == Some(&first) && saves.moments.get(other.then) == Some(&then)
        };
        if let Some(other) = saves.pairs.iter().find(same).filter(|it| it.forced.kept > 0 && !it.forced.loses()) {
            found.push(Difference { first, then, loses: pair.forced.clone(), saves: other.forced.clone() });
        }
    }
    found
}
