//! The memory that the harness and the tracer share: the harness writes which addresses are probed, the tracer, inside
//! of QEMU, what passed them and when.
//!
//! It is a file without a name (`memfd_create(2)`), which QEMU inherits as a descriptor. Little endian, version 1:
//!
//! | offset | size | written by | field |
//! |---|---|---|---|
//! | 0 | 8 | harness | magic `HTRACER1` |
//! | 8 | 4 | harness | probes, at most [`MAX_PROBES`]; raised last when some are added |
//! | 12 | 4 | tracer | state, see [`State`] |
//! | 16 | 8 | tracer | events that asked for a place; those beyond [`MAX_EVENTS`] got none |
//! | 24 | 8 | harness | anchor: link address of a function whose first execution tells the slide; 0: known |
//! | 32 | 8 | both | slide: how far the kernel runs from its link addresses (KASLR) |
//! | 40 | 8 | harness | doorbell: guest-physical address of the word that wakes the tracer; 0: awake |
//! | [`HITS_AT`] | 8 × 1024 | tracer | how often each probe was passed, whether or not that became an event |
//! | [`EVENTS_AT`] | 32 × 8192 | tracer | events |
//! | [`PROBES_AT`] | 48 × 1024 | harness | probes |
//!
//! Probe:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 4 | kind: 1 [`Place::At`], 2 [`Place::Instruction`], 3 [`Place::Access`] |
//! | 4 | 4 | bit 31: the addresses of code are as linked, and the slide is added; below: events that it may make |
//! | 8 | 8 | address of code; of `Access` the first one |
//! | 16 | 8 | of `Instruction` its length; of `Access` the address behind the code |
//! | 24 | 8 | of `Access` the first address that is watched |
//! | 32 | 8 | of `Access` the address behind what is watched |
//! | 40 | 8 | of `Access` bit 0: the watched addresses are as linked; bit 1: reads are meant, not writes |
//!
//! Event:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 8 | nanoseconds of the host's monotonic clock |
//! | 8 | 8 | of `Access` how far into the watched memory, else 0 |
//! | 16 | 4 | probe |
//! | 20 | 4 | vCPU |
//! | 24 | 8 | mark: 1 + place, written last; another value: the event was being written when QEMU died |
//!
//! Places are handed out by one atomic counter, before the probed instruction is executed: they are the order of
//! events.

/// Size of the memory.
pub const BYTES: usize = PROBES_AT + MAX_PROBES * PROBE;
/// Probes there is room for.
pub const MAX_PROBES: usize = 1024;
/// Events there is room for.
pub const MAX_EVENTS: usize = 8192;

/// Where the magic stands.
pub const MAGIC: [u8; 8] = *b"HTRACER1";
/// Where the number of probes stands.
pub const PROBES_USED: usize = 8;
/// Where the tracer's state stands.
pub const STATE: usize = 12;
/// Where the number of events stands.
pub const CLAIMED: usize = 16;
/// Where the anchor stands.
pub const ANCHOR: usize = 24;
/// Where the slide stands.
pub const SLIDE: usize = 32;
/// Where the doorbell's address stands.
pub const DOORBELL: usize = 40;
/// What a guest writes to the doorbell to wake the tracer.
pub const CALLED: u32 = 1;
/// What the tracer writes to it once it is awake.
pub const AWAKE: u32 = 2;
/// Where hits are counted; before it stands the header.
pub const HITS_AT: usize = 64;
/// Where events stand.
pub const EVENTS_AT: usize = HITS_AT + MAX_PROBES * 8;
/// Size of an event.
pub const EVENT: usize = 32;
/// Where in an event its mark stands, a number that says that all of it has been written.
pub const EVENT_MARK: usize = 24;
/// Where probes stand; at the end, because nobody reads them when the guest is dead.
pub const PROBES_AT: usize = EVENTS_AT + MAX_EVENTS * EVENT;
/// Size of a probe.
pub const PROBE: usize = 48;

const AS_LINKED: u32 = 1 << 31;

/// What the tracer says on standard error when QEMU has only been tried (`trial=on`).
pub const LOADED: &str = "tracer: loaded";

/// How far the tracer has got. It sees nothing before it is [`State::Ready`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// QEMU has not loaded it.
    Absent = 0,
    /// It is loaded, and sleeps, or does not know the slide.
    Loaded = 1,
    /// It is awake and knows the slide.
    Ready = 2,
}

impl State {
    /// By its number.
    pub const fn from_number(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Absent),
            1 => Some(Self::Loaded),
            2 => Some(Self::Ready),
            _ => None,
        }
    }
}

/// Where something is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A CPU is about to execute the instruction at this address: a function's first, usually.
    At(u64),
    /// A CPU is about to execute the instruction at this address, if there is one of this length: an address somewhere
    /// in a function may as well lie within a longer instruction.
    Instruction {
        /// Address.
        at: u64,
        /// Length in bytes.
        bytes: u64,
    },
    /// Code touches memory.
    Access {
        /// First and behind last address of the code.
        code: (u64, u64),
        /// First and behind last address of the memory, and whether it is as linked.
        watched: (u64, u64, bool),
        /// Whether reading it is meant, not writing.
        reads: bool,
    },
}

/// Something to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Where.
    pub place: Place,
    /// The addresses of code are those that the kernel was linked for: the slide is added.
    pub as_linked: bool,
    /// How many events it may make; beyond that it only counts. At most 2³¹ − 1.
    pub limit: u32,
}

impl Probe {
    /// As it stands in the memory.
    pub fn encode(&self) -> [u8; PROBE] {
        let (kind, code, end, lo, hi, flags) = match self.place {
            Place::At(at) => (1, at, 0, 0, 0, 0),
            Place::Instruction { at, bytes } => (2, at, bytes, 0, 0, 0),
            Place::Access { code, watched, reads } => {
                (3, code.0, code.1, watched.0, watched.1, u64::from(watched.2) | u64::from(reads) << 1)
            }
        };
        let limit = self.limit.min(AS_LINKED - 1) | if self.as_linked { AS_LINKED } else { 0 };
        let mut bytes = [0; PROBE];
        let (words, longs) = bytes.split_at_mut(8);
        words[..4].copy_from_slice(&u32::to_le_bytes(kind));
        words[4..].copy_from_slice(&limit.to_le_bytes());
        for (field, value) in longs.chunks_exact_mut(8).zip([code, end, lo, hi, flags]) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    /// From how it stands in the memory; `None` if it is none.
    pub fn decode(bytes: &[u8; PROBE]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let place = match word(0) {
            1 => Place::At(long(8)),
            2 => Place::Instruction { at: long(8), bytes: long(16) },
            3 => Place::Access {
                code: (long(8), long(16)),
                watched: (long(24), long(32), long(40) & 1 != 0),
                reads: long(40) & 2 != 0,
            },
            _ => return None,
        };
        Some(Self { place, as_linked: word(4) & AS_LINKED != 0, limit: word(4) & !AS_LINKED })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_read_as_they_were_written() {
        for place in [
            Place::At(0xffff_ffff_8100_0000),
            Place::Instruction { at: 1, bytes: 5 },
            Place::Access { code: (2, 3), watched: (4, u64::MAX, true), reads: false },
            Place::Access { code: (2, 3), watched: (4, 5, false), reads: true },
        ] {
            for as_linked in [false, true] {
                let probe = Probe { place, as_linked, limit: 77 };
                assert_eq!(Probe::decode(&probe.encode()), Some(probe));
            }
        }
        assert_eq!(Probe::decode(&[0; PROBE]), None);
    }

    #[test]
    fn what_is_counted_atomically_is_aligned() {
        for at in [PROBES_USED, STATE] {
            assert!(at.is_multiple_of(4));
        }
        for at in [CLAIMED, ANCHOR, SLIDE, DOORBELL, HITS_AT, EVENTS_AT, EVENT, PROBES_AT, PROBE] {
            assert!(at.is_multiple_of(8));
        }
    }
}
