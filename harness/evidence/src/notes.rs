//! ELF notes: a name, a type and a description each, in one row.

use crate::bytes::u32_at;

/// One note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note<'a> {
    /// Whose it is, without the zero at its end: `CORE`, `VMCOREINFO`.
    pub name: &'a [u8],
    /// What it is, a number that the name's owner has given.
    pub kind: u32,
    /// What it tells.
    pub description: &'a [u8],
}

/// A note says that it is longer than what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut;

/// Reads notes. A note is three words (the lengths of name and description, a type), then both, each padded to four
/// bytes; one whose name has no length ends the notes. Takes any bytes; what is cut off is the last item.
pub fn notes(bytes: &[u8]) -> impl Iterator<Item = Result<Note<'_>, Cut>> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest.take()?;
        let word = |at: usize| u32_at(bytes, at).and_then(|word| usize::try_from(word).ok());
        let (name_len, length, kind) = (word(0).filter(|len| *len > 0)?, word(4)?, u32_at(bytes, 8)?);
        // Both lengths are below 2^32.
        let from = 12 + name_len.next_multiple_of(4);
        let (Some(name), Some(description)) = (bytes.get(12..12 + name_len), bytes.get(from..from + length)) else {
            return Some(Err(Cut));
        };
        rest = bytes.get(from + length.next_multiple_of(4)..);
        Some(Ok(Note { name: name.strip_suffix(b"\0").unwrap_or(name), kind, description }))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use harness_testdata::printk_ring::note;

    #[test]
    fn notes_come_one_after_the_other() {
        let bytes = [note("CORE", "12345"), note("VMCOREINFO", "x"), vec![0; 12], note("CORE", "never")].concat();
        let found: Vec<_> = notes(&bytes).map(|note| note.map(|note| (note.name, note.description))).collect();
        let expected: [(&[u8], &[u8]); 2] = [(b"CORE", b"12345"), (b"VMCOREINFO", b"x")];
        assert_eq!(found, expected.map(Ok));
        assert_eq!(notes(&[]).count(), 0);
    }

    #[test]
    fn what_is_cut_off_is_said_once() {
        let whole = [note("CORE", "1234"), note("CORE", "1234")].concat();
        let found: Vec<_> = notes(&whole[..whole.len() - 1]).map(|note| note.is_ok()).collect();
        assert_eq!(found, [true, false]);
        // Lengths that are lies.
        assert_eq!(notes(&[0xff; 64]).map(|note| note.is_ok()).collect::<Vec<_>>(), [false]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(notes(&bytes).count() <= bytes.len() / 12 + 1);
        }
    }
}
