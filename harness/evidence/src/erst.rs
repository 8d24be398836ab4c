//! The backing file of QEMU's `acpi-erst` device: slots of equal size, the first of them taken by a header and a map.
//!
//! Source: `hw/acpi/erst.c` and `docs/specs/acpi_erst.rst` in QEMU. Where the two differ (the header's field at 0x0c)
//! the code is followed. The file is written in the very access with which the guest executes its write, so a record
//! is in the map either whole or not at all. Clearing only takes a record out of the map: its bytes stay.

mod writer;

use std::collections::BTreeSet;

pub use self::writer::{NoSlot, Writer};

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::cper;

const MAGIC: u64 = 0x524f_5453_5453_5245;
const VERSION: u16 = 0x0100;
/// Where the map begins.
const HEADER: usize = 0x18;
const MAP_ENTRY: usize = 8;
const MIN_RECORD_SIZE: u32 = 4096;

/// A map entry that says "free", and one that is never valid.
const FREE: u64 = 0;
const INVALID: u64 = u64::MAX;

/// One slot that holds a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot<'a> {
    /// Its number, counted from the start of the file; the header's are counted too.
    pub number: usize,
    /// The record's id by the map; `None` if the record is no longer (or not yet) in the map, so that the guest would
    /// not be shown it.
    pub id: Option<u64>,
    /// All of the slot: the record, then padding.
    pub bytes: &'a [u8],
}

impl Slot<'_> {
    /// Whether the guest cleared the record: it is still readable here, but it is not evidence that was kept.
    pub const fn is_cleared(&self) -> bool {
        self.id.is_none()
    }
}

/// What a backing file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store<'a> {
    /// Bytes of a slot.
    pub record_size: u32,
    /// How many records there is room for.
    pub room: usize,
    /// The slots with a record in them, cleared ones too, in the order of the file.
    pub slots: Vec<Slot<'a>>,
    /// Where header, map and slots do not agree. At most a few lines for each slot.
    pub problems: Vec<String>,
}

/// Why a file is no storage of `acpi-erst`. QEMU makes the header before the guest runs, and a guest cannot write it:
/// these are faults of the host or the harness, never of the guest's kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ErstError {
    /// Not even a header.
    #[error("{have} bytes are too few for an ERST storage header")]
    Short {
        /// Bytes there are.
        have: usize,
    },
    /// Zeros only: QEMU never opened it as a storage.
    #[error("the ERST storage was never initialised by QEMU (its magic is zero)")]
    Blank,
    /// Some other file.
    #[error("ERST storage magic {found:#018x}, not {MAGIC:#018x}")]
    Magic {
        /// What stands in its place.
        found: u64,
    },
    /// A layout that is not known here.
    #[error("ERST storage version {found:#06x}, not {VERSION:#06x}")]
    Version {
        /// The version it says.
        found: u16,
    },
    /// QEMU wants a power of two from 4096 on.
    #[error("ERST record size {found} is not a power of two from {MIN_RECORD_SIZE} on")]
    RecordSize {
        /// The size it says.
        found: u32,
    },
    /// The first slot lies outside the file, inside the map, or between two slots.
    #[error("ERST storage offset {offset} does not fit {slots} slots of {record_size} bytes and their map")]
    Offset {
        /// The offset it says.
        offset: u32,
        /// Bytes of a slot.
        record_size: u32,
        /// Whole slots in the file.
        slots: usize,
    },
}

/// Reads a backing file. Takes any bytes; the result borrows from them.
pub fn decode(file: &[u8]) -> Result<Store<'_>, ErstError> {
    let header = Header::read(file)?;
    let mut problems = Vec::new();
    let size = header.slot_size;
    if !file.len().is_multiple_of(size) {
        problems.push(format!("the file's {} bytes are no multiple of the record size {size}", file.len()));
    }
    let room = (file.len() / size).saturating_sub(header.first_slot);
    let mut slots = Vec::new();
    let mut seen = BTreeSet::new();
    let mut mapped: usize = 0;
    for (number, bytes) in file.chunks_exact(size).enumerate() {
        let entry = u64_at(file, HEADER + number * MAP_ENTRY).unwrap_or(FREE);
        mapped += usize::from(entry != FREE);
        if number < header.first_slot {
            if entry != FREE {
                problems.push(format!("slot {number}: record {entry:#x} is mapped into the header"));
            }
            continue;
        }
        match entry {
            FREE if cper::starts_record(bytes) => slots.push(Slot { number, id: None, bytes }),
            FREE => {}
            INVALID => problems.push(format!("slot {number}: the map has the invalid record id {INVALID:#x}")),
            id => {
                if !seen.insert(id) {
                    problems.push(format!("slot {number}: record {id:#x} is mapped twice"));
                }
                slots.push(Slot { number, id: Some(id), bytes });
            }
        }
    }
    if usize::try_from(header.count) != Ok(mapped) {
        problems.push(format!("the header counts {} records, the map {mapped}", header.count));
    }
    Ok(Store { record_size: header.record_size, room, slots, problems })
}

/// The checked header.
struct Header {
    record_size: u32,
    slot_size: usize,
    first_slot: usize,
    count: u32,
}

impl Header {
    fn read(file: &[u8]) -> Result<Self, ErstError> {
        let short = || ErstError::Short { have: file.len() };
        match u64_at(file, 0).ok_or_else(short)? {
            MAGIC => {}
            0 => return Err(ErstError::Blank),
            found => return Err(ErstError::Magic { found }),
        }
        let record_size = u32_at(file, 0x08).ok_or_else(short)?;
        let offset = u32_at(file, 0x0c).ok_or_else(short)?;
        let version = u16_at(file, 0x10).ok_or_else(short)?;
        let count = u32_at(file, 0x14).ok_or_else(short)?;
        if version != VERSION {
            return Err(ErstError::Version { found: version });
        }
        let slot_size = usize::try_from(record_size)
            .ok()
            .filter(|_| record_size >= MIN_RECORD_SIZE && record_size.is_power_of_two())
            .ok_or(ErstError::RecordSize { found: record_size })?;
        let slots = file.len() / slot_size;
        let header_end = HEADER + slots * MAP_ENTRY;
        let first_slot = usize::try_from(offset)
            .ok()
            .filter(|at| *at >= header_end && at.is_multiple_of(slot_size) && *at <= file.len())
            .map(|at| at / slot_size)
            .ok_or(ErstError::Offset { offset, record_size, slots })?;
        Ok(Self { record_size, slot_size, first_slot, count })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use harness_testdata::{Erst, cper_record};

    fn record(id: u64) -> Vec<u8> {
        cper_record(id, harness_testdata::DMESG, format!("payload {id}").as_bytes())
    }

    fn image() -> Erst {
        Erst::new(8, 8192).with(Some(11), &record(11)).with(None, &record(12)).with(Some(13), &record(13))
    }

    #[test]
    fn live_and_cleared_records() {
        let file = image().bytes();
        let store = decode(&file).unwrap();
        assert_eq!(store.problems, Vec::<String>::new());
        assert_eq!(store.record_size, 8192);
        let seen: Vec<_> = store.slots.iter().map(|s| (s.number, s.id, s.is_cleared())).collect();
        assert_eq!(seen, [(1, Some(11), false), (2, None, true), (3, Some(13), false)]);
        for (slot, id) in store.slots.iter().zip([11, 12, 13]) {
            assert_eq!(cper::decode(slot.bytes).unwrap().id, id);
        }
    }

    /// The first 96 bytes of what QEMU 7.2.22 makes of an empty file of 64 KiB; the rest is zeros.
    #[test]
    fn an_empty_storage_as_qemu_makes_it() {
        let mut file = vec![0; 0x10000];
        file[..0x14].copy_from_slice(b"ERSTSTOR\x00\x20\x00\x00\x00\x20\x00\x00\x00\x01\x00\x00");
        assert_eq!(decode(&file), Ok(Store { record_size: 8192, room: 7, slots: vec![], problems: vec![] }));
        assert_eq!(Erst::new(8, 8192).bytes(), file);
    }

    #[test]
    fn a_map_may_need_more_than_one_slot() {
        let file = Erst::new(1024, 4096).with(Some(7), &record(7)).bytes();
        let store = decode(&file).unwrap();
        assert_eq!(store.slots.iter().map(|s| s.number).collect::<Vec<_>>(), [3]);
        assert_eq!(store.problems, Vec::<String>::new());
    }

    #[test]
    fn headers_that_are_none() {
        let sound = image().bytes();
        let offset = |offset| ErstError::Offset { offset, record_size: 8192, slots: 8 };
        for (at, bytes, want) in [
            (0, &[0; 8][..], ErstError::Blank),
            (0, b"ERSTSTOX", ErstError::Magic { found: 0x584f_5453_5453_5245 }),
            (8, &[0, 0, 0, 0], ErstError::RecordSize { found: 0 }),
            (8, &[0, 8, 0, 0], ErstError::RecordSize { found: 2048 }),
            (8, &[1, 32, 0, 0], ErstError::RecordSize { found: 8193 }),
            (12, &[0x18, 0, 0, 0], offset(0x18)),
            (12, &[0, 0, 0, 0], offset(0)),
            (12, &[0, 0, 2, 0], offset(0x2_0000)),
            (12, &[0, 16, 0, 0], offset(0x1000)),
            (16, &[1, 0], ErstError::Version { found: 1 }),
        ] {
            let mut file = sound.clone();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(decode(&file), Err(want), "at {at}");
        }
        assert_eq!(decode(&sound[..20]), Err(ErstError::Short { have: 20 }));
        assert_eq!(decode(b""), Err(ErstError::Short { have: 0 }));
    }

    #[test]
    fn disagreements_are_told_and_the_rest_is_read() {
        let sound = image().bytes();
        for (at, bytes, want, slots) in [
            (0x14, &[9, 0, 0, 0][..], "the header counts 9 records, the map 2", 3),
            (0x18, &[5], "slot 0: record 0x5 is mapped into the header", 3),
            (0x18 + 3 * 8, &[11], "slot 3: record 0xb is mapped twice", 3),
            (0x18 + 8, &[0xff; 8], "slot 1: the map has the invalid record id 0xffffffffffffffff", 2),
        ] {
            let mut file = sound.clone();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            let store = decode(&file).unwrap();
            assert!(store.problems.iter().any(|p| p == want), "{want}: {:?}", store.problems);
            assert_eq!(store.slots.len(), slots, "{want}");
        }
        let mut long = sound;
        long.push(0);
        assert_eq!(decode(&long).unwrap().problems, ["the file's 65537 bytes are no multiple of the record size 8192"]);
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), offset in 0u32..4, slots in 0usize..4) {
            let _ = decode(&bytes);
            let mut file = Erst::new(4, 4096).bytes();
            file[0x0c..0x10].copy_from_slice(&(offset * 4096).to_le_bytes());
            file[0x10 + 2..][..bytes.len()].copy_from_slice(&bytes);
            file.truncate(slots * 4096 + bytes.len());
            let _ = decode(&file);
        }
    }
}
