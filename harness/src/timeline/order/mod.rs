//! The order in which the kernels of a variant go through the steps of dying.
//!
//! ```text
//! Timeline ─> steps ─> Tally ─> Order         the most frequent sequence, and what deviated from it
//! Order, Order ─> diff ─> Difference
//! Order, diffs ─> rows ─> orders_text, orders_picture, differences_text
//! ```

mod column;
mod diff;
mod difference;
mod picture;
mod rows;
mod steps;
mod tally;
mod text;

pub use column::{Tallied, nothing_to_order, side_by_side, tallied};
pub use diff::{Change, Kind};
pub use difference::{Difference, Followed};
pub use picture::{ORDERS_LOOK, orders_picture};
pub use steps::OrderStep;
pub use tally::{Deviation, Order, Tally};
pub use text::{VariantOrder, differences_text, orders_text};
