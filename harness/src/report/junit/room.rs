//! A report that is not to be longer than a reader takes: what may be shortened is, in all cases alike.

/// Written in place of what is left out.
const MARK: &str = "…";

/// No notice is longer, as it is written.
const NOTICE_BYTES: usize = 200;

/// How much of each text that may be shortened is written, in bytes of XML.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    /// The bytes that each text would take, in the order in which they came.
    asked: Vec<usize>,
    /// Whether one of them was shortened since that was last told.
    shortened: bool,
    /// Whether they are only asked for, to know how long they are.
    measuring: bool,
}

impl Room {
    /// Room for none of it, to learn how long the rest is.
    pub(super) fn none() -> Self {
        Self { measuring: true, ..Self::of(0) }
    }

    fn of(most: usize) -> Self {
        Self { most, asked: Vec::new(), shortened: false, measuring: false }
    }

    /// What each of the texts that were asked for may have if they are to share so many bytes; the notices of so many
    /// suites are among them if one has to be shortened.
    pub(super) fn shared_out(&self, bytes: usize, suites: usize) -> Self {
        if self.asked.iter().sum::<usize>() <= bytes {
            return Self::of(usize::MAX);
        }
        Self::of(level(&self.asked, bytes.saturating_sub(suites * NOTICE_BYTES)))
    }

    /// The text, or as much of its end as there is room for, from the beginning of a line on.
    pub(super) fn end_of(&mut self, text: &str) -> String {
        if self.has_room_for(text) {
            return text.to_owned();
        }
        let from = self.fitting(text.char_indices().rev()).last().map_or(text.len(), |(at, _)| at);
        let kept = text.split_at(from).1;
        let kept = kept.split_once('\n').map_or(kept, |(_, lines)| lines);
        if kept.is_empty() { String::new() } else { format!("{MARK}\n{kept}") }
    }

    /// The text, or as much of its beginning as there is room for.
    pub(super) fn beginning_of(&mut self, text: &str) -> String {
        if self.has_room_for(text) {
            return text.to_owned();
        }
        let to = self.fitting(text.char_indices()).last().map_or(0, |(at, c)| at + c.len_utf8());
        let kept = text.split_at(to).0;
        if kept.is_empty() { String::new() } else { format!("{kept}\n{MARK}") }
    }

    /// What is to be said of the texts since it was last asked for, if one of them was shortened.
    pub(super) fn notice(&mut self) -> Option<String> {
        std::mem::take(&mut self.shortened).then(|| {
            let most = self.most;
            format!("The report has a limit: of each console and each detail at most {most} bytes are shown here. All of it is with the run.")
        })
    }

    fn has_room_for(&mut self, text: &str) -> bool {
        let bytes = text.chars().map(width).sum();
        self.asked.push(bytes);
        self.shortened |= bytes > self.most && !self.measuring;
        bytes <= self.most
    }

    /// The characters that there is room for, in this order, beside the mark and a line's end.
    fn fitting(&self, characters: impl Iterator<Item = (usize, char)>) -> impl Iterator<Item = (usize, char)> {
        let mut left = self.most.saturating_sub(MARK.len() + 1);
        characters.take_while(move |(_, c)| {
            let fits = width(*c) <= left;
            left = left.saturating_sub(width(*c));
            fits
        })
    }
}

/// The bytes that a character takes in a text of XML.
fn width(c: char) -> usize {
    match c {
        '<' | '>' => "&lt;".len(),
        '&' => "&amp;".len(),
        '\'' | '"' => "&quot;".len(),
        c => c.len_utf8(),
    }
}

/// The largest number so that texts of these lengths, none of which gets more than it, are no more than `bytes` together.
fn level(lengths: &[usize], bytes: usize) -> usize {
    let mut lengths = lengths.to_vec();
    lengths.sort_unstable();
    let (mut left, mut texts) = (bytes, lengths.len());
    for length in lengths {
        // Each of those that are left may have as much as this one.
        if left / texts < length {
            return left / texts;
        }
        (left, texts) = (left - length, texts - 1);
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_short_leaves_its_share_to_the_others() {
        assert_eq!(level(&[10, 10, 10], 30), usize::MAX);
        assert_eq!(level(&[10, 10, 10], 29), 9);
        assert_eq!(level(&[1, 100, 100], 101), 50);
        assert_eq!(level(&[1, 100, 100], 0), 0);
        assert_eq!(level(&[], 0), usize::MAX);
    }

    #[test]
    fn whole_lines_of_a_console_are_kept_and_the_beginning_of_a_detail() {
        let mut room = Room::of(16);
        assert_eq!(room.end_of("first\nsecond\nthird"), "…\nthird");
        assert_eq!(room.end_of("a line of <many>"), "…\n <many>".replace(" <", "<"), "one line is cut within");
        assert_eq!(room.beginning_of("all other CPUs stopped"), "all other CP\n…");
        assert_eq!((room.end_of("short"), room.asked.len()), ("short".to_owned(), 4));
        assert!(room.notice().is_some_and(|notice| notice.len() <= NOTICE_BYTES && notice.contains("16 bytes")));
        assert_eq!(room.notice(), None, "it is told once");
        assert_eq!(Room::none().end_of("x"), "");
    }

    proptest! {
        #[test]
        fn no_text_gets_more_than_there_is_room_for(texts in proptest::collection::vec(".{0,60}", 0..20), bytes in 0usize..600) {
            let mut nothing = Room::none();
            for text in &texts {
                prop_assert_eq!(nothing.end_of(text), "");
            }
            let mut room = nothing.shared_out(bytes, 0);
            let written = |text: &str| text.chars().map(width).sum::<usize>();
            let ends: usize = texts.iter().map(|text| written(&room.end_of(text))).sum();
            let beginnings: usize = texts.iter().map(|text| written(&room.beginning_of(text))).sum();
            prop_assert!(ends <= bytes && beginnings <= bytes, "{ends}, {beginnings} of {bytes}");
        }
    }
}
