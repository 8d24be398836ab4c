//! Names of a trial's artifacts that are read again: `docs/results.md` has all of them.

/// What the guest's console said, byte for byte.
pub const CONSOLE: &str = "console.log";

/// What each CPU was seen doing, a [`Timeline`](super::timeline::Timeline) as JSON.
pub const TIMELINE: &str = "timeline.json";
