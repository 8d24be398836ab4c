//! The driver of a bisection: what the core asks for is built, prepared and tried.
//!
//! ```text
//! Ends ─> Range ─> Search <─> crate::bisect::Bisection
//!                   │ ^
//!        Rig, Cells │ │ trials, on disk
//!                   v │
//!             a run's folder ─> Searched
//! ```

mod begin;
mod log;
mod point;
mod range;
mod resume;
mod said;
mod search;
mod spent;
mod step;

pub use self::begin::Bisect;
pub use self::point::Point;
pub use self::range::{Ends, Range};
pub use self::resume::ResumableBisection;
pub use self::search::Searched;
pub use self::spent::TimeSpent;
pub use self::step::{Step, Stepped, Verdict};
