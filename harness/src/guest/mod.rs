//! One guest: a QEMU process, its console and its agent, from the first instruction to what is left behind.
//!
//! ```text
//! Machine + Files ──start──> Guest ──message()> the agent's words
//!                              │──end()────> how it ended, if it has by then
//!                              │──page()───> crashlab's page
//!                              │──sample()─> what it is doing
//!                              │──vmcore()─> what its crash kernel has of its memory
//!                              └──collect()> console, ERST, ramoops, EFI variables, crashlab's page, the kernel's log in memory
//!                 collect: with what the tracer saw, if there is one
//! Template: a guest booted once, saved, and restored for every trial
//! ```

mod agent;
mod artifacts;
mod capture;
mod confine;
mod error;
mod frames;
mod info;
mod log;
mod machine;
mod monitor;
mod process;
mod running;
mod silence;
mod start;
mod stream;
mod template;
mod trace;

pub use agent::{AgentMessage, CrashlabAddresses, PstoreFile};
pub use artifacts::{Artifacts, EfiVars, RamoopsMemory, Sample, WorkloadLog};
pub use capture::{CaptureError, Greeting};
pub(crate) use confine::{Confinement, landlock_abi};
pub(crate) use error::DIRECTIVES_BYTES;
pub use error::GuestError;
pub use frames::FrameDump;
pub use log::LogMemory;
pub use machine::{
    Accelerator, COMMAND_LINE, Descriptors, Files, Firmware, Machine, RAMOOPS_ADDRESS, RESET_AFTER_PANIC, Ram, Time,
    crash_command_line,
};
pub(crate) use machine::{ENVIRONMENT, doubled_commas};
pub use monitor::Clock;
pub use process::Waited;
pub(crate) use process::{die_with_parent, die_with_parent_inheriting};
pub use running::{End, Guest};
pub use silence::{Heard, Silence};
pub(crate) use start::padded;
pub use start::{Booted, Given, Start, TemplateError};
pub use stream::Watch;
pub use template::Template;
pub(crate) use trace::monotonic_ns;
pub use trace::{Hooks, ListHead, Rules, Tracing};
