//! The GNU build id of a `vmlinux`.

/// The program headers' type of notes.
const PT_NOTE: u32 = 4;
/// The type of a note with the build id; its name is `GNU`.
const NT_GNU_BUILD_ID: u32 = 3;

/// The build id in hex, from a little-endian 64-bit ELF file; `None` if there is none to be found.
pub(super) fn build_id(elf: &[u8]) -> Option<String> {
    if elf.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = size(u64_at(elf, 32)?)?;
    let (entry, count) = (u16_at(elf, 54)?, u16_at(elf, 56)?);
    (0..count).find_map(|index| {
        let at = table.checked_add(usize::from(index).checked_mul(usize::from(entry))?)?;
        let header = elf.get(at..)?;
        if u32_at(header, 0)? != PT_NOTE {
            return None;
        }
        let (offset, length) = (size(u64_at(header, 8)?)?, size(u64_at(header, 32)?)?);
        in_notes(elf.get(offset..offset.checked_add(length)?)?)
    })
}

fn in_notes(mut notes: &[u8]) -> Option<String> {
    loop {
        let (name, content) = (size(u32_at(notes, 0)?.into())?, size(u32_at(notes, 4)?.into())?);
        let kind = u32_at(notes, 8)?;
        let body = notes.get(12..)?;
        let begin = name.checked_next_multiple_of(4)?;
        let end = begin.checked_add(content)?;
        if kind == NT_GNU_BUILD_ID && body.get(..name)? == b"GNU\0" {
            return Some(super::files::hex(body.get(begin..end)?));
        }
        notes = body.get(end.checked_next_multiple_of(4)?..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}

fn size(number: u64) -> Option<usize> {
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An ELF head, one program header and two notes.
    fn elf() -> Vec<u8> {
        let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
        elf.resize(64, 0);
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        let note = |name: &[u8], kind: u32, content: &[u8]| {
            let mut note = Vec::new();
            for number in [u32::try_from(name.len()).unwrap(), u32::try_from(content.len()).unwrap(), kind] {
                note.extend(number.to_le_bytes());
            }
            for part in [name, content] {
                note.extend(part);
                note.resize(note.len().next_multiple_of(4), 0);
            }
            note
        };
        let notes = [note(b"Linux\0", 0x101, b"x"), note(b"GNU\0", 3, &[0xab, 0xcd, 0x01])].concat();
        let mut header = PT_NOTE.to_le_bytes().to_vec();
        header.resize(8, 0);
        header.extend(120_u64.to_le_bytes());
        header.resize(32, 0);
        header.extend(u64::try_from(notes.len()).unwrap().to_le_bytes());
        header.resize(56, 0);
        [elf, header, notes].concat()
    }

    #[test]
    fn the_build_id_is_found_behind_other_notes() {
        assert_eq!(build_id(&elf()).as_deref(), Some("abcd01"));
    }

    #[test]
    fn a_file_without_one_has_none() {
        assert_eq!(build_id(b""), None);
        assert_eq!(build_id(b"#!/bin/sh\n"), None);
        let mut other = elf();
        let at = other.len() - 8;
        assert_eq!(&other[at..at + 4], b"GNU\0");
        other[at] = b'X';
        assert_eq!(build_id(&other), None);
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0_usize..200, byte: u8, length in 0_usize..200) {
            let mut elf = elf();
            if let Some(place) = elf.get_mut(at) {
                *place = byte;
            }
            elf.truncate(length);
            build_id(&elf);
        }
    }
}
