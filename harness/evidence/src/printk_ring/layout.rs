//! Where things are in the kernel's structures of the ring buffer, as the kernel itself has told.

use serde::{Deserialize, Serialize};

use crate::bytes::{u32_at, u64_at};
use crate::vmcoreinfo::VmcoreInfo;

/// No `struct printk_ringbuffer` is longer; it has some 100 bytes.
const MAX_RING_STRUCT: usize = 4096;
/// No descriptor is longer; it has 24 bytes.
const MAX_DESC: usize = 256;
/// No `struct printk_info` is longer; it has 88 to 112 bytes.
const MAX_INFO: usize = 1024;
/// More descriptors than these are refused: the kernel has one for 32 bytes of text.
const MAX_COUNT_BITS: u32 = 18;
/// A longer text than this is refused: 4 MiB, of which the kernel's default is a thirtieth.
const MAX_SIZE_BITS: u32 = 22;
/// More memory than this is not read for one log, in bytes. The log of 4 MiB has 19 MiB with all its descriptors.
pub const MAX_BYTES: usize = 32 << 20;

/// Why the log cannot be found in the memory of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// `VMCOREINFO` lacks a line.
    #[error("the kernel's VMCOREINFO does not tell {0}")]
    Missing(String),
    /// A structure has a size that it cannot have.
    #[error("the kernel's VMCOREINFO says that {what} has {bytes} bytes")]
    Size {
        /// Which structure.
        what: &'static str,
        /// The size that it is said to have.
        bytes: usize,
    },
    /// A field that does not lie in its structure.
    #[error("the kernel's VMCOREINFO places {0} outside of its structure")]
    Outside(&'static str),
    /// The ring's own structure is not all there.
    #[error("the kernel's struct printk_ringbuffer is cut off")]
    Cut,
    /// More descriptors or text than any kernel has, or than is read.
    #[error("the kernel's log has 2^{count_bits} descriptors and 2^{size_bits} bytes of text, which is not read")]
    TooLarge {
        /// Descriptors, as a power of two.
        count_bits: u32,
        /// Bytes of text, as a power of two.
        size_bits: u32,
    },
}

/// Sizes and offsets in bytes; those of the ring's parts count from the start of `struct printk_ringbuffer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Virtual address of `prb`, the pointer to the ring.
    pub prb: u64,
    /// Size of `struct printk_ringbuffer`.
    pub ring_bytes: usize,
    count_bits: usize,
    descs: usize,
    infos: usize,
    pub(super) head_id: usize,
    pub(super) tail_id: usize,
    size_bits: usize,
    data: usize,
    pub(super) fail: usize,
    pub(super) desc_bytes: usize,
    pub(super) state_var: usize,
    pub(super) begin: usize,
    pub(super) next: usize,
    pub(super) info_bytes: usize,
    pub(super) seq: usize,
    pub(super) ts_nsec: usize,
    pub(super) text_len: usize,
    pub(super) caller_id: usize,
}

/// Memory at a virtual address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Where it begins.
    pub address: u64,
    /// How long it is.
    pub bytes: usize,
}

/// The arrays of a ring. They stay where they are from early in the boot on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrays {
    pub(super) count_bits: u32,
    pub(super) size_bits: u32,
    /// The descriptors.
    pub descs: Span,
    /// A `struct printk_info` for each.
    pub infos: Span,
    /// The text.
    pub text: Span,
}

impl Layout {
    /// Takes what is needed from what a kernel tells of itself; the same lines in 5.10 to 7.2
    /// (`log_buf_vmcoreinfo_setup()` in `kernel/printk/printk.c`).
    pub fn of(info: &VmcoreInfo) -> Result<Self, LayoutError> {
        let missing = |what: String| move || LayoutError::Missing(what);
        let symbol = |name: &str| info.symbol(name).ok_or_else(missing(format!("SYMBOL({name})")));
        let size = |what: &'static str, limit: usize| {
            let bytes = info.size(what).ok_or_else(missing(format!("SIZE({what})")))?;
            if bytes > limit { Err(LayoutError::Size { what, bytes }) } else { Ok(bytes) }
        };
        let offset = |field: &'static str| info.offset(field).ok_or_else(missing(format!("OFFSET({field})")));
        // A field of one of the structures: where it is, with all its bytes.
        let within = |struct_bytes: usize, at: usize, field: &'static str, bytes: usize| {
            let at = at.saturating_add(offset(field)?);
            if at.saturating_add(bytes) > struct_bytes { Err(LayoutError::Outside(field)) } else { Ok(at) }
        };
        let ring_bytes = size("printk_ringbuffer", MAX_RING_STRUCT)?;
        let desc_bytes = size("prb_desc", MAX_DESC)?;
        let info_bytes = size("printk_info", MAX_INFO)?;
        let of_ring = |at: usize, field, bytes| within(ring_bytes, at, field, bytes);
        let desc_ring = offset("printk_ringbuffer.desc_ring")?;
        let text_ring = offset("printk_ringbuffer.text_data_ring")?;
        let lpos = offset("prb_desc.text_blk_lpos")?;
        // Behind the length are a byte of facility and one of flags and level, which VMCOREINFO does not tell.
        let text_len = within(info_bytes, 0, "printk_info.text_len", 4)?;
        Ok(Self {
            prb: symbol("prb")?,
            ring_bytes,
            count_bits: of_ring(desc_ring, "prb_desc_ring.count_bits", 4)?,
            descs: of_ring(desc_ring, "prb_desc_ring.descs", 8)?,
            infos: of_ring(desc_ring, "prb_desc_ring.infos", 8)?,
            head_id: of_ring(desc_ring, "prb_desc_ring.head_id", 8)?,
            tail_id: of_ring(desc_ring, "prb_desc_ring.tail_id", 8)?,
            size_bits: of_ring(text_ring, "prb_data_ring.size_bits", 4)?,
            data: of_ring(text_ring, "prb_data_ring.data", 8)?,
            fail: of_ring(0, "printk_ringbuffer.fail", 8)?,
            desc_bytes,
            state_var: within(desc_bytes, 0, "prb_desc.state_var", 8)?,
            begin: within(desc_bytes, lpos, "prb_data_blk_lpos.begin", 8)?,
            next: within(desc_bytes, lpos, "prb_data_blk_lpos.next", 8)?,
            info_bytes,
            seq: within(info_bytes, 0, "printk_info.seq", 8)?,
            ts_nsec: within(info_bytes, 0, "printk_info.ts_nsec", 8)?,
            text_len,
            caller_id: within(info_bytes, 0, "printk_info.caller_id", 4)?,
        })
    }

    /// Where the arrays are, by the bytes of `struct printk_ringbuffer`.
    pub fn arrays(&self, ring: &[u8]) -> Result<Arrays, LayoutError> {
        let (word, long) =
            (|at| u32_at(ring, at).ok_or(LayoutError::Cut), |at| u64_at(ring, at).ok_or(LayoutError::Cut));
        let (count_bits, size_bits) = (word(self.count_bits)?, word(self.size_bits)?);
        let too_large = LayoutError::TooLarge { count_bits, size_bits };
        if count_bits > MAX_COUNT_BITS || size_bits > MAX_SIZE_BITS {
            return Err(too_large);
        }
        let span = |at, bytes| Ok(Span { address: long(at)?, bytes });
        let arrays = Arrays {
            count_bits,
            size_bits,
            descs: span(self.descs, self.desc_bytes << count_bits)?,
            infos: span(self.infos, self.info_bytes << count_bits)?,
            text: span(self.data, 1 << size_bits)?,
        };
        let total: usize = [arrays.descs, arrays.infos, arrays.text].iter().map(|span| span.bytes).sum();
        if total > MAX_BYTES { Err(too_large) } else { Ok(arrays) }
    }
}
