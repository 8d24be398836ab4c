//! How much of the log a channel kept, line by line, by the log as it stood in the guest's memory.
//!
//! The outcome of a channel is about the tail alone: the witness lines and the panic's own. This is about everything
//! that the kernel has logged from the first witness line on: the backtrace, what notifiers said, what came behind the
//! dump.

use std::collections::HashMap;

use crate::evidence::console;
use crate::evidence::printk::Line;
use crate::evidence::printk_ring::{Log, Record};
use crate::evidence::pstore::Pstore;
use crate::model::{KeptLines, Logged};
use crate::verdict::channel::best_panic;
use crate::verdict::scan::{Event, Scan};
use crate::verdict::tail::Tail;
use crate::verdict::witness;

/// At most this many characters of a lost line are shown.
const MAX_SHOWN: usize = 120;

/// What a trial logged, line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceLog {
    /// From the one with the first witness line on.
    records: Vec<Record>,
    logged: Logged,
}

/// Why it is not known what a trial logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoReference {
    /// The ring buffer has gone round since, or what was read of it is not this trial's.
    #[error("the trial's first witness line is not in the guest's memory any more")]
    NoStart,
}

impl ReferenceLog {
    /// What `log` has from the trial's first witness line on.
    pub fn of(log: &Log, tail: &Tail) -> Result<Self, NoReference> {
        let first = witness::line(&tail.nonce, 1, tail.of);
        let start = log.records.iter().position(|record| record.text == first).ok_or(NoReference::NoStart)?;
        let records = log.records.get(start..).unwrap_or_default().to_vec();
        let text: String = records.iter().flat_map(|record| [record.text.as_str(), "\n"]).collect();
        let panic = Scan::of(&text, tail).events.contains(&Event::Panic);
        let lines = records.iter().map(|record| record.lines().count()).sum();
        let logged = Logged { lines: count(lines), panic, unfinished: count(log.unfinished.len()) };
        Ok(Self { records, logged })
    }

    /// What is recorded of it.
    pub const fn logged(&self) -> Logged {
        self.logged
    }

    /// What a text, oldest line first, has of it. A line is kept if it is there whole, with its time where the text
    /// shows times, and as often as it was logged.
    pub fn kept_by(&self, text: &str) -> KeptLines {
        let mut there = There::new(text);
        let mut kept = KeptLines { lines: 0, of: self.logged.lines, first_lost: None };
        for (record, line) in self.lines() {
            if there.take(record, line) {
                kept.lines += 1;
            } else if kept.first_lost.is_none() {
                kept.first_lost = Some(record.shown(line).chars().take(MAX_SHOWN).collect());
            }
        }
        kept
    }

    fn lines(&self) -> impl Iterator<Item = (&Record, &str)> {
        self.records.iter().flat_map(|record| record.lines().map(move |line| (record, line)))
    }

    /// Every line that was logged, and before it who has it: the letter of each channel's text, or a dot. None if all
    /// have all of it.
    pub fn difference(&self, texts: &[(char, &str)]) -> Option<String> {
        let mut channels: Vec<_> = texts.iter().map(|(letter, text)| (*letter, There::new(text))).collect();
        let (mut shown, mut differs) = (String::new(), false);
        for (record, line) in self.lines() {
            for (letter, there) in &mut channels {
                let has = there.take(record, line);
                differs |= !has;
                shown.push(if has { *letter } else { '.' });
            }
            shown.push(' ');
            shown.push_str(&record.shown(line));
            shown.push('\n');
        }
        differs.then_some(shown)
    }
}

/// The text of the dump by which pstore is judged, as the console would have it.
pub fn text_of_pstore(pstore: &Pstore, tail: &Tail) -> String {
    let text = best_panic(pstore, tail).map(|(dump, _)| dump.text()).unwrap_or_default();
    console::decode(text.as_bytes()).text
}

/// The text of the log in a dump of memory, as the console would have it.
pub fn text_of_dump(log: Option<&Log>) -> String {
    console::decode(log.map(ToString::to_string).unwrap_or_default().as_bytes()).text
}

/// The lines of a text, to be taken from it one by one.
struct There<'a>(HashMap<(Option<u64>, &'a str), usize>);

impl<'a> There<'a> {
    fn new(text: &'a str) -> Self {
        let mut there: HashMap<_, usize> = HashMap::new();
        for line in text.lines().map(Line::parse) {
            *there.entry((line.micros, line.message)).or_default() += 1;
        }
        Self(there)
    }

    /// Whether a line of a record is there once more: with its time, or without if the text has none.
    fn take(&mut self, record: &Record, line: &'a str) -> bool {
        [Some(record.micros()), None].into_iter().any(|micros| {
            let left = self.0.get_mut(&(micros, line)).filter(|left| **left > 0);
            left.map(|left| *left -= 1).is_some()
        })
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::printk_ring;
    use crate::evidence::pstore::{Dump, Part, Reason};
    use crate::verdict::testlog::{NONCE, OF, OTHER};
    use harness_testdata::printk_ring::{Kernel, RESERVED, RingBuilder};

    fn tail() -> Tail {
        Tail::of_panic(NONCE, OF)
    }

    /// The log of a trial, with a line before it, a record of two lines, and one that stands twice at one time.
    fn log(messages: &[&str]) -> Log {
        let mut ring = RingBuilder::new(Kernel::V6_12, 6, 14);
        ring.push(1_000_000, 1, "before");
        for number in 1..=OF {
            ring.push(2_000_000 + u64::from(number) * 1000, 1, &witness::line(NONCE, number, OF));
        }
        for message in messages {
            ring.push(9_000_000, 0x8000_0000, message);
        }
        printk_ring::decode(&ring.raw()).unwrap()
    }

    fn of_panic() -> Log {
        log(&[&format!("Kernel panic - not syncing: crashlab {NONCE}"), "two\nlines", "twice", "twice", "", "behind"])
    }

    fn shown(log: &Log) -> String {
        console::decode(log.to_string().replace('\n', "\r\n").as_bytes()).text
    }

    #[test]
    fn a_channel_that_shows_the_log_has_kept_all_of_it() {
        let log = of_panic();
        let truth = ReferenceLog::of(&log, &tail()).unwrap();
        assert_eq!(truth.logged(), Logged { lines: OF + 7, panic: true, unfinished: 0 });
        let all = KeptLines { lines: OF + 7, of: OF + 7, first_lost: None };
        assert_eq!(truth.kept_by(&shown(&log)), all);
        // Twice is no more than once, and order is another question.
        assert_eq!(truth.kept_by(&shown(&log).repeat(2)), all);
        let backwards: Vec<_> = shown(&log).lines().rev().map(str::to_owned).collect();
        assert_eq!(truth.kept_by(&backwards.join("\n")), all);
    }

    #[test]
    fn the_first_line_that_is_lost_is_named() {
        let log = of_panic();
        let truth = ReferenceLog::of(&log, &tail()).unwrap();
        let without = |line: &str| truth.kept_by(&shown(&log).replacen(line, "", 1));
        let lost = |text: &str| KeptLines { lines: OF + 6, of: OF + 7, first_lost: Some(text.to_owned()) };
        assert_eq!(without("[    0.009000][    C0] lines\n"), lost("[    0.009000][    C0] lines"));
        // It is there once, and was logged twice.
        assert_eq!(without("[    0.009000][    C0] twice\n"), lost("[    0.009000][    C0] twice"));
        // Torn, garbled, or with the end of another.
        for (whole, torn) in [("behind", "behi"), ("C0] behind", "C0] be\u{fffd}ind"), ("behind", "behindtwo")] {
            let kept = truth.kept_by(&shown(&log).replace(whole, torn));
            assert_eq!(kept, lost("[    0.009000][    C0] behind"), "{torn}");
        }
        // At another time it is another line.
        let kept = truth.kept_by(&shown(&log).replace("0.009000][    C0] behind", "0.009001][    C0] behind"));
        assert_eq!(kept, lost("[    0.009000][    C0] behind"));
        let nothing = truth.kept_by("");
        assert_eq!((nothing.lines, nothing.first_lost.unwrap().contains(" 01/12 ")), (0, true));
    }

    #[test]
    fn the_difference_tells_of_each_line_who_has_it() {
        let log = of_panic();
        let truth = ReferenceLog::of(&log, &tail()).unwrap();
        let all = shown(&log);
        assert_eq!(truth.difference(&[('c', &all), ('p', &all)]), None);
        let without = all.replacen("[    0.009000][    C0] twice\n", "", 1);
        let difference = truth.difference(&[('c', &all), ('p', &without), ('k', "")]).unwrap();
        assert_eq!(difference.lines().count(), usize::try_from(OF).unwrap() + 7);
        let twice: Vec<_> = difference.lines().filter(|line| line.ends_with("twice")).collect();
        assert_eq!(twice, ["cp. [    0.009000][    C0] twice", "c.. [    0.009000][    C0] twice"]);
    }

    #[test]
    fn a_text_without_times_is_compared_without() {
        let log = of_panic();
        let truth = ReferenceLog::of(&log, &tail()).unwrap();
        let text: String = log.records.iter().map(|record| record.text.clone() + "\n").collect();
        assert_eq!(truth.kept_by(&text).lines, OF + 7);
    }

    #[test]
    fn a_long_line_is_clipped() {
        let long = "\u{e9}".repeat(500);
        let truth = ReferenceLog::of(&log(&[&long]), &tail()).unwrap();
        let first = truth.kept_by(&shown(&log(&[]))).first_lost.unwrap();
        assert_eq!(first.chars().count(), MAX_SHOWN);
    }

    #[test]
    fn of_pstore_the_panics_dump_counts_and_no_other() {
        let log = of_panic();
        let truth = ReferenceLog::of(&log, &tail()).unwrap();
        let dump = |reason, text: String| {
            let part = Part { number: 1, record_id: 1, written: None, text, damage: None };
            Pstore { dumps: vec![Dump { reason, count: 1, parts: vec![part] }], ..Pstore::default() }
        };
        let syslog = |log: &Log| format!("\n{}", log.to_string().trim_end()).replace('\n', "\n<6>") + "\n";
        let all = dump(Reason::Panic, syslog(&log));
        assert_eq!(
            truth.kept_by(&text_of_pstore(&all, &tail())),
            KeptLines { lines: OF + 7, of: OF + 7, first_lost: None }
        );
        // What was logged behind the dump cannot be in it.
        let cut = syslog(&log).split("<6>[    0.009000][    C0] behind").next().unwrap().to_owned();
        let first_lost = Some("[    0.009000][    C0] behind".to_owned());
        let kept = truth.kept_by(&text_of_pstore(&dump(Reason::Panic, cut), &tail()));
        assert_eq!(kept, KeptLines { lines: OF + 6, of: OF + 7, first_lost });
        assert_eq!(truth.kept_by(&text_of_pstore(&dump(Reason::Oops, syslog(&log)), &tail())).lines, 0);
        assert_eq!(truth.kept_by(&text_of_pstore(&Pstore::default(), &tail())).lines, 0);
    }

    #[test]
    fn without_the_first_witness_nothing_is_known() {
        assert_eq!(ReferenceLog::of(&Log::default(), &tail()), Err(NoReference::NoStart));
        assert_eq!(ReferenceLog::of(&of_panic(), &Tail::of_panic(OTHER, OF)), Err(NoReference::NoStart));
    }

    #[test]
    fn a_log_without_the_panics_line_says_so() {
        let truth = ReferenceLog::of(&log(&["Kernel panic - not syncing: another"]), &tail()).unwrap();
        assert!(!truth.logged().panic);
        let mut ring = RingBuilder::new(Kernel::V6_12, 6, 14);
        ring.push(0, 0, &witness::line(NONCE, 1, OF)).push_as(RESERVED, 0, 0, "half");
        let truth = ReferenceLog::of(&printk_ring::decode(&ring.raw()).unwrap(), &tail()).unwrap();
        assert_eq!(truth.logged(), Logged { lines: 1, panic: false, unfinished: 1 });
    }
}
