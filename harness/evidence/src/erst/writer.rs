//! Records put into a storage of `acpi-erst` from outside, as the guest's kernel leaves them.

use super::{HEADER, INVALID, MAGIC, MAP_ENTRY, VERSION};

/// A storage in the making.
#[derive(Debug, Clone)]
pub struct Writer {
    file: Vec<u8>,
    slot_size: usize,
    /// The next slot that is free.
    next: usize,
    count: u32,
}

/// A record that a storage has no slot for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of {bytes} bytes does not fit into a storage with {free} free slots of {slot_size} bytes")]
pub struct NoSlot {
    /// Bytes of the record.
    pub bytes: usize,
    /// Slots that are free.
    pub free: usize,
    /// Bytes of a slot.
    pub slot_size: usize,
}

impl Writer {
    /// An empty storage, as QEMU makes it of a file of zeros, with slots of `record_size` bytes (a power of two from 4096 on)
    /// for so many records behind its header.
    pub fn new(records: u32, record_size: u32) -> Self {
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let slot_size = size(record_size);
        // The map has an entry for each slot of the file, those of the header too.
        let header_slots = (HEADER + (size(records) + 1) * MAP_ENTRY).div_ceil(slot_size);
        let mut file = MAGIC.to_le_bytes().to_vec();
        file.extend(record_size.to_le_bytes());
        file.extend(u32::try_from(header_slots * slot_size).unwrap_or(u32::MAX).to_le_bytes());
        file.extend(VERSION.to_le_bytes());
        file.resize((header_slots + size(records)) * slot_size, 0);
        Self { file, slot_size, next: header_slots, count: 0 }
    }

    /// Puts a record into the next slot, under this id, which must be neither 0 nor all ones.
    pub fn write(&mut self, id: u64, record: &[u8]) -> Result<(), NoSlot> {
        let slots = self.file.len() / self.slot_size;
        let no_slot = NoSlot { bytes: record.len(), free: slots - self.next, slot_size: self.slot_size };
        if self.next == slots || record.len() > self.slot_size {
            return Err(no_slot);
        }
        debug_assert!(id != 0 && id != INVALID, "no record can have the id {id:#x}");
        let at = self.next * self.slot_size;
        // QEMU fills a slot up with ones.
        let slot = self.file.get_mut(at..at + self.slot_size).ok_or(no_slot)?;
        slot.fill(0xff);
        slot.iter_mut().zip(record).for_each(|(to, byte)| *to = *byte);
        let entry = HEADER + self.next * MAP_ENTRY;
        self.put(entry, &id.to_le_bytes());
        self.next += 1;
        self.count += 1;
        self.put(0x14, &self.count.to_le_bytes());
        Ok(())
    }

    /// The file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.file
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.file.iter_mut().skip(at).zip(bytes).for_each(|(to, byte)| *to = *byte);
    }
}

#[cfg(test)]
mod tests {
    use harness_testdata::{DMESG, Erst, cper_record};

    use super::*;
    use crate::erst::decode;

    #[test]
    fn it_is_what_qemu_makes_of_the_same_records() {
        let mut writer = Writer::new(3, 8192);
        assert_eq!(writer.clone().into_bytes(), Erst::new(4, 8192).bytes());
        let records = [7, 9, 11].map(|id| (id, cper_record(id, DMESG, b"Panic#1 Part1\nx\n")));
        for (id, record) in &records {
            writer.write(*id, record).unwrap();
        }
        let no_slot = writer.write(12, &records[0].1).unwrap_err();
        assert_eq!(no_slot, NoSlot { bytes: 216, free: 0, slot_size: 8192 });
        let theirs = records.iter().fold(Erst::new(4, 8192), |erst, (id, record)| erst.with(Some(*id), record));
        assert_eq!(writer.into_bytes(), theirs.bytes());
        assert!(Writer::new(1, 4096).write(1, &[0; 4097]).is_err());
    }

    #[test]
    fn a_map_may_need_more_than_one_slot() {
        let mut writer = Writer::new(1023, 4096);
        writer.write(7, &cper_record(7, DMESG, b"x")).unwrap();
        let file = writer.into_bytes();
        let store = decode(&file).unwrap();
        assert_eq!(store.problems, Vec::<String>::new());
        assert_eq!(store.slots.iter().map(|slot| (slot.number, slot.id)).collect::<Vec<_>>(), [(3, Some(7))]);
    }
}
