//! The orders of a column of cells, from the timelines of its trials.

use std::collections::BTreeMap;

use super::tally::{Order, Tally};
use crate::compare::{Column, Point};
use crate::model::{CellKey, TrialOutcome};
use crate::results;

/// How many sequences are shown that deviate from a variant's usual one.
const DEVIATIONS: usize = 3;

/// What the timelines of a cell's trials say.
pub struct Tallied {
    /// Counted trials.
    pub counted: u32,
    /// Their order; `None` if none has a whole timeline.
    pub order: Option<Order>,
}

/// Tallies the timelines of a column's counted trials, for each of its points that is wanted, in the plan's order. A
/// run of which only the summary is kept has none.
pub fn tallied(column: &Column, wanted: impl Fn(&CellKey) -> bool) -> Result<Vec<(Point, Tallied)>, results::Error> {
    if !column.run.has_trials() {
        return Ok(Vec::new());
    }
    let cells: Vec<&CellKey> = column.cells.iter().map(|cell| &cell.key).filter(|key| wanted(key)).collect();
    let mut tallies: BTreeMap<&CellKey, (u32, Tally)> = BTreeMap::new();
    for record in column.run.trials()? {
        let record = record?;
        let Some(cell) = cells.iter().find(|cell| ***cell == record.cell) else { continue };
        if !matches!(record.outcome, TrialOutcome::Counted { .. }) {
            continue;
        }
        let (counted, tally) = tallies.entry(cell).or_default();
        *counted += 1;
        if let Some(timeline) = column.run.timeline(record.index)? {
            tally.add(record.index, &timeline);
        }
    }
    let of_cell = |cell: &CellKey| {
        let (counted, tally) = tallies.remove(cell)?;
        let point = Point { scenario: cell.scenario.clone(), params: cell.params.clone() };
        Some((point, Tallied { counted, order: tally.order(DEVIATIONS) }))
    };
    Ok(cells.into_iter().filter_map(of_cell).collect())
}
