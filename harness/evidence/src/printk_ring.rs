//! The kernel's log as it stands in memory: the ring buffer of `printk()`, records and all.
//!
//! It is what the kernel wanted to say, whatever of it came out anywhere. A ring of descriptors, each of which stands
//! for a record, has a ring of text beside it and a `struct printk_info` for each descriptor; a lockless ring, so that
//! any instant may be looked at. Source: `kernel/printk/printk_ringbuffer.{c,h}`, 5.10 to 7.2;
//! `scripts/gdb/linux/dmesg.py` reads it in the same way.

mod layout;

use std::fmt;

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::console;
use crate::printk::Caller;

pub use layout::{Arrays, Layout, LayoutError, MAX_BYTES, Span};

/// In a descriptor's `state_var` the two highest bits are the state, the others the descriptor's id.
const STATE_SHIFT: u32 = 62;
const ID_MASK: u64 = (1 << STATE_SHIFT) - 1;
/// `desc_reserved`: its writer is not done.
const RESERVED: u64 = 0;
/// `desc_committed`: its writer is done, and may go on writing at its end.
const COMMITTED: u64 = 1;
/// `desc_finalized`: it will not change any more.
const FINALIZED: u64 = 2;

/// In a position in the ring of text: the record has none (`LPOS_DATALESS()`).
const DATALESS: u64 = 1;
/// Begin and end of a record that is an empty line (`EMPTY_LINE_LPOS`, in older kernels `NO_LPOS`).
const EMPTY_LINE: u64 = 3;

/// A block of text begins with the id of its descriptor.
const BLOCK_HEAD: u64 = 8;

/// The caller is a CPU, not a task (`printk_caller_id()`).
const CALLER_IS_CPU: u32 = 1 << 31;

/// The memory of one ring, read while nothing wrote to it, or while it went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRing {
    /// Where things are in its structures.
    pub layout: Layout,
    /// Its arrays, as they were found.
    pub arrays: Arrays,
    /// `struct printk_ringbuffer`.
    pub ring: Vec<u8>,
    /// The descriptors.
    pub descs: Vec<u8>,
    /// The `struct printk_info`s.
    pub infos: Vec<u8>,
    /// The text.
    pub text: Vec<u8>,
}

/// Why no log could be read from a ring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// Not all of the memory is there.
    #[error("the kernel's log is cut off: {0}")]
    Cut(&'static str),
    /// The ids of the first and the last descriptor are further apart than there are descriptors.
    #[error("the kernel's log is said to have {used} records in {count} descriptors")]
    Ids {
        /// Descriptors in use, by their ids.
        used: u64,
        /// Descriptors that there are.
        count: u64,
    },
}

/// One record: what one `printk()`, or several that continue each other, wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 0 at boot.
    pub seq: u64,
    /// Nanoseconds of the kernel's own clock.
    pub ts_ns: u64,
    /// Its level, 0 (`KERN_EMERG`) to 7 (`KERN_DEBUG`).
    pub level: u8,
    /// Who wrote it.
    pub caller: Caller,
    /// Its text, cleaned as [`console::decode`] does it; of several lines, without a line end behind the last.
    pub text: String,
}

impl Record {
    /// Microseconds of the kernel's own clock, as they stand before each line.
    pub const fn micros(&self) -> u64 {
        self.ts_ns / 1000
    }

    /// Its lines, without a prefix.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.split('\n')
    }

    /// One of its lines as the console shows it (`info_print_prefix()`, with time and caller).
    pub fn shown(&self, line: &str) -> String {
        let (seconds, micros) = (self.micros() / 1_000_000, self.micros() % 1_000_000);
        format!("[{seconds:5}.{micros:06}][{:>6}] {line}", self.caller.to_string())
    }
}

/// A log as it stood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    /// Its records, oldest first.
    pub records: Vec<Record>,
    /// Numbers of the records whose writers were not done.
    pub unfinished: Vec<u64>,
    /// Records whose text is not there: there was no room for it, or the ring was being written while it was read.
    pub without_text: u64,
    /// Records for which there was not even a descriptor.
    pub failed: u64,
}

impl fmt::Display for Log {
    /// As the console shows it, and behind it what could not be read, in lines that begin with `[harness: `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for record in &self.records {
            for line in record.lines() {
                writeln!(f, "{}", record.shown(line))?;
            }
        }
        for seq in &self.unfinished {
            writeln!(f, "[harness: record {seq} was being written]")?;
        }
        for (count, what) in [(self.without_text, "records without their text"), (self.failed, "records without room")]
        {
            if count > 0 {
                writeln!(f, "[harness: {what}: {count}]")?;
            }
        }
        Ok(())
    }
}

/// Reads the records of a ring. Takes any bytes; what it returns has no more text than the ring has bytes for it.
pub fn decode(raw: &RawRing) -> Result<Log, RingError> {
    let RawRing { layout, arrays, ring, descs, infos, text } = raw;
    for (bytes, span, what) in
        [(descs, arrays.descs, "the descriptors"), (infos, arrays.infos, "the infos"), (text, arrays.text, "the text")]
    {
        if bytes.len() != span.bytes {
            return Err(RingError::Cut(what));
        }
    }
    let of_ring = |at: usize| u64_at(ring, at).ok_or(RingError::Cut("the ends"));
    let (head, tail) = (of_ring(layout.head_id)? & ID_MASK, of_ring(layout.tail_id)? & ID_MASK);
    let count = 1u64 << arrays.count_bits;
    let used = (head.wrapping_sub(tail) & ID_MASK) + 1;
    if used > count {
        return Err(RingError::Ids { used, count });
    }
    let mut log = Log { failed: of_ring(layout.fail)?, ..Log::default() };
    // No honest records have more text together. Those of a guest that lies may all have the same.
    let mut room = text.len();
    for id in (0..used).map(|step| tail.wrapping_add(step) & ID_MASK) {
        let index = usize::try_from(id & (count - 1)).unwrap_or(usize::MAX);
        let (Some(desc), Some(info)) = (slot(descs, index, layout.desc_bytes), slot(infos, index, layout.info_bytes))
        else {
            return Err(RingError::Cut("the descriptors"));
        };
        let Some(state) = u64_at(desc, layout.state_var).filter(|state| state & ID_MASK == id) else { continue };
        let seq = u64_at(info, layout.seq).unwrap_or_default();
        match state >> STATE_SHIFT {
            RESERVED => log.unfinished.push(seq),
            COMMITTED | FINALIZED => match record(raw, id, seq, desc, info, room) {
                Some((record, bytes)) => {
                    room -= bytes;
                    log.records.push(record);
                }
                None => log.without_text += 1,
            },
            _ => {}
        }
    }
    Ok(log)
}

/// One record, and the number of bytes of its text, at most `room`; none if its text is not there.
fn record(raw: &RawRing, id: u64, seq: u64, desc: &[u8], info: &[u8], room: usize) -> Option<(Record, usize)> {
    let layout = &raw.layout;
    let (begin, next) = (u64_at(desc, layout.begin)?, u64_at(desc, layout.next)?);
    let text_len = usize::from(u16_at(info, layout.text_len)?);
    let bytes = if (begin, next) == (EMPTY_LINE, EMPTY_LINE) {
        &[]
    } else {
        let block = block(&raw.text, raw.arrays.size_bits, begin, next)?;
        let (head, text) = block.split_first_chunk()?;
        // The block was given to another record meanwhile.
        if u64::from_le_bytes(*head) != id {
            return None;
        }
        // What there was no room for was cut off by the writer.
        text.get(..text_len).unwrap_or(text)
    };
    if bytes.len() > room {
        return None;
    }
    let caller_id = u32_at(info, layout.caller_id)?;
    let caller =
        if caller_id & CALLER_IS_CPU == 0 { Caller::Task(caller_id) } else { Caller::Cpu(caller_id & !CALLER_IS_CPU) };
    // Behind the length: a byte of facility, then five bits of flags and three of the level.
    let level = info.get(layout.text_len + 3)? >> 5;
    let ts_ns = u64_at(info, layout.ts_nsec)?;
    let record = Record { seq, ts_ns, level, caller, text: console::decode(bytes).text };
    Some((record, bytes.len()))
}

/// The block of text from `begin` to `next`, positions that go on counting where the ring begins anew. One that would
/// go beyond the end of the ring lies at its start (`get_data()`).
fn block(text: &[u8], size_bits: u32, begin: u64, next: u64) -> Option<&[u8]> {
    if (begin | next) & DATALESS != 0 {
        return None;
    }
    let size = 1u64 << size_bits;
    let index = |lpos: u64| usize::try_from(lpos & (size - 1)).ok();
    // 6.12 moves a block to the start that would end where the ring does, 7.2 does not.
    let last = next.wrapping_sub(1);
    let (from, bytes) = if begin >> size_bits == last >> size_bits {
        (index(begin)?, next.wrapping_sub(begin))
    } else if begin.wrapping_add(size) >> size_bits == last >> size_bits {
        (0, (last & (size - 1)) + 1)
    } else {
        return None;
    };
    (bytes >= BLOCK_HEAD).then_some(())?;
    text.get(from..from.checked_add(usize::try_from(bytes).ok()?)?)
}

fn slot(bytes: &[u8], index: usize, size: usize) -> Option<&[u8]> {
    let from = index.checked_mul(size)?;
    bytes.get(from..from.checked_add(size)?)
}
