//! What boots in the guest: the agent, built by cargo, and crashlab, packed into an initramfs by our own hand.
//!
//! ```text
//! images/agent ──cargo──> agent ─┐
//!                                ├─> initramfs (newc cpio, uncompressed)
//! kernel stage ──> crashlab.ko ──┘
//! ```

mod agent;
mod initramfs;

pub use agent::{AgentError, build_agent};
pub use initramfs::initramfs;
