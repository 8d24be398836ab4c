//! The sequences of a cell's trials, counted.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;

use super::diff::{Change, diff};
use super::steps::{OrderStep, is_incomplete, steps};
use crate::model::timeline::Timeline;

/// Counts the sequences of trials.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    sequences: BTreeMap<Vec<OrderStep>, Seen>,
    incomplete: u32,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    trials: u32,
    /// The least of their numbers.
    first: u64,
}

/// The canonical sequence: the one that most trials followed; of several, the one that was seen first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Order {
    /// Trials whose sequence is known.
    pub trials: u32,
    /// Those whose sequence was this one.
    pub followed: u32,
    /// Trials of which not all steps were kept; in no other figure.
    pub incomplete: u32,
    /// One of those that followed it, by its number in the run.
    pub example: u64,
    /// The sequence.
    pub steps: Vec<OrderStep>,
    /// The other sequences, the most frequent first.
    pub deviations: Vec<Deviation>,
}

/// A sequence that is not the canonical one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deviation {
    /// Trials that followed it.
    pub trials: u32,
    /// One of them.
    pub example: u64,
    /// What it takes to turn the canonical sequence into it.
    pub changes: Vec<Change>,
}

impl Tally {
    /// Counts the sequence of a trial. One of which not all was kept is only counted as such.
    pub fn add(&mut self, trial: u64, timeline: &Timeline) {
        if is_incomplete(timeline) {
            self.incomplete += 1;
            return;
        }
        let seen = self.sequences.entry(steps(timeline)).or_insert(Seen { trials: 0, first: trial });
        seen.trials += 1;
        seen.first = seen.first.min(trial);
    }

    /// The canonical sequence, and at most `most` that deviated; `None` if no trial's sequence is known.
    pub fn order(self, most: usize) -> Option<Order> {
        let trials = self.sequences.values().map(|seen| seen.trials).sum();
        let mut sequences: Vec<(Vec<OrderStep>, Seen)> = self.sequences.into_iter().collect();
        sequences.sort_by_key(|(_, seen)| (Reverse(seen.trials), seen.first));
        let mut sequences = sequences.into_iter();
        let (steps, Seen { trials: followed, first }) = sequences.next()?;
        let deviation = |(other, seen): (Vec<OrderStep>, Seen)| Deviation {
            trials: seen.trials,
            example: seen.first,
            changes: diff(&steps, &other),
        };
        let deviations = sequences.take(most).map(deviation).collect();
        Some(Order { trials, followed, incomplete: self.incomplete, example: first, steps, deviations })
    }
}
