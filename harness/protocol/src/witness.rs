//! Witness lines: what the agent writes to the guest's log before the faults fire.
//!
//! `witness <nonce> <nn>/<of> <crc>`: the trial's nonce (16 lowercase hexadecimal digits), the line's number from 1,
//! padded with zeros to the width of `of`, and the CRC-32 (IEEE) of `<nonce> <nn>/<of>` as 8 lowercase hexadecimal
//! digits. A line that was torn, overwritten or interleaved with another is not whole by its CRC, whatever it looks
//! like.

use std::fmt;

/// What a witness line begins with.
pub const WORD: &str = "witness ";

/// Hexadecimal digits of a nonce.
pub const NONCE_LEN: usize = 16;

const CRC_LEN: usize = 8;

/// A witness line that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness<'a> {
    /// The trial that wrote it.
    pub nonce: &'a str,
    /// Its number, from 1.
    pub number: u32,
    /// How many were written.
    pub of: u32,
}

/// What is wrong with a line that begins like a witness line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The nonce is not there in full.
    Nonce,
    /// The number is not there in full, or is not a number of that many lines.
    Number,
    /// The checksum is not there in full.
    Crc {
        /// The line's number.
        number: u32,
        /// How many were written, as the line says.
        of: u32,
    },
    /// The checksum does not fit what it stands behind.
    Mismatch {
        /// The line's number.
        number: u32,
        /// How many were written, as the line says.
        of: u32,
        /// The checksum in the line.
        found: String,
        /// The checksum of the line.
        expected: String,
    },
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nonce => f.write_str("nonce broken"),
            Self::Number => f.write_str("number broken"),
            Self::Crc { number, of } => write!(f, "crc of {number}/{of} broken"),
            Self::Mismatch { number, of, found, expected } => {
                write!(f, "crc of {number}/{of} is {found}, not {expected}")
            }
        }
    }
}

impl std::error::Error for Broken {}

/// The line, without its end.
pub fn line(nonce: &str, number: u32, of: u32) -> String {
    let width = of.to_string().len();
    let body = format!("{nonce} {number:0width$}/{of}");
    format!("{WORD}{body} {}", crc(&body))
}

/// Reads the witness line at the start of `text`, which must begin with [`WORD`]; more text may follow it.
pub fn parse(text: &str) -> Result<Witness<'_>, Broken> {
    let body = text.strip_prefix(WORD).ok_or(Broken::Nonce)?;
    let (nonce, rest) = leading(body, is_hex);
    if nonce.len() != NONCE_LEN {
        return Err(Broken::Nonce);
    }
    let (number, rest) = leading(rest.strip_prefix(' ').ok_or(Broken::Nonce)?, |b| b.is_ascii_digit());
    let (of, rest) = leading(rest.strip_prefix('/').ok_or(Broken::Number)?, |b| b.is_ascii_digit());
    if number.len() != of.len() || of.starts_with('0') {
        return Err(Broken::Number);
    }
    let (number, of): (u32, u32) = number.parse().ok().zip(of.parse().ok()).ok_or(Broken::Number)?;
    if number == 0 || number > of {
        return Err(Broken::Number);
    }
    let checked = body.strip_suffix(rest).unwrap_or(body);
    let (found, _) = leading(rest.strip_prefix(' ').ok_or(Broken::Crc { number, of })?, is_hex);
    if found.len() != CRC_LEN {
        return Err(Broken::Crc { number, of });
    }
    let expected = crc(checked);
    if found != expected {
        return Err(Broken::Mismatch { number, of, found: found.to_owned(), expected });
    }
    Ok(Witness { nonce, number, of })
}

/// The checksum of `<nonce> <nn>/<of>`.
pub fn crc(body: &str) -> String {
    format!("{:08x}", crc32(body.as_bytes()))
}

/// CRC-32 (IEEE 802.3), half a byte at a time: its table takes 64 bytes of the agent.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        let crc = crc ^ u32::from(*byte);
        let crc = (crc >> 4) ^ CRC_OF_NIBBLE[(crc & 15) as usize];
        (crc >> 4) ^ CRC_OF_NIBBLE[(crc & 15) as usize]
    })
}

/// What each value of the four bits that are shifted out adds to the rest.
const CRC_OF_NIBBLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut nibble = 0;
    while nibble < 16 {
        let mut crc = nibble;
        let mut bit = 0;
        while bit < 4 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        table[nibble as usize] = crc;
        nibble += 1;
    }
    table
};

fn leading(text: &str, of: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|b| !of(b)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONCE: &str = "0123456789abcdef";

    #[test]
    fn the_check_value_of_the_standard() {
        assert_eq!(super::crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn the_line_is_as_agreed() {
        // The check sums are zlib's: `python3 -c 'import zlib; print(hex(zlib.crc32(b"0123456789abcdef 01/32")))'`.
        assert_eq!(line(NONCE, 1, 32), "witness 0123456789abcdef 01/32 2544702d");
        assert_eq!(line(NONCE, 7, 7), "witness 0123456789abcdef 7/7 b156c1ea");
        assert_eq!(line(NONCE, 5, 100), "witness 0123456789abcdef 005/100 31ec10cf");
    }

    #[test]
    fn whole_lines_and_what_may_follow_them() {
        let text = line(NONCE, 3, 32);
        for after in ["", " ", "[    1.0] BUG", "\u{fffd}", "ghost"] {
            let want = Witness { nonce: NONCE, number: 3, of: 32 };
            assert_eq!(parse(&format!("{text}{after}")), Ok(want), "{after}");
        }
    }

    #[test]
    fn broken_lines() {
        let crc = Broken::Crc { number: 3, of: 32 };
        for (text, want) in [
            ("witness", Broken::Nonce),
            ("witness 0123", Broken::Nonce),
            ("witness 0123456789abcdeF 03/32 00000000", Broken::Nonce),
            ("witness 0123456789abcdef0 03/32 00000000", Broken::Nonce),
            ("witness 0123456789abcdef", Broken::Nonce),
            ("witness 0123456789abcdef ", Broken::Number),
            ("witness 0123456789abcdef 03", Broken::Number),
            ("witness 0123456789abcdef 3/32 00000000", Broken::Number),
            ("witness 0123456789abcdef 03/032 00000000", Broken::Number),
            ("witness 0123456789abcdef 00/32 00000000", Broken::Number),
            ("witness 0123456789abcdef 33/32 00000000", Broken::Number),
            ("witness 0123456789abcdef /", Broken::Number),
            ("witness 0123456789abcdef 99999999999/99999999999 00000000", Broken::Number),
            ("witness 0123456789abcdef 03/32", crc.clone()),
            ("witness 0123456789abcdef 03/32 0000000", crc.clone()),
            ("witness 0123456789abcdef 03/32 000000000", crc),
            (
                "witness 0123456789abcdef 03/32 00000000",
                Broken::Mismatch { number: 3, of: 32, found: "00000000".to_owned(), expected: "8f4db8a6".to_owned() },
            ),
        ] {
            assert_eq!(parse(text), Err(want), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text(text in "(witness )?[0-9a-f]{0,17} ?[0-9]{0,11}/?[0-9]{0,11} ?[0-9a-f]{0,9}.{0,3}") {
            let _ = parse(&text);
        }

        #[test]
        fn written_lines_are_read_back(nonce in "[0-9a-f]{16}", of in 1u32.., share in 0.0f64..1.0) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let number = ((f64::from(of) * share) as u32).max(1);
            let text = line(&nonce, number, of);
            prop_assert_eq!(parse(&text), Ok(Witness { nonce: &nonce, number, of }));
        }

        #[test]
        fn no_changed_byte_goes_unseen(at in 0usize..39, to in b' '..=b'~') {
            let mut text = line(NONCE, 3, 32).into_bytes();
            prop_assume!(text[at] != to);
            text[at] = to;
            prop_assert!(parse(&String::from_utf8(text).unwrap()).is_err());
        }
    }
}
