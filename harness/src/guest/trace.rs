//! What the tracer in QEMU is told, and what it has seen: one memory for both, see the crate `harness-trace`. And what only a
//! booted kernel can tell for it: which functions it calls when it panics.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use harness_trace::{
    ANCHOR, BYTES, CLAIMED, DOORBELL, EVENT, EVENT_MARK, EVENTS_AT, FIRES_AT, HITS_AT, MAGIC, MARKS_AT, MAX_EVENTS,
    MAX_PROBES, PROBE, PROBES_AT, PROBES_USED, Probe, RELEASED, RULE, RULES_AT, RULES_COME, RULES_USED, Rule, SLIDE,
};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::error::GuestError;
use super::monitor::Monitor;

/// No list is followed further than this many entries, because the guest's memory is not trusted.
const MAX_ENTRIES: usize = 64;

/// A list of functions in the kernel's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListHead {
    /// Link address of a pointer to the first `struct notifier_block` (`include/linux/notifier.h`).
    Notifiers(u64),
    /// Link address of the `struct list_head` of the `struct kmsg_dumper`s (`include/linux/kmsg_dump.h`).
    Dumpers(u64),
}

impl ListHead {
    /// The functions on the list of a kernel that runs `slide` bytes above its link addresses, in their order, at their
    /// virtual addresses.
    async fn functions(self, monitor: &Monitor, slide: u64) -> Result<Vec<u64>, GuestError> {
        let during = "reading the kernel's lists of notifiers and dumpers";
        let mut functions = Vec::new();
        match self {
            Self::Notifiers(head) => {
                let [mut block] = monitor.kernel_words(during, head.wrapping_add(slide)).await?;
                while block != 0 && functions.len() < MAX_ENTRIES {
                    // notifier_call, next
                    let [function, next] = monitor.kernel_words(during, block).await?;
                    functions.push(function);
                    block = next;
                }
            }
            Self::Dumpers(head) => {
                let head = head.wrapping_add(slide);
                let [mut dumper] = monitor.kernel_words(during, head).await?;
                while dumper != head && functions.len() < MAX_ENTRIES {
                    // list.next, list.prev, dump
                    let [next, _, function] = monitor.kernel_words(during, dumper).await?;
                    functions.push(function);
                    dumper = next;
                }
            }
        }
        Ok(functions)
    }
}

/// What only a booted kernel can tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// The functions on each list that was asked for, in their order, at their virtual addresses.
    pub lists: Vec<Vec<u64>>,
}

impl Hooks {
    /// Reads `lists` in the memory of a guest that has booted, whose kernel runs `slide` bytes above its link addresses.
    pub(super) async fn read(monitor: &Monitor, slide: u64, lists: &[ListHead]) -> Result<Self, GuestError> {
        let mut hooks = Self::default();
        for list in lists {
            hooks.lists.push(list.functions(monitor, slide).await?);
        }
        Ok(hooks)
    }
}

/// Which vCPUs the tracer is to hold, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Of each probe, what it is to them.
    pub marks: Vec<u64>,
    /// How far into crashlab's page the write lies that fires the faults.
    pub fires_at: u64,
}

/// How a guest is traced.
#[derive(Debug, Clone, Copy)]
pub struct Tracing<'a> {
    /// The tracer's file.
    pub plugin: &'a Path,
    /// What the tracer looks for from the beginning.
    pub probes: &'a [Probe],
    /// The lists that are read once the guest has booted.
    pub lists: &'a [ListHead],
    /// Link address of the function by whose first execution a booting kernel's slide is learnt.
    pub anchor: u64,
    /// How far a kernel that is restored runs from its link addresses.
    pub slide: u64,
    /// A restored guest wakes the tracer by this word, at a guest-physical address.
    pub doorbell: Option<u64>,
    /// Which of its vCPUs are held; of a guest that is booted only whether there will be any, since what its probes are is not
    /// known yet.
    pub rules: Option<&'a Rules>,
}

/// The memory shared with the tracer.
#[derive(Debug)]
pub(super) struct TracerMemory {
    file: File,
    probes: usize,
}

impl TracerMemory {
    /// Makes it. Of a guest that is not `restored` the slide is learnt, and the tracer is awake from the start.
    pub fn new(tracing: &Tracing<'_>, restored: bool) -> Result<Self, GuestError> {
        Self::make(tracing, restored).map_err(GuestError::io("make the tracer's memory"))
    }

    fn make(tracing: &Tracing<'_>, restored: bool) -> io::Result<Self> {
        let file = File::from(memfd_create("harness-trace", MemfdFlags::CLOEXEC)?);
        file.set_len(BYTES as u64)?;
        let (anchor, slide) = if restored { (0, tracing.slide) } else { (tracing.anchor, 0) };
        let mut header = [0; HITS_AT];
        let doorbell = if restored { tracing.doorbell.unwrap_or(0) } else { 0 };
        header[..8].copy_from_slice(&MAGIC);
        for (at, value) in [(ANCHOR, anchor), (SLIDE, slide), (DOORBELL, doorbell)] {
            header[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        header[RULES_COME..RULES_COME + 4].copy_from_slice(&u32::from(tracing.rules.is_some()).to_le_bytes());
        file.write_all_at(&header, 0)?;
        let mut memory = Self { file, probes: 0 };
        memory.append(tracing.probes)?;
        if let Some(rules) = tracing.rules.filter(|_| restored) {
            memory.write_rules(rules)?;
        }
        Ok(memory)
    }

    /// Has the tracer hold vCPUs from now on, once all probes are known.
    pub fn hold(&self, rules: &Rules) -> Result<(), GuestError> {
        self.write_rules(rules).map_err(GuestError::io("tell the tracer which vCPUs to hold"))
    }

    fn write_rules(&self, Rules { rules, marks, fires_at }: &Rules) -> io::Result<()> {
        let marks: Vec<u8> = marks.iter().take(MAX_PROBES).flat_map(|marks| marks.to_le_bytes()).collect();
        self.file.write_all_at(&marks, MARKS_AT as u64)?;
        self.file.write_all_at(&fires_at.to_le_bytes(), FIRES_AT as u64)?;
        for (number, rule) in rules.iter().enumerate() {
            self.file.write_all_at(&rule.encode(), (RULES_AT + number * RULE) as u64)?;
        }
        // Last: the tracer looks at as many as this says.
        self.file.write_all_at(&u32::try_from(rules.len()).unwrap_or(u32::MAX).to_le_bytes(), RULES_USED as u64)
    }

    /// Has whoever is held go on, and nobody be held any more.
    pub fn release(&self) -> Result<(), GuestError> {
        let failed = GuestError::io("tell the tracer to hold no vCPU any more");
        self.file.write_all_at(&1_u32.to_le_bytes(), RELEASED as u64).map_err(failed)
    }

    /// Has the tracer look for these as well, from now on.
    pub fn add(&mut self, probes: &[Probe]) -> Result<(), GuestError> {
        self.append(probes).map_err(GuestError::io("tell the tracer what to look for"))
    }

    fn append(&mut self, probes: &[Probe]) -> io::Result<()> {
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
    pub fn descriptor(&self) -> Result<OwnedFd, GuestError> {
        let file = self.file.try_clone().map_err(GuestError::io("hand the tracer's memory to QEMU"))?;
        Ok(file.into())
    }

    /// What a booting kernel's slide was found to be, in bytes.
    pub fn slide(&self) -> Result<u64, GuestError> {
        self.long(SLIDE).map_err(unreadable())
    }

    /// What the tracer has written: all before the events, and the events there are.
    ///
    /// The tracer may be writing. It marks an event as the last thing that it does, so it is read twice: an event that
    /// was not marked before it was read is not marked in what this returns either.
    pub fn read(&self) -> Result<Vec<u8>, GuestError> {
        self.read_twice().map_err(unreadable())
    }

    fn read_twice(&self) -> io::Result<Vec<u8>> {
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

fn unreadable() -> impl FnOnce(io::Error) -> GuestError {
    GuestError::io("read the tracer's memory")
}

/// The host's monotonic clock in nanoseconds, as the tracer reads it.
pub(crate) fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
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
