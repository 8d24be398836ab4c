//! Builds evidence as kernel and QEMU write it, for tests only: enough to prove the decoders without a guest.
//!
//! The decoders' own tests and those that use them from outside share it. What a decoder's own unit tests use knows
//! none of its types, as these are others there than here.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, clippy::return_self_not_must_use, reason = "for tests")]

pub mod bzimage;
pub mod efi;
pub mod printk_ring;
pub mod records;
pub mod timelines;
pub mod vmcore;

use std::io::Write;

/// `CPER_SECTION_TYPE_DMESG` in EFI byte order.
pub const DMESG: [u8; 16] =
    [0x4e, 0xe0, 0x97, 0xc1, 0x45, 0xd5, 0x70, 0x4a, 0x9c, 0x17, 0xa5, 0x54, 0x94, 0x19, 0xeb, 0x12];
/// `CPER_SECTION_TYPE_DMESG_Z` in EFI byte order.
pub const DMESG_Z: [u8; 16] =
    [0x07, 0x87, 0x11, 0x4f, 0xdd, 0x04, 0x55, 0x40, 0xb5, 0xdd, 0x95, 0x6d, 0x34, 0xdd, 0xfa, 0xc6];
/// `CPER_SECTION_TYPE_MCE` in EFI byte order.
pub const MCE: [u8; 16] =
    [0xbe, 0xff, 0x08, 0xfe, 0xe4, 0x95, 0xe7, 0x4b, 0xbc, 0x73, 0x40, 0x96, 0x04, 0x4a, 0x38, 0xfc];
/// `CPER_CREATOR_PSTORE` in EFI byte order.
const CREATOR: [u8; 16] =
    [0xe3, 0x74, 0xa5, 0x75, 0x52, 0x50, 0x29, 0x4b, 0x8a, 0x8e, 0xbe, 0x2c, 0x64, 0x90, 0xb8, 0x9d];
/// The timestamp of every record made here: 2026-11-22.
pub const TIMESTAMP: u64 = 1_795_305_600;

/// A raw deflate stream.
pub fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// A pcap file of these frames, as QEMU's `filter-dump` writes it.
pub fn pcap_file<F: AsRef<[u8]>>(frames: impl IntoIterator<Item = F>) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_536, 1].map(u32::to_le_bytes).concat();
    for frame in frames {
        let frame = frame.as_ref();
        let length = u32::try_from(frame.len()).unwrap();
        file.extend([7, 8, length, length].map(u32::to_le_bytes).concat());
        file.extend_from_slice(frame);
    }
    file
}

/// A record as `erst_writer()` makes it.
pub fn cper_record(id: u64, section: [u8; 16], payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let mut record = vec![0; 200];
    let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"CPER");
    put(4, &0x0100u16.to_le_bytes());
    put(6, &[0xff; 4]);
    put(10, &1u16.to_le_bytes());
    put(12, &1u32.to_le_bytes());
    put(16, &2u32.to_le_bytes());
    put(20, &(200 + length).to_le_bytes());
    put(24, &TIMESTAMP.to_le_bytes());
    put(64, &CREATOR);
    put(96, &id.to_le_bytes());
    put(104, &2u32.to_le_bytes());
    put(108, b"ER");
    put(128, &200u32.to_le_bytes());
    put(132, &length.to_le_bytes());
    put(136, &0x0100u16.to_le_bytes());
    put(140, &1u32.to_le_bytes());
    put(144, &section);
    put(176, &1u32.to_le_bytes());
    record.extend_from_slice(payload);
    record
}

/// The record of one part of a dump, compressed as pstore does by default.
pub fn dmesg_record(id: u64, header: &str, text: &str) -> Vec<u8> {
    cper_record(id, DMESG_Z, &deflate(format!("{header}\n{text}").as_bytes()))
}

/// A storage of `acpi-erst`.
pub struct Erst {
    file: Vec<u8>,
    record_size: usize,
    next: usize,
}

impl Erst {
    /// An empty one, as QEMU makes it of a file of `slots * record_size` zeros.
    pub fn new(slots: usize, record_size: usize) -> Self {
        let offset = (0x18 + slots * 8).next_multiple_of(record_size);
        let mut file = vec![0; slots * record_size];
        file[..8].copy_from_slice(b"ERSTSTOR");
        file[8..12].copy_from_slice(&u32::try_from(record_size).unwrap().to_le_bytes());
        file[12..16].copy_from_slice(&u32::try_from(offset).unwrap().to_le_bytes());
        file[16..18].copy_from_slice(&0x0100u16.to_le_bytes());
        Self { file, record_size, next: offset / record_size }
    }

    /// Puts a record into the next slot: mapped under an id, or cleared again.
    pub fn with(mut self, id: Option<u64>, record: &[u8]) -> Self {
        let slot = &mut self.file[self.next * self.record_size..][..self.record_size];
        slot.fill(0xff);
        slot[..record.len()].copy_from_slice(record);
        if let Some(id) = id {
            self.file[0x18 + self.next * 8..][..8].copy_from_slice(&id.to_le_bytes());
            self.file[0x14] += 1;
        }
        self.next += 1;
        self
    }

    /// The file.
    pub fn bytes(self) -> Vec<u8> {
        self.file
    }
}

/// One actor of a shared page: name, action (and 256 times the context, if it is not a thread), cpu, entered, left,
/// budget, hits, spent.
pub type ActorRow = (&'static str, u32, u32, u64, u64, u64, u32, u64);

/// The page that crashlab shares with the host.
pub fn page(tsc_khz: u64, fired: u64, nonce: &str, actors: &[ActorRow]) -> Vec<u8> {
    let mut page = vec![0; 4096];
    let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"CRASHLAB");
    put(8, &3u32.to_le_bytes());
    put(12, &u32::try_from(actors.len()).unwrap().to_le_bytes());
    put(16, &tsc_khz.to_le_bytes());
    put(24, &fired.to_le_bytes());
    put(32, nonce.as_bytes());
    for (slot, (name, action, cpu, entered, left, budget, hits, spent)) in actors.iter().enumerate() {
        let at = 64 + slot * 64;
        put(at, name.as_bytes());
        put(at + 16, &(action % 256).to_le_bytes());
        put(at + 20, &cpu.to_le_bytes());
        put(at + 24, &entered.to_le_bytes());
        put(at + 32, &left.to_le_bytes());
        put(at + 40, &budget.to_le_bytes());
        put(at + 48, &hits.to_le_bytes());
        put(at + 52, &(action / 256).max(1).to_le_bytes());
        put(at + 56, &spent.to_le_bytes());
    }
    page
}

/// A zone of ramoops, with as many parity bytes for each block of 128 as the kernel was told.
pub struct Zone {
    bytes: Vec<u8>,
    capacity: usize,
    parity: usize,
}

impl Zone {
    /// An empty one, as the kernel makes it when it boots.
    pub fn new(size: usize, parity: usize) -> Self {
        let rest = size - 12;
        let blocks = if parity == 0 { 0 } else { (rest - parity).div_ceil(128 + parity) };
        let capacity = if parity == 0 { rest } else { rest - (blocks + 1) * parity };
        let mut zone = Self { bytes: vec![0; size], capacity, parity };
        zone.bytes[..4].copy_from_slice(b"DBGC");
        zone.update_parity();
        zone
    }

    /// Writes to the ring, as `persistent_ram_write()` does. Parity is made for all blocks, not only those that the
    /// kernel has touched.
    pub fn with(mut self, bytes: &[u8]) -> Self {
        let number = |at: usize| u32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap()) as usize;
        let (mut start, size) = (number(4), number(8));
        let bytes = &bytes[bytes.len().saturating_sub(self.capacity)..];
        for byte in bytes {
            self.bytes[12 + start] = *byte;
            start = (start + 1) % self.capacity;
        }
        let size = (size + bytes.len()).min(self.capacity);
        self.bytes[4..8].copy_from_slice(&u32::try_from(start).unwrap().to_le_bytes());
        self.bytes[8..12].copy_from_slice(&u32::try_from(size).unwrap().to_le_bytes());
        self.update_parity();
        self
    }

    /// A deflated dump, as `ramoops_pstore_write()` puts it into its zone.
    pub fn with_dump(self, micros: u32, header: &str, text: &str) -> Self {
        let line = format!("===={TIMESTAMP}.{micros:06}-C\n");
        self.with(line.as_bytes()).with(&deflate(format!("{header}\n{text}").as_bytes()))
    }

    /// The zone.
    pub fn bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn update_parity(&mut self) {
        if self.parity == 0 {
            return;
        }
        let encoder = reed_solomon::Encoder::new(self.parity);
        let (used, parities) = self.bytes.split_at_mut(12 + self.capacity);
        let (header, data) = used.split_at(12);
        for (block, parity) in data.chunks(128).chain([header]).zip(parities.chunks_exact_mut(self.parity)) {
            parity.copy_from_slice(encoder.encode(block).ecc());
        }
    }
}
