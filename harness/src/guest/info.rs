//! The note VMCOREINFO in the memory of a guest that is ready, where its agent has told of it.

use thiserror::Error;

use super::agent::Note;
use super::error::GuestError;
use super::monitor::Monitor;
use crate::evidence::vmcoreinfo::{MAX_NOTE, NoteError, VmcoreInfo};

/// Why the note is not known.
#[derive(Debug, Error)]
pub(super) enum InfoError {
    #[error("the guest has no /sys/kernel/vmcoreinfo (CONFIG_VMCORE_INFO)")]
    None,
    #[error("the guest says that the note VMCOREINFO is at {0:#x}, which is not in its RAM")]
    NotInRam(u64),
    #[error(transparent)]
    Note(#[from] NoteError),
    #[error(transparent)]
    Guest(#[from] GuestError),
}

/// Reads it.
pub(super) async fn read_info(monitor: &Monitor, note: Option<Note>) -> Result<VmcoreInfo, InfoError> {
    let Note { address, bytes } = note.ok_or(InfoError::None)?;
    if bytes > MAX_NOTE as u64 {
        return Err(NoteError::TooLong(usize::try_from(bytes).unwrap_or(usize::MAX)).into());
    }
    if !monitor.has_ram(address, bytes) {
        return Err(InfoError::NotInRam(address));
    }
    let memory = monitor.physical_memory("reading the note VMCOREINFO", "info", address, bytes).await?;
    Ok(VmcoreInfo::of_notes(&memory)?)
}
