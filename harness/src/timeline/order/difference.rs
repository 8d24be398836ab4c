//! The orders of two columns of cells, side by side.

use serde::Serialize;

use super::diff::{Change, diff};
use super::tally::Order;
use crate::compare::Point;

/// The orders of two columns of cells, at one point of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which point.
    #[serde(flatten)]
    pub point: Point,
    /// Trials of the base that were tallied, and those of them that followed the order.
    pub base: Followed,
    /// Trials of the candidate likewise.
    pub candidate: Followed,
    /// Whether both have the same order.
    pub same: bool,
    /// What it takes to turn the base's order into the candidate's; nothing if they are the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// How many trials went by an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Followed {
    /// Trials whose sequence is known.
    pub trials: u32,
    /// Those whose sequence was this one.
    pub followed: u32,
}

impl Difference {
    /// Compares the orders of two cells.
    pub fn of(point: Point, base: &Order, candidate: &Order) -> Self {
        let followed = |order: &Order| Followed { trials: order.trials, followed: order.followed };
        let same = base.steps == candidate.steps;
        let changes = if same { Vec::new() } else { diff(&base.steps, &candidate.steps) };
        Self { point, base: followed(base), candidate: followed(candidate), same, changes }
    }
}
