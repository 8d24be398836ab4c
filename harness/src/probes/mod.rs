//! What of a dying kernel is looked at from outside, and at which of its addresses.
//!
//! ```text
//! guest-kernel/probes/panic.yaml ─> ProbeSet ─┐
//! vmlinux ────────────────────────> Image ────┴─> LinkedProbes ─┬─> Probes: to the tracer addresses,
//! a booted guest: its notifiers, dumpers ─> Hooks ──────────────┘           to the decoder what each one means
//! ```
//!
//! A step that cannot be seen in a kernel is listed with the reason, never left out in silence.

mod elf;
mod file;
mod resolve;
#[cfg(test)]
mod tests;

pub use self::elf::{Extent, Image, Missing};
pub use self::file::{ProbeSet, Seen, Step};
pub use self::resolve::{KernelFiles, LinkedProbes, ProbesError, with_steps};
