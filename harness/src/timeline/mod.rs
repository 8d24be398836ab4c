//! What the CPUs were seen doing while the kernel died: of one trial, and of all trials of a variant.
//!
//! ```text
//! Timeline, lines of the console ─> View ─┬─> timeline_text
//!                                         ├─> timeline_picture
//!                                         └─> timeline_trace    for ui.perfetto.dev
//! Timeline of each trial ─> Tally ─> Order ─┬─> orders_text, orders_picture      variants side by side
//!                                           └─> Difference ─> differences_text
//! ```
//!
//! Nothing here does I/O: [`crate::results`] reads and writes the files. The timeline's own types are in
//! [`crate::model::timeline`]; `docs/timeline.md` says how sure all of this is.

mod order;
mod picture;
mod spans;
mod text;
mod trace;
mod view;

pub use order::{
    Change, Deviation, Difference, Followed, Kind, ORDERS_LOOK, Order, OrderStep, Tallied, Tally, VariantOrder,
    differences_text, nothing_to_order, orders_picture, orders_text, side_by_side, tallied,
};
pub use picture::{TIMELINE_LOOK, timeline_picture};
pub use text::timeline_text;
pub use trace::timeline_trace;
pub use view::View;

#[cfg(test)]
mod tests;
