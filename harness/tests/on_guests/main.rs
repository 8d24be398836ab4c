//! Tests that need a real kernel: they build it, and most of them crash it in guests. `cargo xtask test quick` leaves this
//! binary out; everything else is in the unit tests and in `it`.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod history;

mod bisect;
mod catalogue;
mod configs;
mod consoles;
mod cpus;
mod crash_proof;
mod decoder_proof;
mod efi;
mod ends;
mod faults;
mod ground_truth;
mod guests;
mod kdump;
mod kernel_build;
mod old_run;
mod packs;
mod prebuilt;
mod schedules;
mod skipped;
mod splats;
mod stores;
mod timelines;
mod truths;
mod variants;
mod versions;
mod workload;
