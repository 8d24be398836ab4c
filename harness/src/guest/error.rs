//! Why a guest could not be started or driven.

use std::io;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;

pub(crate) use harness_protocol::directive::ITEM_BYTES as DIRECTIVES_BYTES;

use crate::blocking::off_thread;

/// Why a guest could not be started or driven. Most are faults of the host's; a kernel that never gets as far as its agent is
/// one too, and it is for the caller to tell which.
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
    /// What executes the guest failed, and QEMU has stopped it.
    #[error("KVM failed, and QEMU stopped the guest; `--accel tcg` does without KVM:\n{0}")]
    NotExecuted(String),
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
        /// The message that was waited for.
        awaited: &'static str,
        /// How long.
        after: Duration,
        /// The last lines of the console.
        console: String,
    },
    /// The guest ended before the agent said what it should have.
    #[error("the guest ended before it said `{awaited}`; the end of its console:\n{console}")]
    EndedEarly {
        /// The message that was waited for.
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

/// As [`read`], on a thread that may block.
pub(super) async fn read_off_thread(path: &Path, limit: u64) -> Result<Vec<u8>, GuestError> {
    let path = path.to_owned();
    off_thread(move || read(&path, limit)).await
}

/// Reads at most `limit` bytes of a file that QEMU has written.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, GuestError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(GuestError::io(&format!("read {}", path.display())))?;
    Ok(bytes)
}
