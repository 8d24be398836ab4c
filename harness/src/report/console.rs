//! What a guest said, made safe to stand in a report.

use std::fmt::Write;

use crate::text::reorders;

/// The bytes as text in which nothing acts: line ends stay, a tab becomes spaces, every other control character and
/// what XML forbids is written out (`\x1b`), and so is what makes text be shown in another order than it stands in; what is not
/// UTF-8 becomes U+FFFD.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => safe.push(c),
            '\t' => safe.push_str("    "),
            // U+FFFE and U+FFFF are characters no XML document may hold (XML 1.0, production 2).
            '\u{fffe}' | '\u{ffff}' => safe.extend(c.escape_unicode()),
            c if reorders(c) => safe.extend(c.escape_unicode()),
            // Writing to a string does not fail.
            c if c.is_control() => {
                let _ = write!(safe, "\\x{:02x}", u32::from(c));
            }
            c => safe.push(c),
        }
    }
    safe
}

/// What can be printed of a text, on one line of limited length, for messages.
pub(super) fn one_line(text: &str) -> String {
    const LIMIT: usize = 500;
    let mut line = printable(text.as_bytes()).replace('\n', " ");
    if let Some((end, _)) = line.char_indices().nth(LIMIT) {
        line.truncate(end);
        line.push('…');
    }
    line
}
