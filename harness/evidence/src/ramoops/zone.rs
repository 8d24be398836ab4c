//! One zone of ramoops: a ring buffer behind a header of 12 bytes, at its end the parity of both, if there is any.
//!
//! Source: `struct persistent_ram_buffer`, `persistent_ram_init_ecc()`, `persistent_ram_post_init()` and
//! `persistent_ram_save_old()` in `fs/pstore/ram_core.c` (Linux 6.12).

use super::ecc::{BLOCK, Corrections, correct};
use crate::bytes::u32_at;

/// Signature, start and size, 32 bits each.
const HEADER: usize = 12;

/// `PERSISTENT_RAM_SIG`: `DBGC`.
pub(super) const SIGNATURE: u32 = 0x4347_4244;

/// What a zone holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// What was written to it, oldest first; as much as the zone can hold.
    pub bytes: Vec<u8>,
    /// What was corrected of it.
    pub corrections: Corrections,
}

/// Why nothing can be read in a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// It is not whole, or has no room for anything beside its header and its parity.
    #[error("{have} bytes are too few for a zone with its parity")]
    Short {
        /// Bytes there are.
        have: usize,
    },
    /// The kernel has never initialised it, or something else was written over it.
    #[error("zone signature {found:#010x}, not {SIGNATURE:#010x}")]
    Signature {
        /// What stands in its place.
        found: u32,
    },
    /// The header does not describe a ring buffer of this size. The kernel takes such a zone for an empty one.
    #[error("{size} bytes from {start} on are no contents of a zone for {capacity}")]
    Bounds {
        /// Where it says that the oldest byte is, once it is full.
        start: u32,
        /// How many bytes it says to hold.
        size: u32,
        /// How many it can hold.
        capacity: usize,
    },
}

/// Writes a zone of `bytes` bytes without parity, which the kernel takes for what it has itself written: once, from its
/// beginning on. What there is no room for is left out.
pub(super) fn write(bytes: usize, contents: &[u8]) -> Vec<u8> {
    let room = bytes.saturating_sub(HEADER);
    let contents = contents.get(..room).unwrap_or(contents);
    // The ring has gone no further than its contents.
    let end = u32::try_from(contents.len()).unwrap_or(u32::MAX);
    let mut zone = [SIGNATURE, end, end].map(u32::to_le_bytes).concat();
    zone.extend(contents);
    zone.resize(bytes, 0);
    zone
}

/// Reads a zone, all of it and nothing else, with `parity` bytes for each block. Takes any bytes.
pub(super) fn read(zone: &[u8], parity: usize) -> Result<Contents, ZoneError> {
    let short = ZoneError::Short { have: zone.len() };
    let (header, rest) = zone.split_at_checked(HEADER).ok_or(short)?;
    let (mut header, mut corrections) = (header.to_vec(), Corrections::default());
    let (data, of_blocks) = if parity == 0 {
        (rest, rest.get(..0).unwrap_or_default())
    } else {
        let blocks = rest.len().saturating_sub(parity).div_ceil(BLOCK + parity);
        let all = (blocks + 1) * parity;
        // The kernel wants room for at least one byte (`ecc_total >= buffer_size`).
        let capacity = rest.len().checked_sub(all).filter(|capacity| *capacity > 0).ok_or(short)?;
        let (data, parities) = rest.split_at(capacity);
        let (of_blocks, of_header) = parities.split_at(blocks * parity);
        correct(&mut header, of_header, &mut corrections);
        (data, of_blocks)
    };
    let field = |at| u32_at(&header, at).ok_or(short);
    let (found, start, size) = (field(0)?, field(4)?, field(8)?);
    if found != SIGNATURE {
        return Err(ZoneError::Signature { found });
    }
    let bounds = ZoneError::Bounds { start, size, capacity: data.len() };
    let used = usize::try_from(size).ok().and_then(|size| data.get(..size)).ok_or(bounds)?;
    let oldest = usize::try_from(start).ok().filter(|start| *start <= used.len()).ok_or(bounds)?;

    // A block is corrected as a whole, if anything of it is used.
    let mut bytes = data.get(..used.len().next_multiple_of(BLOCK)).unwrap_or(data).to_vec();
    if parity > 0 {
        for (block, parity) in bytes.chunks_mut(BLOCK).zip(of_blocks.chunks_exact(parity)) {
            correct(block, parity, &mut corrections);
        }
    }
    bytes.truncate(used.len());
    bytes.rotate_left(oldest);
    Ok(Contents { bytes, corrections })
}
