//! Tests that need no kernel and no guest: the program from outside, and what no unit test of one stage can show. Those
//! that need either are in `on_guests`.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod simulated;

mod cli;
mod evidence_corpus;
mod kernel_store;
mod nights;
mod old_run;
mod read;
mod readers;
mod scale;
