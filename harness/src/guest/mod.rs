//! One guest: a QEMU process, its console and its agent, from the first instruction to what is left behind.
//!
//! ```text
//! Machine + Files ──start──> Guest ──word()──> the agent's words
//!                              │──end()────> how it ended, if it has by then
//!                              │──page()───> crashlab's page
//!                              └──remains()> console, ERST, crashlab's page
//! Template: a guest booted once, saved, and restored for every trial
//! ```

mod agent;
mod console;
mod drain;
mod error;
mod machine;
mod process;
mod remains;
mod running;
mod start;
mod template;

pub use agent::Word;
pub use error::GuestError;
pub(crate) use machine::ENVIRONMENT;
pub use machine::{Accelerator, COMMAND_LINE, Descriptors, Files, Machine, Ram, Time};
pub(crate) use process::tie;
pub use remains::{Remains, Waited};
pub use running::{End, Guest, Watch};
pub use start::Start;
pub use template::{Template, TemplateError};
