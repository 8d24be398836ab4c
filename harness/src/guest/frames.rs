//! What a guest's network card sends: it is connected to nothing, and QEMU writes each frame into a pipe of the harness's.

use std::collections::VecDeque;

use super::stream::Keep;
use crate::evidence::pcap::{HEAD, Next, next};

/// Bytes of frames that are kept, the last ones.
const KEPT: usize = 1 << 20;

/// The frames that were kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FrameDump {
    /// A pcap file.
    pub pcap: Vec<u8>,
    /// How many frames before the first one were not kept.
    pub dropped: u64,
}

/// The last frames of a stream that is a pcap file.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The file's head, as much as has come of it.
    head: Vec<u8>,
    /// The beginning of a frame whose end has not come yet.
    partial: Vec<u8>,
    /// Whole frames with their heads.
    records: VecDeque<Vec<u8>>,
    /// The bytes of `records`.
    bytes: usize,
    dropped: u64,
    /// Whether something came that is no frame; whatever follows is not looked at.
    over: bool,
}

impl Frames {
    fn keep(&mut self, record: Vec<u8>) {
        self.bytes += record.len();
        self.records.push_back(record);
        while self.bytes > KEPT {
            self.bytes -= self.records.pop_front().map_or(self.bytes, |oldest| oldest.len());
            self.dropped += 1;
        }
    }
}

impl Keep for Frames {
    type Kept = FrameDump;

    fn push(&mut self, bytes: &[u8]) {
        if self.over {
            return;
        }
        let (head, bytes) = bytes.split_at((HEAD - self.head.len()).min(bytes.len()));
        self.head.extend_from_slice(head);
        let mut unread = std::mem::take(&mut self.partial);
        unread.extend_from_slice(bytes);
        let mut rest = unread.as_slice();
        loop {
            match next(rest) {
                Next::Frame { record, .. } => {
                    self.keep(record.to_vec());
                    rest = rest.get(record.len()..).unwrap_or_default();
                }
                Next::Part => {
                    self.partial = rest.to_vec();
                    return;
                }
                Next::Nonsense => {
                    self.over = true;
                    return;
                }
            }
        }
    }

    fn finish(self) -> FrameDump {
        let pcap = std::iter::once(self.head).chain(self.records).flatten().collect();
        FrameDump { pcap, dropped: self.dropped }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::pcap::frames;
    use harness_testdata::pcap_file as file;

    #[test]
    fn of_a_flood_the_last_frames_are_kept_and_the_others_counted() {
        let mut kept = Frames::default();
        let all: Vec<Vec<u8>> = (0..100_u8).map(|number| vec![number; 60_000]).collect();
        for piece in file(&all).chunks(10_000) {
            kept.push(piece);
            assert!(kept.bytes <= KEPT && kept.partial.len() < 80_000);
        }
        let FrameDump { pcap, dropped } = kept.finish();
        let left: Vec<&[u8]> = frames(&pcap).collect();
        assert_eq!(dropped, 100 - left.len() as u64);
        assert!(left.len() > 10 && left == all[100 - left.len()..], "{}", left.len());
    }

    #[test]
    fn what_is_no_frame_ends_it() {
        let mut kept = Frames::default();
        let whole = file([b"one"]);
        kept.push(&whole);
        kept.push(&[0xff; 100]);
        kept.push(&[0; 1000]);
        assert_eq!(kept.finish(), FrameDump { pcap: whole, dropped: 0 });
    }

    proptest! {
        #[test]
        fn in_whatever_pieces_it_comes(
            written in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20), piece in 1_usize..60,
        ) {
            let mut kept = Frames::default();
            let whole = file(&written);
            for piece in whole.chunks(piece) {
                kept.push(piece);
            }
            prop_assert_eq!(kept.finish(), FrameDump { pcap: whole, dropped: 0 });
        }
    }
}
