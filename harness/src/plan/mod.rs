//! What is run, in which order: from a suite, or a selection on the command line, to trials.
//!
//! ```text
//! Suite (a file) ─┐
//! command line ───┴─> Selection ─> cells ─> Plan ─> trials, one of every cell before the second of any
//!                                           Shard ──┘
//! Needs of a point, KernelFacts ─> missing_requirement ─> skipped ──┘
//! ```
//!
//! Nothing here runs anything. A trial's seed depends on the run's seed, its cell and how many trials of that cell came
//! before it, and on nothing else: selecting fewer cells, or running more trials, leaves the others' seeds alone.

mod needs;
mod seed;
mod select;
mod shard;
mod suite;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::CellKey;

pub use self::needs::missing_requirement;
pub use self::seed::nonce;
pub use self::select::{Known, ParamFilter, SelectError, SelectedScenario, Selection, points, selects};
pub use self::shard::{ArrayJob, Shard, ShardChoice, ShardError};
pub use self::suite::{Suite, schema};

/// A trial that is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTrial {
    /// Position in the plan, from 0.
    pub index: u64,
    /// Which of its cell's trials it is, from 0.
    pub ordinal: u32,
    /// Where its cell stands among the plan's, from 0.
    pub position: usize,
    /// Where it counts.
    pub cell: Arc<CellKey>,
    /// Seed of everything random in it.
    pub seed: u64,
    /// The word that marks its lines in the guest's log, 16 lowercase hex digits; follows from the seed.
    pub nonce: String,
}

/// Which trials are run, in which order; made one by one, so that a plan of any length takes the same memory.
///
/// The order is one trial of every cell before the second of any, so that whatever drifts on the host hits all cells
/// alike; and within such a round the variants of a point side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    cells: Vec<Arc<CellKey>>,
    /// By position: why a cell is not run.
    skipped: BTreeMap<usize, String>,
    trials: u32,
    run_seed: u64,
    shard: Option<Shard>,
}

/// The plan of `selection` in a run with the seed `run_seed`: all of it, or what belongs to `shard`.
pub fn plan(selection: &Selection, known: &Known, run_seed: u64, shard: Option<Shard>) -> Result<Plan, SelectError> {
    let cells = select::cells(selection, known)?.into_iter().map(Arc::new).collect();
    Ok(Plan { cells, skipped: BTreeMap::new(), trials: selection.trials, run_seed, shard })
}

impl Plan {
    /// The plan of a run that was begun before, by what was written down of it.
    pub fn again(cells: impl IntoIterator<Item = CellKey>, trials: u32, run_seed: u64, shard: Option<Shard>) -> Self {
        let cells = cells.into_iter().map(Arc::new).collect();
        Self { cells, skipped: BTreeMap::new(), trials, run_seed, shard }
    }

    /// Leaves out the cells for which `why` has a reason. The indices and seeds of all other trials stay what they are.
    pub fn skip<E>(&mut self, mut why: impl FnMut(usize, &CellKey) -> Result<Option<String>, E>) -> Result<(), E> {
        for (position, cell) in self.cells.iter().enumerate() {
            if let Some(reason) = why(position, cell)? {
                self.skipped.insert(position, reason);
            }
        }
        Ok(())
    }

    /// The cells, each once, in their order: those of the whole plan, also in a shard, and also those that are skipped.
    pub fn cells(&self) -> &[Arc<CellKey>] {
        &self.cells
    }

    /// Why the cell at `position` is skipped; `None` if it is run.
    pub fn skipped(&self, position: usize) -> Option<&str> {
        self.skipped.get(&position).map(String::as_str)
    }

    /// The cells that are run, in their order.
    pub fn cells_to_run(&self) -> Vec<Arc<CellKey>> {
        let run = self.cells.iter().enumerate().filter(|(position, _)| self.skipped(*position).is_none());
        run.map(|(_, cell)| Arc::clone(cell)).collect()
    }

    /// Trials of each cell that is run, of all shards together.
    pub fn trials_per_cell(&self) -> u32 {
        self.trials
    }

    /// How many trials [`Self::iter`] gives.
    pub fn len(&self) -> u64 {
        (0..self.cells.len()).map(|position| u64::from(self.trials_of(position))).sum()
    }

    /// Whether there is nothing to run: a shard of a plan that has fewer trials than shards, or all is skipped.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The trials to run, in their order, made as they are asked for.
    pub fn iter(&self) -> impl Iterator<Item = PlannedTrial> {
        self.places().map(|(position, cell, ordinal)| self.planned(position, cell, ordinal))
    }

    /// Only the cell and the index of each of these trials, which is much less work.
    pub fn indices(&self) -> impl Iterator<Item = (&CellKey, u64)> {
        self.places().map(|(position, cell, ordinal)| (cell.as_ref(), self.index(position, ordinal)))
    }

    /// For each trial to run: the position of its cell, the cell, and which of the cell's trials it is.
    fn places(&self) -> impl Iterator<Item = (usize, &Arc<CellKey>, u32)> {
        (0..self.trials).flat_map(move |ordinal| {
            let cells = self.cells.iter().enumerate().filter(|(position, _)| self.skipped(*position).is_none());
            let ours = cells.filter(move |(position, _)| self.shard.is_none_or(|shard| shard.has(*position, ordinal)));
            ours.map(move |(position, cell)| (position, cell, ordinal))
        })
    }

    /// The trial at this place of the whole plan, whichever shard it belongs to; `None` beyond the plan's end.
    pub fn trial(&self, index: u64) -> Option<PlannedTrial> {
        let cells = self.cells.len() as u64;
        let ordinal = u32::try_from(index.checked_div(cells)?).ok().filter(|ordinal| *ordinal < self.trials)?;
        self.trial_of(usize::try_from(index % cells).ok()?, ordinal)
    }

    /// Trial number `ordinal`, from 0, of the cell at `position`; `None` if there is no such cell.
    ///
    /// The ordinal may lie beyond the plan, for a run that gives some cells more trials than others. The index is
    /// unique all the same, and says which trial it is: `ordinal` times the number of cells, and `position`.
    pub fn trial_of(&self, position: usize, ordinal: u32) -> Option<PlannedTrial> {
        Some(self.planned(position, self.cells.get(position)?, ordinal))
    }

    fn index(&self, position: usize, ordinal: u32) -> u64 {
        u64::from(ordinal) * self.cells.len() as u64 + position as u64
    }

    fn planned(&self, position: usize, cell: &Arc<CellKey>, ordinal: u32) -> PlannedTrial {
        let index = self.index(position, ordinal);
        let seed = seed::of_trial(self.run_seed, cell, ordinal);
        PlannedTrial { index, ordinal, position, cell: Arc::clone(cell), seed, nonce: nonce(seed) }
    }

    /// How many trials of the cell at `position` are to be run.
    fn trials_of(&self, position: usize) -> u32 {
        if self.skipped(position).is_some() {
            return 0;
        }
        self.shard.map_or(self.trials, |shard| shard.share(position, self.trials))
    }
}

#[cfg(test)]
mod tests;
