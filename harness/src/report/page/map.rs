//! The map: every cell's share at a glance, points against channels and kernels.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::cases::Cell;
use super::anchor::anchor;
use super::cells::Figure;
use crate::model::{CellKey, Channel, KernelName, Params, assignments};

/// A table with a group of columns for each channel, and in it a column for each kernel.
#[derive(Debug, Serialize)]
pub(super) struct Map {
    pub channels: Vec<MapChannel>,
    pub kernels: Vec<String>,
    pub rows: Vec<MapRow>,
}

#[derive(Debug, Serialize)]
pub(super) struct MapChannel {
    pub name: &'static str,
    /// The outcome that is counted.
    pub good: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct MapRow {
    /// The scenario, where it is another one than in the row before.
    pub scenario: Option<String>,
    /// The values of its parameters.
    pub point: String,
    /// The first of its cells.
    pub anchor: String,
    /// For each channel one for each kernel; none where a kernel has no cell at this point.
    pub tiles: Vec<Option<Figure>>,
}

impl Map {
    /// The map of these cells, in the plan's order.
    pub(super) fn of(cells: &[Cell], channels: &[Channel]) -> Self {
        let mut kernels: Vec<KernelName> = Vec::new();
        let mut scenarios: Vec<&str> = Vec::new();
        let mut points: Vec<(&CellKey, (&str, &Params))> = Vec::new();
        let mut places: BTreeMap<(&str, &Params), BTreeMap<KernelName, &Cell>> = BTreeMap::new();
        for cell in cells {
            let CellKey { scenario, params, .. } = cell.key();
            let kernel = cell.key().kernel();
            if !kernels.contains(&kernel) {
                kernels.push(kernel.clone());
            }
            if !scenarios.contains(&scenario.as_str()) {
                scenarios.push(scenario);
            }
            let place = places.entry((scenario, params)).or_insert_with(|| {
                points.push((cell.key(), (scenario, params)));
                BTreeMap::new()
            });
            place.insert(kernel, cell);
        }
        // Stable: points of a scenario keep the plan's order.
        points.sort_by_key(|(_, (scenario, _))| scenarios.iter().position(|known| known == scenario));
        let mut last = None;
        let row = |(first, point): (&CellKey, (&str, &Params))| {
            let (scenario, params) = point;
            let of_point = places.get(&point);
            let tile = |channel, kernel| Some(Figure::of(of_point?.get(kernel)?, channel));
            let tiles =
                channels.iter().flat_map(|channel| kernels.iter().map(|kernel| tile(*channel, kernel))).collect();
            let scenario =
                (last.replace(scenario.to_owned()).as_deref() != Some(scenario)).then(|| scenario.to_owned());
            MapRow { scenario, point: assignments(params), anchor: anchor(first), tiles }
        };
        let rows = points.into_iter().map(row).collect();
        let channels = channels.iter().map(|channel| MapChannel { name: channel.name(), good: channel.good().name() });
        Self { channels: channels.collect(), kernels: names(&kernels), rows }
    }
}

/// The kernels' names, with their bases only where there are several.
fn names(kernels: &[KernelName]) -> Vec<String> {
    let several = kernels.iter().any(|kernel| kernel.base != kernels[0].base);
    kernels.iter().map(|kernel| if several { kernel.to_string() } else { kernel.variant.clone() }).collect()
}
