//! The working block of edk2's fault-tolerant writes, by which the firmware makes a whole store anew: the new one goes to
//! the spare block first, then to its place.
//!
//! Source: `MdeModulePkg/Include/Guid/SystemNvDataGuid.h`, `MdeModulePkg/Universal/FaultTolerantWriteDxe/`. Flags are
//! bits that are cleared.

use crate::bytes::u64_at;
use crate::cper::Guid;

/// `gEdkiiWorkingBlockSignatureGuid`
const WORKING_BLOCK: Guid = Guid::new(0x9e58_292b, 0x7c68, 0x497d, [0xa0, 0xce, 0x65, 0x00, 0xfd, 0x9f, 0x1b, 0x95]);
/// `EFI_FAULT_TOLERANT_WORKING_BLOCK_HEADER`
const BLOCK_HEADER: usize = 32;
/// `EFI_FAULT_TOLERANT_WRITE_HEADER`: flags, caller, number of writes, bytes of the caller's own data.
const WRITE_HEADER: usize = 40;
/// `EFI_FAULT_TOLERANT_WRITE_RECORD`
const RECORD: usize = 40;
/// In a write's flags.
const ALLOCATED: u8 = 1 << 0;
const COMPLETE: u8 = 1 << 2;
/// In a record's flags.
const SPARE_COMPLETE: u8 = 1 << 1;

/// Whether a write had been begun and was not complete; if so, whether the spare block was.
pub(super) fn pending(volume: &[u8]) -> Option<bool> {
    let block = (0..volume.len()).step_by(16).find(|at| Guid::at(volume, *at) == Some(WORKING_BLOCK))?;
    let queue = volume.get(block..)?;
    let mut at = BLOCK_HEADER;
    let mut pending = None;
    // The header of a write that was not begun is erased.
    while let Some(flags) = queue.get(at).filter(|flags| **flags & ALLOCATED == 0) {
        let number = |from: usize| u64_at(queue, at + from).and_then(|number| usize::try_from(number).ok());
        let (writes, private) = (number(24)?, number(32)?);
        let records = writes.checked_mul(RECORD.checked_add(private)?)?;
        let record = queue.get(at + WRITE_HEADER).copied().unwrap_or(0xff);
        pending = (flags & COMPLETE != 0).then_some(record & SPARE_COMPLETE == 0);
        at = at.checked_add(WRITE_HEADER)?.checked_add(records)?;
    }
    pending
}
