//! The parity of a zone: Reed-Solomon over GF(256), a code word for each block of data, and one for the zone's header.
//!
//! Source: `fs/pstore/ram_core.c`, `lib/reed_solomon/` (`init_rs(8, 0x11d, 0, 1, ecc_size)`). A block of 128 bytes, the
//! last one of a zone perhaps shorter, has as many parity bytes as `ramoops.ecc` says, all at the zone's end.

use reed_solomon::Decoder;

/// `ecc_info.block_size`, where nobody sets another: no parameter does.
pub(super) const BLOCK: usize = 128;

/// What parity has made good, and what it could not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Corrections {
    /// Bytes that were wrong and are right again, those of the parity itself among them.
    pub bytes: usize,
    /// Blocks with more wrong bytes than half of their parity's: they are left as they were.
    pub bad_blocks: usize,
}

/// Corrects `data` in place by its `parity`, which together are at most 255 bytes.
pub(super) fn correct(data: &mut [u8], parity: &[u8], corrections: &mut Corrections) {
    let word = [&*data, parity].concat();
    match Decoder::new(parity.len()).correct_err_count(&word, None) {
        Ok((corrected, wrong)) => {
            corrections.bytes += wrong;
            data.copy_from_slice(corrected.data());
        }
        Err(_) => corrections.bad_blocks += 1,
    }
}
