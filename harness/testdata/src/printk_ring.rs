//! Builds the memory of a `printk()` ring buffer as kernels write it, for tests only: enough to prove the decoder
//! without a guest.

use std::collections::VecDeque;

use harness_evidence::printk_ring::{Layout, RawRing};
use harness_evidence::vmcoreinfo::VmcoreInfo;

/// A descriptor's state: its writer is not done.
pub const RESERVED: u64 = 0;
/// Its writer is done, and may go on writing at its end.
pub const COMMITTED: u64 = 1;
/// It will not change any more.
pub const FINALIZED: u64 = 2;
const REUSABLE: u64 = 3;

/// In the id of a caller: it is a CPU, not a task.
pub const CALLER_IS_CPU: u32 = 1 << 31;

const ID_MASK: u64 = u64::MAX >> 2;
const DESC_BYTES: usize = 24;

/// Where a ring's structure, descriptors, infos and text are said to be.
pub const ADDRESSES: [u64; 4] =
    [0xffff_ffff_8182_0680, 0xffff_ffff_8187_86e0, 0xffff_ffff_8182_06e0, 0xffff_ffff_8197_c278];

/// Whose structures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Without `last_finalized_seq`.
    V5_10,
    /// With it.
    V6_12,
    /// With `CONFIG_PRINTK_EXECUTION_CTX`; and a block may end where the ring does.
    V7_2,
}

impl Kernel {
    /// Where the text ring's structure is within the whole.
    const fn text_ring(self) -> usize {
        match self {
            Self::V5_10 => 40,
            Self::V6_12 | Self::V7_2 => 48,
        }
    }

    const fn ring_bytes(self) -> usize {
        self.text_ring() + 40
    }

    const fn info_bytes(self) -> usize {
        match self {
            Self::V5_10 | Self::V6_12 => 88,
            Self::V7_2 => 112,
        }
    }

    /// The lines of `VMCOREINFO` that are about the log.
    pub fn vmcoreinfo(self) -> String {
        let (ring, text, info) = (self.ring_bytes(), self.text_ring(), self.info_bytes());
        format!(
            "OSRELEASE=6.12.117\nSYMBOL(prb)=ffffffff81820668\nSIZE(printk_ringbuffer)={ring}\n\
             OFFSET(printk_ringbuffer.desc_ring)=0\nOFFSET(printk_ringbuffer.text_data_ring)={text}\n\
             OFFSET(printk_ringbuffer.fail)={}\nOFFSET(prb_desc_ring.count_bits)=0\nOFFSET(prb_desc_ring.descs)=8\n\
             OFFSET(prb_desc_ring.infos)=16\nOFFSET(prb_desc_ring.head_id)=24\nOFFSET(prb_desc_ring.tail_id)=32\n\
             SIZE(prb_desc)={DESC_BYTES}\nOFFSET(prb_desc.state_var)=0\nOFFSET(prb_desc.text_blk_lpos)=8\n\
             OFFSET(prb_data_blk_lpos.begin)=0\nOFFSET(prb_data_blk_lpos.next)=8\nSIZE(printk_info)={info}\n\
             OFFSET(printk_info.seq)=0\nOFFSET(printk_info.ts_nsec)=8\nOFFSET(printk_info.text_len)=16\n\
             OFFSET(printk_info.caller_id)=20\nOFFSET(prb_data_ring.size_bits)=0\nOFFSET(prb_data_ring.data)=8\n",
            text + 32
        )
    }

    /// Its layout.
    pub fn layout(self) -> Layout {
        Layout::of(&VmcoreInfo::of_notes(&note("VMCOREINFO", &self.vmcoreinfo())).unwrap()).unwrap()
    }
}

/// An ELF note.
pub fn note(name: &str, text: &str) -> Vec<u8> {
    let mut note = Vec::new();
    for word in [name.len() + 1, text.len(), 0] {
        note.extend(u32::try_from(word).unwrap().to_le_bytes());
    }
    for part in [&[name.as_bytes(), b"\0"].concat()[..], text.as_bytes()] {
        note.extend(part);
        note.resize(note.len().next_multiple_of(4), 0);
    }
    note
}

/// A ring to which records are written.
pub struct RingBuilder {
    kernel: Kernel,
    count_bits: u32,
    size_bits: u32,
    descs: Vec<u8>,
    infos: Vec<u8>,
    text: Vec<u8>,
    /// The live records: id, and where their text begins, if they have one.
    live: VecDeque<(u64, Option<u64>)>,
    head_id: u64,
    tail_id: u64,
    head_lpos: u64,
    seq: u64,
}

impl RingBuilder {
    /// An empty ring, whose ids and positions begin as `_DEFINE_PRINTKRB()` has it.
    pub fn new(kernel: Kernel, count_bits: u32, size_bits: u32) -> Self {
        let count = 1usize << count_bits;
        let first = (1u64 << count_bits).wrapping_add(1).wrapping_neg() & ID_MASK;
        let mut ring = Self {
            kernel,
            count_bits,
            size_bits,
            descs: vec![0; DESC_BYTES * count],
            infos: vec![0; kernel.info_bytes() * count],
            text: vec![0; 1 << size_bits],
            live: VecDeque::new(),
            head_id: first,
            tail_id: first,
            head_lpos: (1u64 << size_bits).wrapping_neg(),
            seq: 0,
        };
        ring.describe(first, REUSABLE, (1, 1));
        ring
    }

    /// Writes a record that is done.
    pub fn push(&mut self, ts_ns: u64, caller_id: u32, text: &str) -> &mut Self {
        self.push_as(FINALIZED, ts_ns, caller_id, text)
    }

    /// Writes a record at level 6 that stays in a state.
    pub fn push_as(&mut self, state: u64, ts_ns: u64, caller_id: u32, text: &str) -> &mut Self {
        let id = self.head_id.wrapping_add(1) & ID_MASK;
        while self.live.len() + 1 > 1 << self.count_bits {
            self.evict();
        }
        let lpos = if text.is_empty() { (3, 3) } else { self.allocate(id, text) };
        self.head_id = id;
        // Until the tail is pushed for the first time it is at a descriptor of nobody's.
        if self.live.is_empty() {
            self.tail_id = id;
        }
        self.live.push_back((id, (!text.is_empty()).then_some(lpos.0)));
        self.describe(id, state, lpos);
        let at = self.index(id) * self.kernel.info_bytes();
        let mut put = |offset: usize, bytes: &[u8]| self.infos[at + offset..][..bytes.len()].copy_from_slice(bytes);
        put(0, &self.seq.to_le_bytes());
        put(8, &ts_ns.to_le_bytes());
        put(16, &u16::try_from(text.len()).unwrap().to_le_bytes());
        put(19, &[6 << 5]);
        put(20, &caller_id.to_le_bytes());
        self.seq += 1;
        self
    }

    /// Changes a descriptor of record `seq`: its state and its positions.
    pub fn describe_record(&mut self, seq: u64, state: u64, lpos: (u64, u64)) -> &mut Self {
        let back = self.seq - 1 - seq;
        self.describe(self.head_id.wrapping_sub(back) & ID_MASK, state, lpos);
        self
    }

    /// The ring's memory.
    pub fn raw(&self) -> RawRing {
        let mut ring = vec![0; self.kernel.ring_bytes()];
        let text = self.kernel.text_ring();
        let mut put = |at: usize, bytes: &[u8]| ring[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.count_bits.to_le_bytes());
        put(8, &ADDRESSES[1].to_le_bytes());
        put(16, &ADDRESSES[2].to_le_bytes());
        put(24, &self.head_id.to_le_bytes());
        put(32, &self.tail_id.to_le_bytes());
        put(text, &self.size_bits.to_le_bytes());
        put(text + 8, &ADDRESSES[3].to_le_bytes());
        let layout = self.kernel.layout();
        let arrays = layout.arrays(&ring).unwrap();
        let (descs, infos, text) = (self.descs.clone(), self.infos.clone(), self.text.clone());
        RawRing { layout, arrays, ring, descs, infos, text }
    }

    /// Finds room for a block, takes it from the oldest, and writes it (`data_alloc()`).
    fn allocate(&mut self, id: u64, text: &str) -> (u64, u64) {
        let bytes = (8 + text.len() as u64).next_multiple_of(8);
        let begin = self.head_lpos;
        let mut next = begin.wrapping_add(bytes);
        let last = if self.kernel == Kernel::V7_2 { next.wrapping_sub(1) } else { next };
        let wraps = begin >> self.size_bits != last >> self.size_bits;
        if wraps {
            next = (((begin >> self.size_bits) + 1) << self.size_bits).wrapping_add(bytes);
        }
        while let Some(oldest) = self.live.iter().find_map(|(_, begin)| *begin) {
            if next.wrapping_sub(oldest) <= 1 << self.size_bits {
                break;
            }
            self.evict();
        }
        self.head_lpos = next;
        let at = if wraps { 0 } else { usize::try_from(begin & ((1 << self.size_bits) - 1)).unwrap() };
        self.text[at..at + 8].copy_from_slice(&id.to_le_bytes());
        self.text[at + 8..at + 8 + text.len()].copy_from_slice(text.as_bytes());
        (begin, next)
    }

    fn evict(&mut self) {
        let (id, _) = self.live.pop_front().expect("something is in the way");
        let at = self.index(id) * DESC_BYTES;
        self.descs[at..at + 8].copy_from_slice(&(REUSABLE << 62 | id).to_le_bytes());
        self.tail_id = id.wrapping_add(1) & ID_MASK;
    }

    fn describe(&mut self, id: u64, state: u64, (begin, next): (u64, u64)) {
        let at = self.index(id) * DESC_BYTES;
        for (slot, word) in [state << 62 | id, begin, next].into_iter().enumerate() {
            self.descs[at + slot * 8..][..8].copy_from_slice(&word.to_le_bytes());
        }
    }

    fn index(&self, id: u64) -> usize {
        usize::try_from(id & ((1 << self.count_bits) - 1)).unwrap()
    }
}
