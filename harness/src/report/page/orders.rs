//! The order of steps at a point, kernels side by side.

use std::collections::BTreeMap;

use super::Artifacts;
use crate::compare::Point;
use crate::model::{CellKey, KernelName, TrialOutcome, TrialRecord};
use crate::svg::Picture;
use crate::timeline::{Tally, VariantOrder, orders_picture};

/// Trials of a cell whose timelines are looked at: the first ones.
const TRIALS: usize = 10;

/// Kernels that stand side by side, at most.
const KERNELS: usize = 6;

/// The first trials of each cell that counted, gathered as trials go by.
#[derive(Debug, Default)]
pub struct Samples(BTreeMap<CellKey, Vec<u64>>);

impl Samples {
    /// Notes a trial: its last attempt.
    pub fn add(&mut self, record: &TrialRecord) {
        if !matches!(record.outcome, TrialOutcome::Counted { .. }) {
            return;
        }
        let sample = self.0.entry(record.cell.clone()).or_default();
        // By their numbers: they may have ended in another order.
        let place = sample.partition_point(|index| *index < record.index);
        if place < TRIALS {
            sample.insert(place, record.index);
            sample.truncate(TRIALS);
        }
    }
}

/// The orders at a point, of some of the kernels; `None` if none of them has a timeline there.
pub(super) fn orders_at(
    point: &Point,
    kernels: &[KernelName],
    samples: &Samples,
    artifacts: &dyn Artifacts,
) -> Option<Picture> {
    let order = |kernel: &KernelName| {
        let KernelName { variant, base } = kernel.clone();
        let cell = CellKey { variant, base, scenario: point.scenario.clone(), params: point.params.clone() };
        let sample = samples.0.get(&cell)?;
        let mut tally = Tally::default();
        for &trial in sample {
            if let Some(timeline) = artifacts.timeline(trial) {
                tally.add(trial, &timeline);
            }
        }
        let counted = u32::try_from(sample.len()).unwrap_or(u32::MAX);
        Some(VariantOrder { variant: kernel.to_string(), counted, order: Some(tally.order(0)?) })
    };
    let orders: Vec<VariantOrder> = kernels.iter().filter_map(order).take(KERNELS).collect();
    (!orders.is_empty()).then(|| orders_picture(&point.to_string(), &orders))
}
