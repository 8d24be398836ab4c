//! What boots in the guest: the agent ([`crate::parts`]) and crashlab, packed into an initramfs by our own hand.
//!
//! ```text
//! images/agent ──cargo──> agent ─┐
//!                                ├─> initramfs (newc cpio, uncompressed)
//! kernel stage ──> crashlab.ko ──┘
//!                  modules that a kernel which was built elsewhere has not built in
//!                  bzImage, and the agent alone in an initramfs of its own: what takes over when the kernel dies
//! ```

mod initramfs;

pub use initramfs::{Content, Crash, Module, capture_initramfs, initramfs};
