//! What boots in the guest: the agent ([`crate::parts`]) and crashlab, packed into an initramfs by our own hand.
//!
//! ```text
//! images/agent ──cargo──> agent ─┐
//!                                ├─> initramfs (newc cpio, uncompressed)
//! kernel stage ──> crashlab.ko ──┘
//! ```

mod initramfs;

pub use initramfs::initramfs;
