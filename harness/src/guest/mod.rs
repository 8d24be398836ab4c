//! One guest: a QEMU process, its console and its agent, from the first instruction to what is left behind.
//!
//! ```text
//! Machine + Files ──start──> Guest ──message()> the agent's words
//!                              │──end()────> how it ended, if it has by then
//!                              │──page()───> crashlab's page
//!                              │──sample()─> what it is doing
//!                              │──vmcore()─> what its crash kernel has of its memory
//!                              └──collect()> console, ERST, ramoops, crashlab's page, the kernel's log in memory
//!                 collect: with what the tracer saw, if there is one
//! Template: a guest booted once, saved, and restored for every trial
//! ```

mod agent;
mod artifacts;
mod capture;
mod console;
mod death;
mod drain;
mod error;
mod hooks;
mod log;
mod look;
mod machine;
mod process;
mod running;
mod start;
mod template;
mod trace;

pub use agent::{AgentMessage, PstoreFile};
pub use artifacts::{Artifacts, RamoopsMemory, Waited};
pub use capture::{CaptureError, Greeting};
pub(crate) use error::DIRECTIVES_BYTES;
pub use error::GuestError;
pub use hooks::{Hooks, ListHead};
pub use log::LogMemory;
pub use look::{Clock, Sample};
pub use machine::{
    Accelerator, COMMAND_LINE, CRASH_COMMAND_LINE, Descriptors, Files, Machine, RAMOOPS_ADDRESS, Ram, Time,
};
pub(crate) use machine::{ENVIRONMENT, doubled_commas};
pub(crate) use process::die_with_parent_inheriting;
pub(crate) use running::monotonic_ns;
pub use running::{End, Guest, Watch};
pub(crate) use start::padded;
pub use start::{Given, Start};
pub use template::{Template, TemplateError};
pub use trace::Tracing;
