//! The client against a QEMU that does what a test tells it to. The one that is installed is in `real_qemu.rs`.

#![allow(clippy::unwrap_used)]

mod mock;

mod commands;
mod ends;
mod events;
mod hostile;
