//! Names of a trial's artifacts that are read again: `docs/results.md` has all of them.

/// What the guest's console said, byte for byte.
pub const CONSOLE: &str = "console.log";

/// Which channel has which line of what was logged, where one lacks some.
pub const DIFFERENCE: &str = "difference.txt";

/// What was read of a dead kernel's memory, as an ELF core.
pub const VMCORE: &str = "vmcore";

/// What each CPU was seen doing, a [`Timeline`](super::timeline::Timeline) as JSON.
pub const TIMELINE: &str = "timeline.json";
