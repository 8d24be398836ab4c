//! The orders of a column of cells, from the timelines of its trials.

use std::collections::{BTreeMap, BTreeSet};

use super::tally::{Order, Tally};
use super::text::VariantOrder;
use crate::compare::{Column, Point};
use crate::failure::Failure;
use crate::model::{CellKey, TrialOutcome};
use crate::results::{self, NOT_TRACED};
use crate::yaml::UnknownName;

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

/// The orders of several columns, each under the name it was asked for by, at every point of the first one that some of
/// them has an order of.
pub fn side_by_side(
    columns: &[(String, Column)],
    wanted: impl Fn(&CellKey) -> bool,
) -> Result<Vec<(Point, Vec<VariantOrder>)>, results::Error> {
    let mut points: Vec<(Point, Vec<VariantOrder>)> = Vec::new();
    for (number, (name, column)) in columns.iter().enumerate() {
        for (point, Tallied { counted, order }) in tallied(column, &wanted)? {
            let variant = VariantOrder { variant: name.clone(), counted, order };
            match points.iter_mut().find(|(known, _)| *known == point) {
                Some((_, variants)) => variants.push(variant),
                None if number == 0 => points.push((point, vec![variant])),
                None => {}
            }
        }
    }
    points.retain(|(_, variants)| variants.iter().any(|variant| variant.order.is_some()));
    Ok(points)
}

/// Why columns of a run have no order to show: there is no scenario of that name, or no timeline.
pub fn nothing_to_order(columns: &[(String, Column)], scenario: Option<&str>, run: &str) -> Failure {
    let cells = columns.iter().flat_map(|(_, column)| &column.cells);
    let scenarios: BTreeSet<&str> = cells.map(|cell| cell.key.scenario.as_str()).collect();
    match scenario.filter(|name| !scenarios.contains(name)) {
        Some(name) => UnknownName::new("scenario", name, scenarios).of(run).into(),
        None => {
            Failure::input(format!("no trial that was asked for has a timeline in run {run}\n\nhint: {NOT_TRACED}"))
        }
    }
}
