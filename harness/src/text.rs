//! Text for people that more than one stage writes.

use std::borrow::Cow;

/// At most `width` characters; `…` stands for the rest.
pub fn clipped(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Whether a character has text shown in another order than it stands in: those of Unicode's bidirectional algorithm (UAX #9,
/// 2).
pub const fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `1 file`, `2 files`
pub fn plural(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Milliseconds with their thousandths: `-12.345`.
pub fn milliseconds(ns: i64) -> String {
    let us = ns.unsigned_abs() / 1000;
    format!("{}{}.{:03}", if ns < 0 && us > 0 { "-" } else { "" }, us / 1000, us % 1000)
}

/// A word as a shell takes it for one.
pub fn shell_word(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./~-".contains(c);
    if !word.is_empty() && !word.starts_with('~') && word.chars().all(plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

/// `3.2 s`, `4 min 10 s`
pub fn seconds(duration: std::time::Duration) -> String {
    let whole = duration.as_secs();
    if whole >= 60 {
        format!("{} min {} s", whole / 60, whole % 60)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_left_out() {
        assert_eq!(clipped("wörter", 6), "wörter");
        assert_eq!(clipped("wörter", 5), "wört…");
        assert_eq!(clipped("wörter", 1), "…");
        assert_eq!(clipped("", 0), "");
    }

    #[test]
    fn a_word_is_one_for_a_shell() {
        for word in ["--time", "stock~1@6.12", "hold=300ms", "/usr/bin/qemu"] {
            assert_eq!(shell_word(word), word);
        }
        assert_eq!(["", "~/qemu", "my qemu", "it's"].map(shell_word), ["''", "'~/qemu'", "'my qemu'", r"'it'\''s'"]);
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|number| plural(number, "file")), ["0 files", "1 file", "2 files"]);
    }

    #[test]
    fn milliseconds_have_three_places() {
        assert_eq!([0, 2_718_281, -12_345_678, -999].map(milliseconds), ["0.000", "2.718", "-12.345", "0.000"]);
        assert_eq!(milliseconds(i64::MIN), "-9223372036854.775");
    }
}
