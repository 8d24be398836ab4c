//! Frames of a network as a pcap file has them (pcap-savefile(5)), in the byte order of QEMU's host, which `filter-dump`
//! writes in (QEMU: `net/dump.c`).

/// Length of the file's head, in bytes.
pub const HEAD: usize = 24;
/// Length of the head that each frame has, in bytes.
const FRAME_HEAD: usize = 16;
/// No frame is kept at a greater length.
const MAX_FRAME: usize = 64 << 10;

/// What stands at the beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next<'a> {
    /// A frame, whole.
    Frame {
        /// With its head.
        record: &'a [u8],
        /// Without.
        frame: &'a [u8],
    },
    /// The beginning of one, or nothing.
    Part,
    /// Something else: its length is none that a frame has.
    Nonsense,
}

/// What stands at the beginning of `bytes`, which follow the file's head or a frame.
pub fn next(bytes: &[u8]) -> Next<'_> {
    let Some(&kept) = bytes.get(8..).and_then(<[u8]>::first_chunk) else { return Next::Part };
    let kept = u32::from_le_bytes(kept) as usize;
    if kept > MAX_FRAME {
        return Next::Nonsense;
    }
    match bytes.get(..FRAME_HEAD + kept) {
        Some(record) => Next::Frame { record, frame: record.get(FRAME_HEAD..).unwrap_or_default() },
        None => Next::Part,
    }
}

/// The frames of a file, to where it ends or is none any more.
pub fn frames(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = file.get(HEAD..).unwrap_or_default();
    std::iter::from_fn(move || match next(rest) {
        Next::Frame { record, frame } => {
            rest = rest.get(record.len()..).unwrap_or_default();
            Some(frame)
        }
        Next::Part | Next::Nonsense => None,
    })
}

#[cfg(test)]
mod tests {
    use harness_testdata::pcap_file as file;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_that_is_cut_off_has_the_frames_that_are_whole() {
        let whole = file([&b"one"[..], b"", b"three"]);
        assert_eq!(frames(&whole).collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
        assert_eq!(frames(&whole[..whole.len() - 1]).count(), 2);
        assert_eq!(frames(&whole[..HEAD + 5]).count(), 0);
        assert_eq!(frames(b"").count(), 0);
    }

    #[test]
    fn no_frame_is_longer_than_any_that_is_kept() {
        let head = [0, 0, 0x1_0001_u32, 0].map(u32::to_le_bytes).concat();
        assert_eq!(next(&head), Next::Nonsense);
    }

    proptest! {
        #[test]
        fn any_bytes_have_no_more_in_their_frames(bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..512)) {
            prop_assert!(frames(&bytes).map(<[u8]>::len).sum::<usize>() <= bytes.len());
        }

        #[test]
        fn what_is_written_is_read(written in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
            prop_assert_eq!(frames(&file(&written)).map(<[u8]>::to_vec).collect::<Vec<_>>(), written);
        }
    }
}
