//! Raw deflate, bounded, keeping what can be read of a damaged stream.
//!
//! pstore compresses with a raw deflate stream: no zlib header and no checksum, window bits 15 in 6.6 and later, 11
//! before (`fs/pstore/platform.c`). A decoder with the 15-bit window reads both. Without a checksum, damage is only
//! seen where the stream stops making sense, so text from a damaged stream may itself be wrong near its end.

use flate2::{Decompress, FlushDecompress, Status};

/// Input is fed in steps this small so that what one step can expand to (below 17 KiB: two bits can stand for 258
/// bytes, and the decoder holds back at most eight bytes of input) always fits in [`ROOM`]. The decoder drops output
/// that it could not hand over in the very call which met the damage.
const STEP: usize = 8;

/// Room for output in each step.
const ROOM: usize = 40 << 10;

/// Why a stream was not read to its proper end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The bytes are over and the stream is not.
    #[error("the deflate stream is cut off after {after} bytes")]
    CutOff {
        /// Compressed bytes there were.
        after: usize,
    },
    /// These bytes are no deflate stream.
    #[error("the deflate stream is damaged at or before byte {at}")]
    Damaged {
        /// Compressed bytes taken when it was noticed.
        at: usize,
    },
    /// The stream ended, and the record did not.
    #[error("the deflate stream ends {left} bytes before its record does")]
    EndsEarly {
        /// Bytes behind the stream's end.
        left: usize,
    },
    /// The text is longer than a record's text can be.
    #[error("the text is longer than {limit} bytes")]
    TooLong {
        /// The bound that was given.
        limit: usize,
    },
}

/// What a stream held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inflated {
    /// What could be read: everything, or a prefix of it.
    pub bytes: Vec<u8>,
    /// Why this is not everything.
    pub stop: Option<Stop>,
}

/// Inflates `deflated` to at most `limit` bytes.
pub fn inflate(deflated: &[u8], limit: usize) -> Inflated {
    let mut state = Decompress::new(false);
    let mut bytes = Vec::new();
    // Filled again and again: a vector's spare room would be cleared in each step.
    let mut room = vec![0; ROOM];
    let mut taken = 0;
    let stop = loop {
        let step = deflated.get(taken..deflated.len().min(taken + STEP)).unwrap_or_default();
        let before = (state.total_in(), state.total_out());
        let status = state.decompress(step, &mut room, FlushDecompress::None);
        let used = usize::try_from(state.total_in() - before.0).unwrap_or(step.len());
        let made = usize::try_from(state.total_out() - before.1).unwrap_or(ROOM);
        taken += used;
        bytes.extend_from_slice(room.get(..made).unwrap_or_default());
        if bytes.len() > limit {
            break Some(Stop::TooLong { limit });
        }
        match status {
            Err(_) => break Some(Stop::Damaged { at: taken }),
            Ok(Status::StreamEnd) => {
                let left = deflated.len() - taken;
                break (left > 0).then_some(Stop::EndsEarly { left });
            }
            Ok(_) if used == 0 && made == 0 => break Some(Stop::CutOff { after: taken }),
            Ok(_) => {}
        }
    };
    bytes.truncate(limit);
    bytes.shrink_to_fit();
    Inflated { bytes, stop }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use harness_testdata::deflate;

    const LIMIT: usize = 1 << 20;

    fn log(lines: usize) -> Vec<u8> {
        (0..lines).flat_map(|n| format!("<6>[    1.{n:06}][    T1] line {}\n", n * n).into_bytes()).collect()
    }

    #[test]
    fn a_whole_stream() {
        for text in [&b""[..], b"x", &log(500), &vec![b' '; LIMIT]] {
            assert_eq!(inflate(&deflate(text), LIMIT), Inflated { bytes: text.to_vec(), stop: None });
        }
    }

    #[test]
    fn every_cut_leaves_a_prefix_that_only_grows() {
        let text = log(300);
        let stream = deflate(&text);
        let mut longest = 0;
        for cut in 0..stream.len() {
            let part = inflate(&stream[..cut], LIMIT);
            assert_eq!(part.stop, Some(Stop::CutOff { after: cut }));
            assert!(text.starts_with(&part.bytes), "cut at {cut}");
            assert!(part.bytes.len() >= longest, "cut at {cut}");
            longest = part.bytes.len();
        }
        assert!(longest > text.len() / 2, "only {longest} of {} bytes", text.len());
    }

    #[test]
    fn what_stands_before_the_damage_is_kept() {
        // A block of the reserved type 3 behind a sound stored block.
        let sound = b"witness";
        let mut stream = vec![0, 7, 0, 0xf8, 0xff];
        stream.extend_from_slice(sound);
        let at = stream.len() + 1;
        stream.extend_from_slice(&[0x07, 0xff, 0xff]);
        let part = inflate(&stream, LIMIT);
        assert_eq!(part.bytes, sound);
        assert!(matches!(part.stop, Some(Stop::Damaged { at: seen }) if seen >= at), "{:?}", part.stop);
    }

    #[test]
    fn nothing_is_dropped_when_a_few_bytes_expand_to_much_before_the_damage() {
        let text = vec![b'x'; 52 << 10];
        let mut stream = Vec::with_capacity(4096);
        let mut deflater = flate2::Compress::new(flate2::Compression::best(), false);
        deflater.compress_vec(&text, &mut stream, flate2::FlushCompress::Sync).unwrap();
        stream.extend_from_slice(&[0x07, 0xff, 0xff]);
        let part = inflate(&stream, LIMIT);
        assert!(matches!(part.stop, Some(Stop::Damaged { .. })));
        assert_eq!(part.bytes.len(), text.len());
    }

    #[test]
    fn bytes_behind_the_end_are_told() {
        let mut stream = deflate(b"text");
        stream.extend_from_slice(b"???");
        assert_eq!(
            inflate(&stream, LIMIT),
            Inflated { bytes: b"text".to_vec(), stop: Some(Stop::EndsEarly { left: 3 }) }
        );
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = deflate(&vec![0; 4 * LIMIT]);
        let part = inflate(&bomb, LIMIT);
        assert_eq!((part.bytes.len(), part.stop), (LIMIT, Some(Stop::TooLong { limit: LIMIT })));
        assert!(part.bytes.capacity() < 2 * LIMIT);
        assert_eq!(
            inflate(&deflate(b"abc"), 2),
            Inflated { bytes: b"ab".to_vec(), stop: Some(Stop::TooLong { limit: 2 }) }
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_bounded(stream in prop::collection::vec(any::<u8>(), 0..4096), limit in 0usize..10_000) {
            prop_assert!(inflate(&stream, limit).bytes.len() <= limit);
        }

        #[test]
        fn what_goes_in_comes_out(text in prop::collection::vec(any::<u8>(), 0..4_000)) {
            prop_assert_eq!(inflate(&deflate(&text), LIMIT), Inflated { bytes: text, stop: None });
        }

        #[test]
        fn a_cut_leaves_a_prefix(text in "([a-z ]{0,20}\n){0,200}", share in 0.0f64..1.0) {
            let stream = deflate(text.as_bytes());
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let cut = (stream.len() as f64 * share) as usize;
            let part = inflate(&stream[..cut], LIMIT);
            prop_assert!(text.as_bytes().starts_with(&part.bytes));
            prop_assert_eq!(part.stop, Some(Stop::CutOff { after: cut }));
        }
    }
}
