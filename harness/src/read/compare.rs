//! Several logs of one crash, line by line: who has which.
//!
//! A trial's `difference.txt` has the log in the guest's memory to go by. Here nobody has all of it for sure: what is
//! compared is every line that any of them has, in their common order.

use std::collections::{BTreeSet, HashMap, VecDeque};

use serde::Serialize;

use super::{FoundLog, LogOf, SourceReading, crash};
use crate::evidence::printk::Line;

/// Logs that are compared, at most: a column each.
const MAX_COLUMNS: usize = 26;

/// How logs of one crash differ.
#[derive(Debug, Serialize)]
pub struct Difference {
    /// The logs.
    pub columns: Vec<Column>,
    /// From which line on they are compared, by the kernel's time in microseconds: where the first of those begins that
    /// keep only the end of a log. None if there is no such log, or its lines have no times.
    pub from_us: Option<u64>,
    /// Lines that are compared.
    pub lines: usize,
    /// Every line, and before it who has it: the letter of each column, or a dot. None if all have all of it.
    pub text: Option<String>,
    /// Logs that have no line in common with the first column, and are of another crash as it seems.
    pub apart: Vec<String>,
}

/// One log.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its letter.
    pub letter: char,
    /// Its source, and what of it.
    pub name: String,
    /// How many of the lines it has.
    pub lines: usize,
    /// The first that it lacks.
    pub first_lost: Option<String>,
}

/// A line, as it is known again: its time and its message.
type Key<'a> = (Option<u64>, &'a str);

/// A log that takes part.
struct Candidate<'a> {
    name: String,
    lines: Vec<(Key<'a>, &'a str)>,
    /// Whether it keeps only the end of a log.
    is_end: bool,
}

/// Compares the logs of all sources; none where there are not two of one crash.
pub(super) fn difference(sources: &[SourceReading]) -> Option<Difference> {
    let mut candidates = candidates(sources);
    // The longest has what the others may lack: they are put between its lines.
    candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.lines.len()));
    let mut candidates = candidates.into_iter();
    let first = candidates.next()?;
    let known: BTreeSet<Key<'_>> = first.lines.iter().map(|(key, _)| *key).filter(|key| !key.1.is_empty()).collect();
    let (same, other): (Vec<_>, Vec<_>) =
        candidates.partition(|candidate| candidate.lines.iter().any(|(key, _)| known.contains(key)));
    let apart = other.into_iter().map(|candidate| candidate.name).collect();
    let compared: Vec<Candidate<'_>> = [first].into_iter().chain(same).take(MAX_COLUMNS).collect();
    if compared.len() < 2 {
        return None;
    }
    Some(of(&compared, apart))
}

/// Of each source the logs that tell of its last crash.
fn candidates(sources: &[SourceReading]) -> Vec<Candidate<'_>> {
    let mut all = Vec::new();
    for source in sources {
        let mut dumps = source.logs.iter().filter(|log| log.of == LogOf::Dump);
        let dump = dumps.clone().rfind(|log| log.is_panic()).or_else(|| dumps.next_back());
        let others =
            source.logs.iter().filter(|log| matches!(log.of, LogOf::ConsoleZone | LogOf::Memory | LogOf::Console));
        for log in dump.into_iter().chain(others) {
            let lines = last_crash(&log.text);
            if !lines.is_empty() {
                let name = format!("{}: {}", source.name, log.title());
                let is_end = matches!(log.of, LogOf::Dump | LogOf::ConsoleZone);
                all.push(Candidate { name, lines, is_end });
            }
        }
    }
    all
}

/// The lines of the last boot that ended in a panic; of the last boot if none did. A console goes on over many.
fn last_crash(text: &str) -> Vec<(Key<'_>, &str)> {
    let mut boots: Vec<Vec<(Key<'_>, &str)>> = vec![Vec::new()];
    for shown in text.lines() {
        let Line { micros, message, .. } = Line::parse(shown);
        if message.starts_with("Linux version ") {
            boots.push(Vec::new());
        }
        if let Some(boot) = boots.last_mut() {
            boot.push(((micros, message), shown));
        }
    }
    let panicked =
        |boot: &&Vec<(Key<'_>, &str)>| boot.iter().any(|((_, message), _)| message.starts_with(crash::PANIC));
    let at = boots.iter().rposition(|boot| panicked(&boot)).unwrap_or(boots.len() - 1);
    boots.swap_remove(at)
}

/// A line that some have.
struct Row<'a> {
    shown: &'a str,
    micros: Option<u64>,
    /// Which columns, a bit each.
    has: u32,
}

fn of(compared: &[Candidate<'_>], apart: Vec<String>) -> Difference {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let mut keys: Vec<Key<'_>> = Vec::new();
    for (column, candidate) in compared.iter().enumerate() {
        (rows, keys) = merged(rows, keys, candidate, 1 << column);
    }
    let ends = compared.iter().enumerate().filter(|(_, candidate)| candidate.is_end);
    let ends = ends.fold(0, |bits, (column, _)| bits | 1 << column);
    let from = rows.iter().position(|row| ends == 0 || row.has & ends != 0).unwrap_or(0);
    let rows = rows.get(from..).unwrap_or_default();

    let letters: Vec<char> = ('a'..='z').take(compared.len()).collect();
    let mut columns = Vec::new();
    for (column, (candidate, letter)) in compared.iter().zip(&letters).enumerate() {
        let has = |row: &&Row<'_>| row.has & 1 << column != 0;
        let first_lost = rows.iter().find(|row| !has(row)).map(|row| row.shown.to_owned());
        let lines = rows.iter().filter(has).count();
        columns.push(Column { letter: *letter, name: candidate.name.clone(), lines, first_lost });
    }
    let differs = columns.iter().any(|column| column.lines < rows.len());
    let line = |row: &Row<'_>| {
        let mut line: String = letters
            .iter()
            .enumerate()
            .map(|(column, letter)| if row.has & 1 << column == 0 { '.' } else { *letter })
            .collect();
        line.extend([" ", row.shown, "\n"]);
        line
    };
    Difference {
        columns,
        from_us: rows.iter().filter(|_| ends != 0).find_map(|row| row.micros),
        lines: rows.len(),
        text: differs.then(|| rows.iter().map(line).collect()),
        apart,
    }
}

/// Puts a log to the lines that are known: a line counts as often as it is there, in any order, and one that is new comes
/// behind the one that it follows.
fn merged<'a>(
    rows: Vec<Row<'a>>,
    keys: Vec<Key<'a>>,
    candidate: &Candidate<'a>,
    bit: u32,
) -> (Vec<Row<'a>>, Vec<Key<'a>>) {
    let mut places: HashMap<Key<'_>, VecDeque<usize>> = HashMap::new();
    for (place, key) in keys.iter().enumerate() {
        places.entry(*key).or_default().push_back(place);
    }
    let mut rows = rows;
    // Behind how many of the known lines; those that stand before all of them wait for the first that is known.
    let mut new: Vec<(usize, Row<'a>, Key<'a>)> = Vec::new();
    let (mut behind, mut is_placed) = (0, false);
    for (key, shown) in &candidate.lines {
        if let Some(place) = places.get_mut(key).and_then(VecDeque::pop_front) {
            if let Some(row) = rows.get_mut(place) {
                row.has |= bit;
            }
            if !is_placed {
                for (at, ..) in &mut new {
                    *at = place;
                }
                is_placed = true;
            }
            behind = place + 1;
        } else {
            new.push((behind, Row { shown, micros: key.0, has: bit }, *key));
        }
    }
    new.sort_by_key(|(at, ..)| *at);
    let mut new = new.into_iter().peekable();
    let (mut all, mut all_keys) = (Vec::new(), Vec::new());
    for (place, (row, key)) in rows.into_iter().zip(keys).enumerate() {
        while let Some((_, row, key)) = new.next_if(|(at, ..)| *at <= place) {
            all.push(row);
            all_keys.push(key);
        }
        all.push(row);
        all_keys.push(key);
    }
    for (_, row, key) in new {
        all.push(row);
        all_keys.push(key);
    }
    (all, all_keys)
}

impl FoundLog {
    /// What it is called within its source: `Panic#2`, `console`.
    pub(super) fn title(&self) -> String {
        match (&self.dump, self.of) {
            (Some(dump), _) => format!("{}#{}", dump.reason, dump.count),
            (None, LogOf::ConsoleZone) => "pstore's console".to_owned(),
            (None, LogOf::Pmsg) => "pmsg, by user space".to_owned(),
            (None, LogOf::Memory) => "the log in memory".to_owned(),
            (None, LogOf::Console | LogOf::Dump) => "log".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::Kind;

    fn source(name: &str, of: LogOf, text: &str) -> SourceReading {
        let log = FoundLog::new(of, None, text.to_owned());
        SourceReading { name: name.to_owned(), kind: Kind::Log, bytes: 0, about: vec![], logs: vec![log], lost: vec![] }
    }

    const LOG: &str = "[    1.000000] Linux version 6.12\n[    2.000000] a\n[    3.000000] b\n[    3.000000] b\n\
                       [    4.000000] Kernel panic - not syncing: x\n[    5.000000] behind\n";

    #[test]
    fn each_line_tells_who_has_it() {
        let zone =
            "<6>[    3.000000] b\n<6>[    3.500000] only here\n<0>[    4.000000] Kernel panic - not syncing: x\n";
        let found = difference(&[source("z", LogOf::ConsoleZone, zone), source("c", LogOf::Console, LOG)]).unwrap();
        assert_eq!(
            found.text.unwrap(),
            "ab [    3.000000] b\n.b <6>[    3.500000] only here\na. [    3.000000] b\n\
             ab [    4.000000] Kernel panic - not syncing: x\na. [    5.000000] behind\n"
        );
        assert_eq!((found.from_us, found.lines), (Some(3_000_000), 5));
        let column = |letter, name: &str, lines, lost: &str| Column {
            letter,
            name: name.to_owned(),
            lines,
            first_lost: Some(lost.to_owned()),
        };
        assert_eq!(
            found.columns,
            [
                column('a', "c: log", 4, "<6>[    3.500000] only here"),
                column('b', "z: pstore's console", 3, "[    3.000000] b")
            ]
        );
    }

    #[test]
    fn without_an_end_of_a_log_all_of_it_is_compared() {
        let later = LOG.replacen("[    2.000000] a\n", "", 1);
        let found = difference(&[source("c", LogOf::Console, LOG), source("m", LogOf::Memory, &later)]).unwrap();
        assert_eq!((found.lines, found.from_us), (6, None));
        assert!(found.text.unwrap().contains("\na. [    2.000000] a\n"));
        let same = difference(&[source("c", LogOf::Console, LOG), source("m", LogOf::Memory, LOG)]).unwrap();
        assert_eq!((same.text, same.lines), (None, 6));
    }

    #[test]
    fn another_crash_stands_apart_and_one_log_is_not_compared() {
        let other = source("o", LogOf::Console, "[    9.000000] other\n");
        assert!(difference(&[source("c", LogOf::Console, LOG), other]).is_none());
        assert!(difference(&[source("c", LogOf::Console, LOG)]).is_none());
        assert!(difference(&[]).is_none());
        let pmsg = source("p", LogOf::Pmsg, LOG);
        assert!(difference(&[source("c", LogOf::Console, LOG), pmsg]).is_none());
        let other = source("o", LogOf::Console, "[    9.000000] other\n");
        let three = [source("c", LogOf::Console, LOG), other, source("m", LogOf::Memory, LOG)];
        assert_eq!(difference(&three).unwrap().apart, ["o: log"]);
    }

    #[test]
    fn of_a_console_of_many_boots_the_last_that_panicked_counts() {
        let before = LOG.replace(" a\n", " earlier\n");
        let console = format!(
            "SeaBIOS\n{before}SeaBIOS\n{LOG}SeaBIOS\n[    0.000000] Linux version 6.12\n[    2.000000] later\n"
        );
        let lines: Vec<_> = last_crash(&console).into_iter().map(|(_, shown)| shown).collect();
        assert_eq!(lines.join("\n"), format!("{LOG}SeaBIOS"));
        assert_eq!(last_crash("x\n").len(), 1);
        assert_eq!(last_crash("").len(), 0);
    }

    #[test]
    fn lines_before_all_that_is_known_are_put_before_it() {
        let early =
            format!("[    0.500000] early\n{}", LOG.split_once('\n').unwrap().1.split_once("[    5").unwrap().0);
        let found = difference(&[source("c", LogOf::Console, LOG), source("m", LogOf::Memory, &early)]).unwrap();
        let text = found.text.unwrap();
        let at = |line: &str| text.lines().position(|shown| shown.ends_with(line)).unwrap();
        assert_eq!((at("Linux version 6.12"), at("early"), at(" a")), (0, 1, 2), "{text}");
    }
}
