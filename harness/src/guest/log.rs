//! The kernel's log in the guest's memory: found while the guest is well, read when it has ended.
//!
//! ```text
//! ready: VMCOREINFO ─> Layout ─> prb ─> struct printk_ringbuffer ─> its arrays ─> their physical addresses
//! end:   what lies there ─> RawRing, for the decoder
//! ```
//!
//! Addresses are translated once, by the page tables of a CPU in the kernel. At the end they may not be what they were,
//! and none is needed: what is read is physical memory, which a reset that was held up has left alone.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::error::GuestError;
use super::monitor::Monitor;
use crate::blocking::off_thread;
use crate::evidence::printk_ring::{Arrays, Layout, LayoutError, RawRing, Span};
use crate::evidence::vmcoreinfo::VmcoreInfo;

/// What lies no further apart is read in one go: a command of QEMU's takes as long as half a megabyte of memory.
const NEAR: u64 = 256 << 10;

/// What is being done, for errors.
const SEARCHING: &str = "looking for the log";

/// Why the log is not known of a guest in which it has not been searched for.
pub(super) const NOT_SEARCHED: &str = "its location was never determined";

/// The kernel's log as it stood in the guest's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogMemory {
    /// All of its memory.
    Read(Box<RawRing>),
    /// Why it could not be read.
    Unknown(String),
}

impl Default for LogMemory {
    fn default() -> Self {
        Self::Unknown(NOT_SEARCHED.to_owned())
    }
}

impl LogMemory {
    /// Reads the log as it is now.
    pub(super) async fn read(place: Result<&LogPlace, &String>, monitor: &Monitor) -> Self {
        let read = match place {
            Ok(place) => read_log(place, monitor).await,
            Err(why) => Err(why.clone()),
        };
        read.map_or_else(Self::Unknown, |raw| Self::Read(Box::new(raw)))
    }
}

/// Why the log is not known.
#[derive(Debug, Error)]
pub(super) enum LogError {
    #[error("the guest says that {what} is at {address:#x}, which is not in its RAM")]
    NotInRam { what: &'static str, address: u64 },
    #[error("no CPU of the guest has {what} mapped at {address:#x}")]
    NotMapped { what: &'static str, address: u64 },
    #[error("{what} of the guest is not in one piece of its RAM")]
    InPieces { what: &'static str },
    #[error(transparent)]
    Layout(#[from] LayoutError),
    #[error(transparent)]
    Guest(#[from] GuestError),
}

/// Where the log is: its parts with their physical addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogPlace {
    layout: Layout,
    arrays: Arrays,
    ring: u64,
    descs: u64,
    infos: u64,
    text: u64,
}

impl LogPlace {
    /// Physical addresses and sizes of the ring's structure, its descriptors, infos and text.
    const fn parts(&self) -> [(u64, usize); 4] {
        let Self { layout, arrays, ring, descs, infos, text } = self;
        [
            (*ring, layout.ring_bytes),
            (*descs, arrays.descs.bytes),
            (*infos, arrays.infos.bytes),
            (*text, arrays.text.bytes),
        ]
    }

    /// What is to be read so that all of its parts are there; at most as many ranges as parts.
    fn ranges(&self) -> Vec<Range<u64>> {
        let mut parts = self.parts().map(|(from, bytes)| from..from.saturating_add(bytes as u64));
        parts.sort_by_key(|part| part.start);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for part in parts {
            match ranges.last_mut() {
                Some(last) if part.start <= last.end.saturating_add(NEAR) => last.end = last.end.max(part.end),
                _ => ranges.push(part),
            }
        }
        ranges
    }

    /// The ring, from what was read.
    fn raw(&self, ranges: &[(Range<u64>, Vec<u8>)]) -> Option<RawRing> {
        let part = |(address, bytes): (u64, usize)| {
            let (range, memory) = ranges.iter().rev().find(|(range, _)| range.start <= address)?;
            let from = usize::try_from(address - range.start).ok()?;
            memory.get(from..from.checked_add(bytes)?).map(<[u8]>::to_vec)
        };
        let [ring, descs, infos, text] = self.parts().map(part);
        let (layout, arrays) = (self.layout, self.arrays);
        Some(RawRing { layout, arrays, ring: ring?, descs: descs?, infos: infos?, text: text? })
    }
}

impl LogPlace {
    /// Finds the kernel's log in a guest that is ready, by what that tells of itself.
    pub async fn find(monitor: &Monitor, info: &VmcoreInfo) -> Result<Self, LogError> {
        let search = Search { monitor };
        let layout = Layout::of(info)?;
        let pointer = search.physical("prb", Span { address: layout.prb, bytes: 8 }).await?;
        let pointer = search.memory("prb", pointer, 8).await?;
        let address = pointer.first_chunk().copied().map(u64::from_le_bytes).unwrap_or_default();
        let what = "struct printk_ringbuffer";
        let ring = search.physical(what, Span { address, bytes: layout.ring_bytes }).await?;
        let arrays = layout.arrays(&search.memory(what, ring, layout.ring_bytes).await?)?;
        let place = Self {
            layout,
            arrays,
            ring,
            descs: search.physical("the log's descriptors", arrays.descs).await?,
            infos: search.physical("the log's infos", arrays.infos).await?,
            text: search.physical("the log's text", arrays.text).await?,
        };
        for range in place.ranges() {
            let bytes = range.end - range.start;
            search.in_ram("the log", range.start, bytes)?;
        }
        Ok(place)
    }
}

/// The log as it is now, for the decoder, or why it cannot be read.
async fn read_log(place: &LogPlace, monitor: &Monitor) -> Result<RawRing, String> {
    let mut ranges = place.ranges().into_iter();
    let mut next = |name| read_range(monitor, name, ranges.next());
    // In one go: each answer that is waited for costs as much as the work.
    let read = tokio::try_join!(biased; next("log0"), next("log1"), next("log2"), next("log3"));
    let (a, b, c, d) = read.map_err(|error| error.to_string())?;
    let ranges: Vec<_> = [a, b, c, d].into_iter().flatten().collect();
    let place = *place;
    let raw = off_thread(move || place.raw(&ranges)).await;
    raw.ok_or_else(|| "less of the log was read than was asked for".to_owned())
}

async fn read_range(
    monitor: &Monitor,
    name: &str,
    range: Option<Range<u64>>,
) -> Result<Option<(Range<u64>, Vec<u8>)>, GuestError> {
    let Some(range) = range else { return Ok(None) };
    let bytes = range.end - range.start;
    let memory = monitor.physical_memory("reading the log", name, range.start, bytes).await?;
    Ok(Some((range, memory)))
}

/// Reading what a guest has told of, which is not trusted.
struct Search<'a> {
    monitor: &'a Monitor,
}

impl Search<'_> {
    /// Memory at a physical address.
    async fn memory(&self, what: &'static str, address: u64, bytes: usize) -> Result<Vec<u8>, LogError> {
        self.in_ram(what, address, bytes as u64)?;
        Ok(self.monitor.physical_memory(SEARCHING, "log", address, bytes as u64).await?)
    }

    fn in_ram(&self, what: &'static str, address: u64, bytes: u64) -> Result<(), LogError> {
        if self.monitor.has_ram(address, bytes) { Ok(()) } else { Err(LogError::NotInRam { what, address }) }
    }

    /// The physical address of what lies at a virtual one, if it does in one piece.
    async fn physical(&self, what: &'static str, span: Span) -> Result<u64, LogError> {
        let last = span.bytes.saturating_sub(1) as u64;
        let (from, to) = (span.address, span.address.checked_add(last).ok_or(LogError::InPieces { what })?);
        let (from, to) = (self.translated(what, from).await?, self.translated(what, to).await?);
        if from.checked_add(last) == Some(to) { Ok(from) } else { Err(LogError::InPieces { what }) }
    }

    async fn translated(&self, what: &'static str, address: u64) -> Result<u64, LogError> {
        self.monitor.translate(SEARCHING, address).await?.ok_or(LogError::NotMapped { what, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness_testdata::printk_ring::{Kernel, RingBuilder};

    fn place(addresses: [u64; 4]) -> (LogPlace, RawRing) {
        let raw = RingBuilder::new(Kernel::V6_12, 5, 10).push(0, 0, "a").push(1, 1, "b").raw();
        let [ring, descs, infos, text] = addresses;
        (LogPlace { layout: raw.layout, arrays: raw.arrays, ring, descs, infos, text }, raw)
    }

    /// What QEMU would read of a memory in which the ring lies at `place`.
    fn saved(place: &LogPlace, raw: &RawRing) -> Vec<(Range<u64>, Vec<u8>)> {
        let parts = place.parts().into_iter().zip([&raw.ring, &raw.descs, &raw.infos, &raw.text]);
        let memory = |range: Range<u64>| {
            let mut bytes = vec![0xaa; usize::try_from(range.end - range.start).unwrap()];
            for ((address, len), part) in parts.clone().filter(|((address, _), _)| range.contains(address)) {
                bytes[usize::try_from(address - range.start).unwrap()..][..len].copy_from_slice(part);
            }
            (range, bytes)
        };
        place.ranges().into_iter().map(memory).collect()
    }

    #[test]
    fn what_lies_near_is_read_in_one_go_and_put_together_again() {
        // 88 bytes, 768, 2816 and 1024.
        let (near, raw) = place([0x1000, 0x3000, 0x1800, 0x20_0000]);
        assert_eq!(near.ranges(), [0x1000..0x3300, 0x20_0000..0x20_0400]);
        assert_eq!(near.raw(&saved(&near, &raw)), Some(raw.clone()));
        let (far, _) = place([0x300_0000, 0x200_0000, 0x100_0000, 0]);
        assert_eq!(far.ranges().len(), 4);
        assert_eq!(far.raw(&saved(&far, &raw)), Some(raw));
    }

    #[test]
    fn less_than_was_asked_for_is_no_log() {
        let (near, raw) = place([0x1000, 0x3000, 0x1800, 0x20_0000]);
        let mut ranges = saved(&near, &raw);
        ranges[1].1.pop();
        assert_eq!(near.raw(&ranges), None);
        assert_eq!(near.raw(&[]), None);
    }

    #[test]
    fn parts_that_overlap_are_read_once() {
        let (lie, raw) = place([0x1000; 4]);
        assert_eq!(lie.ranges().as_slice(), std::slice::from_ref(&(0x1000..0x1b00)));
        assert!(lie.raw(&saved(&lie, &raw)).is_some());
    }
}
