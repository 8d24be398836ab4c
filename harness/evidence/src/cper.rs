//! A Common Platform Error Record as pstore's ERST back end writes it.
//!
//! Layout: UEFI specification, appendix N; `include/linux/cper.h`. What pstore puts in: `erst_writer()` in
//! `drivers/acpi/apei/erst.c`. One header of 128 bytes, one section descriptor of 72, then the payload. One deviation
//! from the specification: the timestamp is plain Unix seconds.

use std::fmt;

use crate::bytes::{array, u16_at, u32_at, u64_at};

/// The record header's size; the section descriptor stands behind it.
const HEADER: usize = 128;
/// Header and one section descriptor: no pstore record is shorter.
const MIN_RECORD: usize = HEADER + 72;

const SIGNATURE: [u8; 4] = *b"CPER";
const SIGNATURE_END: u32 = 0xffff_ffff;
const REVISION: u16 = 0x0100;
const VALID_TIMESTAMP: u32 = 2;

/// `CPER_CREATOR_PSTORE`
pub const CREATOR_PSTORE: Guid =
    Guid::new(0x75a5_74e3, 0x5052, 0x4b29, [0x8a, 0x8e, 0xbe, 0x2c, 0x64, 0x90, 0xb8, 0x9d]);
/// `CPER_SECTION_TYPE_DMESG`
const DMESG: Guid = Guid::new(0xc197_e04e, 0xd545, 0x4a70, [0x9c, 0x17, 0xa5, 0x54, 0x94, 0x19, 0xeb, 0x12]);
/// `CPER_SECTION_TYPE_DMESG_Z`
const DMESG_Z: Guid = Guid::new(0x4f11_8707, 0x04dd, 0x4055, [0xb5, 0xdd, 0x95, 0x6d, 0x34, 0xdd, 0xfa, 0xc6]);
/// `CPER_SECTION_TYPE_MCE`
const MCE: Guid = Guid::new(0xfe08_ffbe, 0x95e4, 0x4be7, [0xbc, 0x73, 0x40, 0x96, 0x04, 0x4a, 0x38, 0xfc]);

/// A GUID in EFI's mixed-endian byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guid([u8; 16]);

impl Guid {
    /// All zeros.
    pub(crate) const ZERO: Self = Self([0; 16]);

    /// By its parts, as it is written.
    pub const fn new(a: u32, b: u16, c: u16, d: [u8; 8]) -> Self {
        let ([a0, a1, a2, a3], [b0, b1], [c0, c1]) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
        Self([a0, a1, a2, a3, b0, b1, c0, c1, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]])
    }

    /// As it is stored.
    pub(crate) const fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// The one whose bytes are at `at`.
    pub(crate) fn at(bytes: &[u8], at: usize) -> Option<Self> {
        array(bytes, at).map(Self)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = |at, bytes: usize| self.0.iter().skip(at).take(bytes);
        // The first three fields are little endian.
        for (at, bytes) in [(0, 4), (4, 2), (6, 2)] {
            field(at, bytes).rev().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_str("-")?;
        }
        field(8, 2).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        field(10, 6).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a record's section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// A kernel log as text.
    DmesgPlain,
    /// A kernel log as a raw deflate stream.
    DmesgDeflate,
    /// A machine check record.
    Mce,
    /// Something that pstore does not write.
    Unknown(Guid),
}

/// A record by pstore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Seconds at boot's first record in the upper half, a counter in the lower (`cper_next_record_id()`).
    pub id: u64,
    /// Unix seconds when it was written, if the record says that they are valid.
    pub timestamp: Option<u64>,
    /// What the payload is.
    pub section: Section,
    /// The section's bytes.
    pub payload: &'a [u8],
}

/// Why bytes are no record of pstore's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CperError {
    /// The bytes end before the header and the section descriptor do.
    #[error("{have} bytes are too few for a CPER header and section descriptor (200 bytes)")]
    Short {
        /// Bytes there are.
        have: usize,
    },
    /// The first bytes are not `CPER`, or those behind the revision not all ones.
    #[error("no CPER signature")]
    Signature,
    /// A layout that is not known here.
    #[error("CPER revision {found:#06x}, not 0x0100")]
    Revision {
        /// The revision it says.
        found: u16,
    },
    /// Written by something else than pstore: whole, but nothing to us.
    #[error("written by {creator}, not by pstore")]
    Foreign {
        /// Who wrote it.
        creator: Guid,
    },
    /// pstore writes exactly one section.
    #[error("{found} CPER sections, not 1")]
    Sections {
        /// The number of sections it says.
        found: u16,
    },
    /// The record says that it is longer than what there is of it, or shorter than its headers.
    #[error("CPER record length {length} is not within 200..={have}")]
    RecordLength {
        /// The length it says.
        length: u32,
        /// Bytes there are.
        have: usize,
    },
    /// The section does not lie between the headers and the record's end.
    #[error("a CPER section of {length} bytes at {offset} is not within 200..{record} of its record")]
    SectionBounds {
        /// The section's offset in the record.
        offset: u32,
        /// The section's length.
        length: u32,
        /// The record's length.
        record: u32,
    },
}

/// Reads the record at the start of `bytes`, which may be longer than it.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, CperError> {
    let have = bytes.len();
    if !starts_record(bytes) {
        return Err(CperError::Signature);
    }
    let fields = (have >= MIN_RECORD).then(|| Fields::read(bytes)).flatten().ok_or(CperError::Short { have })?;
    if fields.signature_end != SIGNATURE_END {
        return Err(CperError::Signature);
    }
    if fields.revision != REVISION {
        return Err(CperError::Revision { found: fields.revision });
    }
    if fields.creator != CREATOR_PSTORE {
        return Err(CperError::Foreign { creator: fields.creator });
    }
    if fields.section_count != 1 {
        return Err(CperError::Sections { found: fields.section_count });
    }
    let length = fields.record_length;
    let record = usize::try_from(length)
        .ok()
        .filter(|length| *length >= MIN_RECORD)
        .and_then(|length| bytes.get(..length))
        .ok_or(CperError::RecordLength { length, have })?;
    let payload = fields.section_in(record).ok_or(CperError::SectionBounds {
        offset: fields.section_offset,
        length: fields.section_length,
        record: length,
    })?;
    let section = match fields.section_type {
        DMESG => Section::DmesgPlain,
        DMESG_Z => Section::DmesgDeflate,
        MCE => Section::Mce,
        other => Section::Unknown(other),
    };
    let timestamp = (fields.validation & VALID_TIMESTAMP != 0).then_some(fields.timestamp);
    Ok(Record { id: fields.id, timestamp, section, payload })
}

/// Writes the record of a log as text; the rest is as pstore has it, but for who wrote it.
pub fn encode(id: u64, timestamp: u64, creator: Guid, text: &str) -> Vec<u8> {
    let [headers, length] = [MIN_RECORD, text.len()].map(|bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
    let mut record = SIGNATURE.to_vec();
    record.extend([&REVISION.to_le_bytes()[..], &SIGNATURE_END.to_le_bytes(), &1u16.to_le_bytes()].concat());
    // A fatal error.
    record.extend([1, VALID_TIMESTAMP, headers.saturating_add(length)].map(u32::to_le_bytes).concat());
    record.extend(timestamp.to_le_bytes());
    let mut field = |at: usize, bytes: &[u8]| {
        record.resize(at, 0);
        record.extend(bytes);
    };
    field(64, &creator.bytes());
    field(96, &id.to_le_bytes());
    // `CPER_HW_ERROR_FLAGS_PREVERR`
    field(104, &2u32.to_le_bytes());
    field(108, b"ER");
    field(HEADER, &[headers, length].map(u32::to_le_bytes).concat());
    field(HEADER + 8, &REVISION.to_le_bytes());
    // `CPER_SEC_PRIMARY`
    field(HEADER + 12, &1u32.to_le_bytes());
    field(HEADER + 16, &DMESG.bytes());
    field(HEADER + 48, &1u32.to_le_bytes());
    field(MIN_RECORD, text.as_bytes());
    record
}

/// Whether a record, whole or not, begins here.
pub fn starts_record(bytes: &[u8]) -> bool {
    bytes.starts_with(&SIGNATURE)
}

/// The fields that are looked at, as they stand in the headers.
struct Fields {
    revision: u16,
    signature_end: u32,
    section_count: u16,
    validation: u32,
    record_length: u32,
    timestamp: u64,
    creator: Guid,
    id: u64,
    section_offset: u32,
    section_length: u32,
    section_type: Guid,
}

impl Fields {
    fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            revision: u16_at(bytes, 4)?,
            signature_end: u32_at(bytes, 6)?,
            section_count: u16_at(bytes, 10)?,
            validation: u32_at(bytes, 16)?,
            record_length: u32_at(bytes, 20)?,
            timestamp: u64_at(bytes, 24)?,
            creator: Guid::at(bytes, 64)?,
            id: u64_at(bytes, 96)?,
            section_offset: u32_at(bytes, HEADER)?,
            section_length: u32_at(bytes, HEADER + 4)?,
            section_type: Guid::at(bytes, HEADER + 16)?,
        })
    }

    fn section_in<'a>(&self, record: &'a [u8]) -> Option<&'a [u8]> {
        let start = usize::try_from(self.section_offset).ok().filter(|start| *start >= MIN_RECORD)?;
        let end = start.checked_add(usize::try_from(self.section_length).ok()?)?;
        record.get(start..end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use harness_testdata::{self as encode, cper_record};

    const ID: u64 = 0x6741_0000_0000_0001;

    #[test]
    fn a_record_that_is_written_is_read() {
        let text = "Panic#1 Part1\nof an earlier boot\n";
        let record = encode(ID, 7, CREATOR_PSTORE, text);
        let read = Record { id: ID, timestamp: Some(7), section: Section::DmesgPlain, payload: text.as_bytes() };
        assert_eq!(decode(&record), Ok(read));
        let theirs = cper_record(ID, encode::DMESG, text.as_bytes());
        let differ: Vec<usize> = (0..record.len()).filter(|at| record.get(*at) != theirs.get(*at)).collect();
        // The time of both differs, and nothing else.
        assert!(record.len() == theirs.len() && differ.iter().all(|at| (24..32).contains(at)), "{differ:?}");
        let creator = Guid::new(1, 2, 3, [4; 8]);
        assert_eq!(decode(&encode(ID, 7, creator, text)), Err(CperError::Foreign { creator }));
    }

    #[test]
    fn a_record_as_pstore_writes_it() {
        for (kind, section) in [
            (encode::DMESG, Section::DmesgPlain),
            (encode::DMESG_Z, Section::DmesgDeflate),
            (encode::MCE, Section::Mce),
        ] {
            let mut bytes = cper_record(ID, kind, b"payload");
            bytes.extend_from_slice(&[0xff; 64]);
            let want = Record { id: ID, timestamp: Some(encode::TIMESTAMP), section, payload: b"payload" };
            assert_eq!(decode(&bytes), Ok(want));
        }
    }

    #[test]
    fn guids_are_shown_as_the_kernel_writes_them() {
        assert_eq!(CREATOR_PSTORE.to_string(), "75a574e3-5052-4b29-8a8e-be2c6490b89d");
        assert_eq!(DMESG_Z.to_string(), "4f118707-04dd-4055-b5dd-956d34ddfac6");
        let decoded = decode(&cper_record(ID, *b"0123456789abcdef", b"")).unwrap().section;
        assert!(
            matches!(decoded, Section::Unknown(guid) if guid.to_string() == "33323130-3534-3736-3839-616263646566")
        );
    }

    #[test]
    fn every_field_that_is_relied_on_is_checked() {
        let sound = cper_record(ID, encode::DMESG, b"payload");
        assert_eq!(sound.len(), 207);
        for (at, bytes, want) in [
            (0, &b"CPEX"[..], CperError::Signature),
            (4, &[0, 2], CperError::Revision { found: 0x200 }),
            (6, &[0, 0, 0, 0], CperError::Signature),
            (10, &[2, 0], CperError::Sections { found: 2 }),
            (20, &[208, 0, 0, 0], CperError::RecordLength { length: 208, have: 207 }),
            (20, &[199, 0, 0, 0], CperError::RecordLength { length: 199, have: 207 }),
            (20, &[0xff; 4], CperError::RecordLength { length: u32::MAX, have: 207 }),
            (20, &[206, 0, 0, 0], CperError::SectionBounds { offset: 200, length: 7, record: 206 }),
            (128, &[199, 0, 0, 0], CperError::SectionBounds { offset: 199, length: 7, record: 207 }),
            (128, &[201, 0, 0, 0], CperError::SectionBounds { offset: 201, length: 7, record: 207 }),
            (132, &[0xff; 4], CperError::SectionBounds { offset: 200, length: u32::MAX, record: 207 }),
        ] {
            let mut record = sound.clone();
            record[at..at + bytes.len()].copy_from_slice(bytes);
            assert_eq!(decode(&record), Err(want), "at {at}");
        }
        let mut foreign = sound.clone();
        foreign[64] = 0;
        assert!(matches!(decode(&foreign), Err(CperError::Foreign { .. })));
        assert_eq!(decode(&sound[..150]), Err(CperError::Short { have: 150 }));
        assert_eq!(decode(b""), Err(CperError::Signature));
    }

    #[test]
    fn a_timestamp_counts_only_if_it_is_said_to_be_valid() {
        let mut record = cper_record(ID, encode::DMESG, b"");
        record[16] = 0;
        assert_eq!(decode(&record).unwrap().timestamp, None);
    }

    proptest! {
        #[test]
        fn any_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..400), signed: bool) {
            if signed {
                bytes.splice(..0, *b"CPER\x00\x01\xff\xff\xff\xff\x01\x00");
            }
            let _ = decode(&bytes);
        }

        #[test]
        fn any_damage_to_one_byte(at in 0usize..240, value: u8, payload in prop::collection::vec(any::<u8>(), 40)) {
            let mut record = cper_record(ID, encode::DMESG, &payload);
            record[at] = value;
            if let Ok(record) = decode(&record) {
                prop_assert!(record.payload.len() <= payload.len());
            }
        }
    }
}
