//! One guest: a QEMU process, its console and its agent, from the first instruction to what is left behind.
//!
//! ```text
//! Machine + Files ──start──> Guest ──word()──> the agent's words
//!                              │──end()────> how it ended
//!                              └──remains()> console, ERST, crashlab's page
//! Template: a guest booted once, saved, and restored for every trial
//! ```

mod agent;
mod drain;
mod machine;
mod process;
mod remains;
mod running;
mod template;

pub use agent::Word;
pub use machine::{Accelerator, COMMAND_LINE, Files, Machine, Ram, Time};
pub use remains::{Remains, Waited};
pub use running::{End, Guest, GuestError, Start, Watch};
pub use template::{Template, TemplateError};
