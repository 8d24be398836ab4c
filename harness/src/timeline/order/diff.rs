//! What it takes to turn one sequence into another.

use serde::Serialize;

use super::steps::OrderStep;

/// Sequences are at most some hundred steps long; of longer ones the steps beyond are only taken out and put in.
const MAX_STEPS: usize = 1000;

/// Whether a step is in both sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// In both.
    Same,
    /// In the first only.
    Removed,
    /// In the second only.
    Added,
}

/// One step of a difference. A step that moved is removed at one place and added at another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where it is.
    pub kind: Kind,
    /// The step.
    #[serde(flatten)]
    pub step: OrderStep,
}

/// The fewest steps taken out of `from` and put in that make it `to`: what is left is their longest common subsequence.
pub(super) fn diff(from: &[OrderStep], to: &[OrderStep]) -> Vec<Change> {
    let common = common(from, to);
    let change = |kind, step: &OrderStep| Change { kind, step: step.clone() };
    let (mut changes, mut at) = (Vec::new(), (0, 0));
    for (f, t) in common.into_iter().chain([(from.len(), to.len())]) {
        changes.extend(from.get(at.0..f).unwrap_or_default().iter().map(|step| change(Kind::Removed, step)));
        changes.extend(to.get(at.1..t).unwrap_or_default().iter().map(|step| change(Kind::Added, step)));
        changes.extend(from.get(f).map(|step| change(Kind::Same, step)));
        at = (f + 1, t + 1);
    }
    changes
}

/// Where the steps of the longest common subsequence stand in each.
pub(super) fn common<T: PartialEq>(from: &[T], to: &[T]) -> Vec<(usize, usize)> {
    let (from, to) = (from.get(..MAX_STEPS).unwrap_or(from), to.get(..MAX_STEPS).unwrap_or(to));
    // By how much of each is left, from the end: the length of what the rests have in common.
    let mut table = vec![vec![0_u32; to.len() + 1]];
    for step in from.iter().rev() {
        let below = table.last().cloned().unwrap_or_default();
        let mut row = vec![0; to.len() + 1];
        for (t, other) in to.iter().enumerate().rev() {
            let at = |row: &[u32], t: usize| row.get(t).copied().unwrap_or(0);
            let longest = if step == other { at(&below, t + 1) + 1 } else { at(&below, t).max(at(&row, t + 1)) };
            if let Some(length) = row.get_mut(t) {
                *length = longest;
            }
        }
        table.push(row);
    }
    table.reverse();
    let length = |f: usize, t: usize| table.get(f).and_then(|row| row.get(t)).copied().unwrap_or(0);
    let (mut pairs, mut f, mut t) = (Vec::new(), 0, 0);
    while let (Some(step), Some(other)) = (from.get(f), to.get(t)) {
        if step == other {
            pairs.push((f, t));
            (f, t) = (f + 1, t + 1);
        } else if length(f + 1, t) >= length(f, t + 1) {
            f += 1;
        } else {
            t += 1;
        }
    }
    pairs
}
