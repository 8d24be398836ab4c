//! Tests that need no kernel and no guest: the program from outside, and what no unit test of one stage can show. Those
//! that need either are in `on_guests`.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../../src/evidence/encode.rs"]
#[allow(dead_code, reason = "the decoders' unit tests need more of it")]
mod encode;
mod simulated;

mod cli;
mod evidence_corpus;
mod kernel_store;
mod scale;
