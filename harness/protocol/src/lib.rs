//! What the harness, the guest's agent and crashlab tell each other. Each format is defined here once, for both ends.
//!
//! ```text
//!            ──Directive──────────> fw_cfg item ──> agent ──Command──> crashlab ──page──> harness
//!    harness <──AgentMessage──────  serial port  ──┘  │
//!            <──witness lines─────  kernel log  <─────┘
//!            ──Request──> virtio port ──> agent on the crash kernel ──Greeting, /proc/vmcore──> harness
//! ```
//!
//! crashlab is written in C. The tests of this crate read its sources and compare every number, offset and word.
//!
//! The agent has to stay small, so that without the feature `serde`, which the harness uses, this crate has no
//! dependencies.

mod words;

pub mod capture;
pub mod command;
pub mod directive;
pub mod image;
pub mod message;
pub mod page;
pub mod witness;

pub use command::{Arm, Command, Edge, Failure, Lock, OopsKind, Part, Reboot, Start, Stay};
pub use directive::{Directive, EfivarsAccess, EfivarsLoad, Workload};
pub use message::{AgentMessage, CrashlabAddresses, Exit, Note};
pub use page::{Action, Context};
