//! Why a guest could not be started or driven.

use std::io;
use std::time::Duration;

use thiserror::Error;

pub(crate) use harness_protocol::directive::ITEM_BYTES as DIRECTIVES_BYTES;

/// Why a guest could not be started or driven. Never the kernel's fault.
#[derive(Debug, Error)]
pub enum GuestError {
    /// A file or a process of the host's.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// QEMU ended when it should not have.
    #[error("QEMU ended ({status}) while {during}{stderr}")]
    Died {
        /// How.
        status: String,
        /// What was being done.
        during: &'static str,
        /// What QEMU said, on lines of its own.
        stderr: String,
    },
    /// QMP failed.
    #[error("while {during}: {source}")]
    Qmp {
        /// What was being done.
        during: &'static str,
        /// Why it failed.
        source: harness_qmp::Error,
    },
    /// The agent said no.
    #[error("the guest's agent failed: {0}")]
    Agent(String),
    /// The agent did not say what it should have in time.
    #[error("the guest did not say `{awaited}` within {after:?}; the end of its console:\n{console}")]
    Silent {
        /// The word that was waited for.
        awaited: &'static str,
        /// How long.
        after: Duration,
        /// The last lines of the console.
        console: String,
    },
    /// The guest ended before the agent said what it should have.
    #[error("the guest ended before it said `{awaited}`; the end of its console:\n{console}")]
    EndedEarly {
        /// The word that was waited for.
        awaited: &'static str,
        /// The last lines of the console.
        console: String,
    },
    /// The directives do not fit the guest's `fw_cfg` item.
    #[error("the scenario's directives need {0} bytes, more than the {DIRECTIVES_BYTES} that a guest can be given")]
    Directives(usize),
}

impl GuestError {
    pub(super) fn io(what: &str) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_owned();
        move |source| Self::Io { what, source }
    }
}
