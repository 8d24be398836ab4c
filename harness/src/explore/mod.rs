//! Which orders of two steps on two CPUs can be forced, and which of them lose the log: the search, and what it says. Pure:
//! trials are asked for and told of, guests are nobody's business here.
//!
//! ```text
//! trials as they come ──> Moments: who passes what, in which order ─┐
//! a CPU held at each ───> what the others come to meanwhile ────────┴─> pairs that can be forced ─> each forced ─> Findings
//! ```
//!
//! What can be forced is found by holding, not by trying: while a CPU is held before `a`, others go on until they need it. Each
//! `b` that they come to can be had before `a`, and what they do not come to cannot.

mod causes;
mod explorer;
mod findings;
mod moments;
mod picture;
#[cfg(test)]
mod tests;
mod text;

pub use self::causes::Cause;
pub use self::explorer::{Asked, Explorer, Seen, Stage};
pub use self::findings::{Coverage, Difference, Findings, Forced, Pair, differences};
pub use self::moments::{Moment, Moments};
pub use self::picture::{MATRIX_LOOK, matrix_picture};
pub use self::text::findings_text;
