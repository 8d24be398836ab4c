//! What the tracer in QEMU is told, and what it has seen: one memory for both, see the crate `harness-trace`.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use harness_trace::{
    ANCHOR, BYTES, CLAIMED, DOORBELL, EVENT, EVENT_MARK, EVENTS_AT, HITS_AT, MAGIC, MAX_EVENTS, MAX_PROBES, PROBE,
    PROBES_AT, PROBES_USED, Probe, SLIDE,
};
use rustix::fs::{MemfdFlags, memfd_create};

use super::hooks::ListHead;

/// How a guest is traced.
#[derive(Debug, Clone, Copy)]
pub struct Tracing<'a> {
    /// The tracer.
    pub plugin: &'a Path,
    /// What it looks for from the beginning.
    pub probes: &'a [Probe],
    /// What a guest is asked for once it has booted.
    pub lists: &'a [ListHead],
    /// Link address of the function by whose first execution a booting kernel's slide is learnt.
    pub anchor: u64,
    /// How far a kernel that is restored runs from its link addresses.
    pub slide: u64,
    /// A restored guest wakes the tracer by this word, at a guest-physical address.
    pub doorbell: Option<u64>,
}

/// The memory.
#[derive(Debug)]
pub(super) struct Memory {
    file: File,
    probes: usize,
}

impl Memory {
    /// A new one. Of a guest that is not `restored` the slide is learnt, and the tracer is awake from the start.
    pub fn new(tracing: &Tracing<'_>, restored: bool) -> io::Result<Self> {
        let file = File::from(memfd_create("harness-trace", MemfdFlags::CLOEXEC)?);
        file.set_len(BYTES as u64)?;
        let (anchor, slide) = if restored { (0, tracing.slide) } else { (tracing.anchor, 0) };
        let mut header = [0; HITS_AT];
        let doorbell = if restored { tracing.doorbell.unwrap_or(0) } else { 0 };
        header[..8].copy_from_slice(&MAGIC);
        for (at, value) in [(ANCHOR, anchor), (SLIDE, slide), (DOORBELL, doorbell)] {
            header[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        file.write_all_at(&header, 0)?;
        let mut memory = Self { file, probes: 0 };
        memory.add(tracing.probes)?;
        Ok(memory)
    }

    /// Looks for more, from now on.
    pub fn add(&mut self, probes: &[Probe]) -> io::Result<()> {
        if probes.len() > MAX_PROBES - self.probes {
            return Err(io::Error::other(format!("there is room for {MAX_PROBES} probes only")));
        }
        let bytes: Vec<u8> = probes.iter().flat_map(Probe::encode).collect();
        self.file.write_all_at(&bytes, (PROBES_AT + self.probes * PROBE) as u64)?;
        self.probes += probes.len();
        // Last: the tracer looks at as many as this says.
        self.file.write_all_at(&u32::try_from(self.probes).unwrap_or(u32::MAX).to_le_bytes(), PROBES_USED as u64)
    }

    /// For QEMU to inherit.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }

    /// What a booting kernel's slide was found to be.
    pub fn slide(&self) -> io::Result<u64> {
        self.long(SLIDE)
    }

    /// What the tracer has written: all before the events, and the events there are.
    ///
    /// The tracer may be writing. It marks an event as the last thing that it does, so it is read twice: an event that
    /// was not marked before it was read is not marked in what this returns either.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let events = usize::try_from(self.long(CLAIMED)?).unwrap_or(usize::MAX).min(MAX_EVENTS);
        let mut before = vec![0; EVENTS_AT + events * EVENT];
        let mut bytes = before.clone();
        self.file.read_exact_at(&mut before, 0)?;
        self.file.read_exact_at(&mut bytes, 0)?;
        take_marks(&before, &mut bytes);
        Ok(bytes)
    }

    fn long(&self, at: usize) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, at as u64)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// Gives events the marks that they had in an earlier reading of the same memory.
fn take_marks(before: &[u8], bytes: &mut [u8]) {
    for (event, earlier) in bytes[EVENTS_AT..].chunks_exact_mut(EVENT).zip(before[EVENTS_AT..].chunks_exact(EVENT)) {
        event[EVENT_MARK..].copy_from_slice(&earlier[EVENT_MARK..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_is_completed_while_it_is_read_is_left_for_the_next_time() {
        let mut before = vec![0; EVENTS_AT + 2 * EVENT];
        before[EVENTS_AT + EVENT_MARK] = 1;
        let mut bytes = before.clone();
        bytes[EVENTS_AT..].fill(0xff);
        take_marks(&before, &mut bytes);
        let mark = |event: usize| bytes[EVENTS_AT + event * EVENT..][..EVENT][EVENT_MARK..].to_owned();
        assert_eq!((mark(0), mark(1)), (1_u64.to_le_bytes().to_vec(), vec![0; 8]));
        assert_eq!(bytes[EVENTS_AT..][..EVENT_MARK], [0xff; EVENT_MARK]);
    }
}
