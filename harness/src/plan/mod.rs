//! What is run, in which order: from a suite, or a selection on the command line, to a list of trials.
//!
//! ```text
//! Suite (a file) ─┐
//! command line ───┴─> Selection ─> cells ─> trials, one of every cell before the second of any
//! ```
//!
//! Nothing here runs anything. A trial's seed depends on the run's seed, its cell and how many trials of that cell came
//! before it, and on nothing else: selecting fewer cells, or running more trials, leaves the others' seeds alone.

mod seed;
mod select;
mod suite;

use crate::model::CellKey;

pub use self::seed::nonce;
pub use self::select::{Known, ParamFilter, SelectError, SelectedScenario, Selection};
pub use self::suite::{Suite, schema};

/// A trial that is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTrial {
    /// Position in the plan, from 0.
    pub index: u64,
    /// Where it counts.
    pub cell: CellKey,
    /// Seed of everything random in it.
    pub seed: u64,
    /// The word that marks its lines in the guest's log, 16 lowercase hex digits; follows from the seed.
    pub nonce: String,
}

/// The trials of `selection`, in the order to run them: one of every cell before the second of any, so that whatever
/// drifts on the host hits all cells alike; and within such a round the variants of a point side by side.
pub fn plan(selection: &Selection, known: &Known, run_seed: u64) -> Result<Vec<PlannedTrial>, SelectError> {
    let cells = select::cells(selection, known)?;
    let rounds = (0..selection.trials).flat_map(|ordinal| cells.iter().map(move |cell| (ordinal, cell)));
    Ok((0..)
        .zip(rounds)
        .map(|(index, (ordinal, cell))| {
            let seed = seed::of_trial(run_seed, cell, ordinal);
            PlannedTrial { index, cell: cell.clone(), seed, nonce: nonce(seed) }
        })
        .collect())
}

#[cfg(test)]
mod tests;
