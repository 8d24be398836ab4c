//! One guest: a QEMU process, its console and its agent, from the first instruction to what is left behind.
//!
//! ```text
//! Machine + Files ──start──> Guest ──word()──> the agent's words
//!                              │──end()────> how it ended, if it has by then
//!                              │──page()───> crashlab's page
//!                              │──look()───> what it is doing
//!                              │──vmcore()─> what its crash kernel has of its memory
//!                              └──remains()> console, ERST, ramoops, crashlab's page, the kernel's log in memory
//!                 remains: with what the tracer saw, if there is one
//! Template: a guest booted once, saved, and restored for every trial
//! ```

mod agent;
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
mod remains;
mod running;
mod start;
mod template;
mod trace;

pub use agent::{PstoreFile, Word};
pub use capture::{CaptureError, Greeting};
pub(crate) use error::DIRECTIVES_BYTES;
pub use error::GuestError;
pub use hooks::{Hooks, ListHead};
pub use log::LogMemory;
pub use look::{Clock, Look};
pub use machine::{
    Accelerator, COMMAND_LINE, CRASH_COMMAND_LINE, Descriptors, Files, Machine, RAMOOPS_ADDRESS, Ram, Time,
};
pub(crate) use machine::{ENVIRONMENT, doubled_commas};
pub(crate) use process::tie;
pub use remains::{RamoopsMemory, Remains, Waited};
pub(crate) use running::monotonic_ns;
pub use running::{End, Guest, Watch};
pub(crate) use start::padded;
pub use start::{Given, Start};
pub use template::{Template, TemplateError};
pub use trace::Tracing;
