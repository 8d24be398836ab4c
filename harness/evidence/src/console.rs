//! The serial console: what the guest's UART sent, from the firmware's first byte to the last one before the end.
//!
//! What is removed is what a terminal would not show: carriage returns and escape sequences. What cannot be shown and
//! is no formatting (NUL, other control bytes, broken UTF-8) becomes U+FFFD, so that damage stays visible to the
//! verdict and nothing that reaches a user's terminal can command it.

use crate::printk::Line;

/// At most this many bytes are read, counted from the end: the tail is what a trial is about.
pub const MAX_BYTES: usize = 16 << 20;

/// A control string (title, device control) longer than this is not taken for one: text must not vanish in it.
const MAX_CONTROL_STRING: usize = 128;

/// A control sequence longer than this is not taken for one.
const MAX_CONTROL_SEQUENCE: usize = 32;

const ESC: u8 = 0x1b;
const REPLACEMENT: &str = "\u{fffd}";

/// A console's output, cleaned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Console {
    /// The text; lines end in `\n`, and a last line without one was cut off there.
    pub text: String,
    /// Bytes dropped from the beginning, because there were more than [`MAX_BYTES`].
    pub dropped: usize,
}

impl Console {
    /// Its lines, with the kernel's prefix read where there is one.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.text.lines().map(Line::parse)
    }
}

/// Cleans raw serial output. Takes any bytes.
pub fn decode(raw: &[u8]) -> Console {
    let (dropped, mut rest) = last_bytes(raw, MAX_BYTES);
    let mut clean = Vec::with_capacity(rest.len());
    while let Some((&byte, after)) = rest.split_first() {
        let used = match byte {
            b'\n' | b'\t' => {
                clean.push(byte);
                1
            }
            b'\r' => {
                // The UART sends CR LF. A lone CR would make a terminal overwrite the line; here no text is lost.
                if after.iter().find(|b| **b != b'\r').is_none_or(|b| *b != b'\n') {
                    clean.push(b'\n');
                }
                1 + after.iter().take_while(|b| **b == b'\r').count()
            }
            ESC => escape_len(rest).unwrap_or_else(|| {
                clean.extend_from_slice(REPLACEMENT.as_bytes());
                1
            }),
            0x00..=0x1f | 0x7f => {
                clean.extend_from_slice(REPLACEMENT.as_bytes());
                1
            }
            _ => {
                let plain = rest.iter().position(|b| matches!(b, 0x00..=0x1f | 0x7f)).unwrap_or(rest.len());
                clean.extend_from_slice(&rest[..plain]);
                plain
            }
        };
        rest = rest.get(used..).unwrap_or_default();
    }
    let mut text = String::from_utf8_lossy(&clean).into_owned();
    if text.contains(is_c1) {
        text = text.replace(is_c1, REPLACEMENT);
    }
    Console { text, dropped }
}

/// C1 control characters: some terminals take U+009B for `ESC [`.
fn is_c1(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}')
}

/// The last `max` bytes and how many were left out; if any, from the start of a line, so that no torn line is read.
fn last_bytes(raw: &[u8], max: usize) -> (usize, &[u8]) {
    let over = raw.len().saturating_sub(max);
    let tail = raw.get(over..).unwrap_or_default();
    if over == 0 {
        return (0, tail);
    }
    let torn = tail.iter().position(|b| *b == b'\n').map_or(0, |end| end + 1);
    (over + torn, tail.get(torn..).unwrap_or_default())
}

/// How many bytes the escape sequence at the start of `bytes` has (ECMA-48), if it is one.
fn escape_len(bytes: &[u8]) -> Option<usize> {
    match *bytes.get(1)? {
        b'[' => {
            let body = bytes.get(2..)?;
            let args = body.iter().take(MAX_CONTROL_SEQUENCE).take_while(|b| matches!(b, 0x20..=0x3f)).count();
            matches!(body.get(args)?, 0x40..=0x7e).then_some(2 + args + 1)
        }
        b']' | b'P' | b'X' | b'^' | b'_' => {
            let body = bytes.get(2..)?;
            let end = body.iter().take(MAX_CONTROL_STRING).position(|b| *b < 0x20)?;
            match (body.get(end)?, body.get(end + 1)) {
                (0x07, _) => Some(2 + end + 1),
                (&ESC, Some(b'\\')) => Some(2 + end + 2),
                _ => None,
            }
        }
        0x20..=0x2f => matches!(bytes.get(2)?, 0x30..=0x7e).then_some(3),
        0x30..=0x7e => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::printk::Caller;

    fn text(raw: &[u8]) -> String {
        decode(raw).text
    }

    #[test]
    fn cleaning() {
        for (raw, want) in [
            (&b"a\r\nb\r\n"[..], "a\nb\n"),
            (b"a\r\r\nb", "a\nb"),
            (b"a\rb", "a\nb"),
            (b"a\r", "a\n"),
            (b"\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS\r\n", "SeaBIOS\n"),
            (b"\x1b]0;title\x07x\x1b]0;title\x1b\\y", "xy"),
            (b"\x1b(Bx", "x"),
            (b"a\tb", "a\tb"),
            (b"a\0b\x7fc\x08d", "a\u{fffd}b\u{fffd}c\u{fffd}d"),
            (b"a\xffb", "a\u{fffd}b"),
            ("a\u{9b}31mb".as_bytes(), "a\u{fffd}31mb"),
            ("\u{b5}s \u{2603}".as_bytes(), "\u{b5}s \u{2603}"),
            // Not sequences: nothing of the text behind them may vanish.
            (b"\x1b", "\u{fffd}"),
            (b"\x1b[31", "\u{fffd}[31"),
            (b"\x1b[3\nx", "\u{fffd}[3\nx"),
            (b"\x1b]unterminated\nx", "\u{fffd}]unterminated\nx"),
            (b"\x1b\x01x", "\u{fffd}\u{fffd}x"),
        ] {
            assert_eq!(text(raw), want, "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn a_long_control_string_does_not_swallow_the_log() {
        let raw = [&b"\x1b]"[..], &[b'x'; MAX_CONTROL_STRING], b"\x07"].concat();
        assert!(text(&raw).contains("xxx"));
        let raw = [&b"\x1b["[..], &[b'1'; MAX_CONTROL_SEQUENCE + 1], b"m"].concat();
        assert!(text(&raw).contains("111"));
    }

    #[test]
    fn firmware_then_kernel() {
        let console = decode(b"\x1bcSeaBIOS (version 1.16.2)\r\n\r\n[    0.000000][    T0] Linux version 6.12\r\n");
        let lines: Vec<_> = console.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!((lines[0].micros, lines[0].message), (None, "SeaBIOS (version 1.16.2)"));
        assert_eq!((lines[2].micros, lines[2].caller), (Some(0), Some(Caller::Task(0))));
        assert_eq!(lines[2].message, "Linux version 6.12");
    }

    #[test]
    fn only_the_tail_of_too_much_is_read_and_from_a_whole_line() {
        assert_eq!(last_bytes(b"abc\ndef\n", 8), (0, &b"abc\ndef\n"[..]));
        assert_eq!(last_bytes(b"abc\ndef\n", 6), (4, &b"def\n"[..]));
        assert_eq!(last_bytes(b"abcdef", 3), (3, &b"def"[..]));

        let mut raw = vec![b'x'; MAX_BYTES];
        raw.extend_from_slice(b"\nlast\n");
        let console = decode(&raw);
        assert_eq!((console.text.as_str(), console.dropped), ("last\n", MAX_BYTES + 1));
    }

    proptest! {
        #[test]
        fn any_bytes_become_harmless_text(raw in prop::collection::vec(any::<u8>(), 0..2048)) {
            let console = decode(&raw);
            prop_assert!(console.text.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
            prop_assert!(console.lines().count() <= raw.len() + 1);
        }

        #[test]
        fn escape_soup_never_panics(raw in "(\\x1b[\\[\\]P(c][0-9;?]{0,40}[a-z\\x07\\n\\x1b]?){0,20}") {
            decode(raw.as_bytes());
        }

        #[test]
        fn plain_lines_survive_the_uart(lines in prop::collection::vec("[ -~]{0,60}", 0..20)) {
            let sent = lines.join("\r\n");
            let want = lines.join("\n");
            prop_assert_eq!(text(sent.as_bytes()), want);
        }
    }
}
