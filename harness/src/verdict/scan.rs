//! Finds the pieces of a tail in a text: whole ones, damaged ones, and those of other trials.
//!
//! Pieces are looked for anywhere in a line: another CPU's output may stand before or behind them without a line end
//! between. A piece torn in two is found by its head (its fixed word and enough of the nonce) or by its end (a witness
//! line's check sum belongs to one nonce and one number), so no single tear hides it.

use std::collections::BTreeSet;
use std::fmt;

use crate::verdict::tail::{PANIC, Tail};
use crate::verdict::witness::{self, Broken};

/// What a panic line is recognised by when the rest of [`PANIC`] is torn off.
const PANIC_WORD: &str = "Kernel panic - ";

/// What a panic line with the trial's nonce is recognised by when its beginning is torn off.
const PANIC_END: &str = "syncing: ";

/// The last line of a panic repeats its text behind this. It is not the panic's own line.
const END_OF_PANIC: &str = "---[ end ";

/// This many digits of the nonce make a torn witness line this trial's: one in 65536 of any other's.
const NONCE_HEAD: usize = 4;

/// At most this many damaged pieces are kept: far more than one tail has.
const MAX_DAMAGE: usize = 10_000;

/// How far behind a panic line's fixed words its nonce is looked for, in characters.
const NEAR: usize = 200;

/// At most this many characters of another panic's text are kept.
const MAX_PANIC_TEXT: usize = 80;

/// A piece that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The witness line with that number.
    Witness(u32),
    /// The panic's own line.
    Panic,
}

impl Event {
    /// The number, if it is a witness line.
    pub const fn witness(self) -> Option<u32> {
        match self {
            Self::Witness(number) => Some(number),
            Self::Panic => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Witness(number) => write!(f, "witness {number}"),
            Self::Panic => f.write_str("the panic line"),
        }
    }
}

/// What a damaged piece once was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// A witness line; its number, if that can still be read.
    Witness(Option<u32>),
    /// The panic's own line.
    Panic,
}

/// A damaged piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What it once was.
    pub piece: Piece,
    /// The line it was found in, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// Everything found in one text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// Whole pieces, in the order of the text.
    pub events: Vec<Event>,
    /// Damaged pieces, in the order of the text.
    pub damage: Vec<Damage>,
    /// The number of the last line, if the text ends within a piece of the tail.
    pub cut: Option<usize>,
    /// The text of a panic that is not this trial's, the last if there are several.
    pub other_panic: Option<String>,
    /// Whole witness lines of other trials.
    pub foreign: usize,
    /// Whether the last whole witness line seen was another trial's: then so is a panic line without a nonce.
    after_foreign: bool,
}

impl Scan {
    /// Looks through a text.
    pub fn of(text: &str, tail: &Tail) -> Self {
        let mut scan = Self::default();
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let (line, open) = line.strip_suffix('\n').map_or((line, true), |line| (line, false));
            scan.line(&LineOf { number: index + 1, text: line, open }, tail);
        }
        scan
    }

    fn line(&mut self, line: &LineOf<'_>, tail: &Tail) {
        let (events, damage) = (self.events.len(), self.damage.len());
        let mut starts: Vec<usize> = line.text.match_indices(witness::WORD).map(|(at, _)| at).collect();
        starts.extend(line.text.match_indices(PANIC_WORD).map(|(at, _)| at));
        starts.sort_unstable();
        for (before, piece) in starts.into_iter().filter_map(|at| line.text.split_at_checked(at)) {
            if piece.starts_with(witness::WORD) {
                self.witness(piece, line, tail);
            } else {
                self.panic(piece, before, line, tail);
            }
        }
        self.witness_ends(line, tail, events, damage);
        self.panic_end(line, tail);
    }

    /// A witness line's head, at the start of `piece`.
    fn witness(&mut self, piece: &str, line: &LineOf<'_>, tail: &Tail) {
        match witness::parse(piece) {
            Ok(found) if found.nonce != tail.nonce => {
                self.foreign += 1;
                self.after_foreign = true;
            }
            Ok(found) => {
                self.after_foreign = false;
                if found.of == tail.of {
                    self.events.push(Event::Witness(found.number));
                } else {
                    let what = format!("it counts {} witnesses, not {}", found.of, tail.of);
                    self.damaged(Piece::Witness(None), line, what);
                }
            }
            Err(_) if common_prefix(piece.get(witness::WORD.len()..).unwrap_or_default(), &tail.nonce) < NONCE_HEAD => {
            }
            Err(_) if line.open && is_beginning(piece, tail) => {
                self.cut = Some(line.number);
            }
            Err(broken) => {
                // Behind a wrong sum the number may be what is wrong.
                let number = match broken {
                    Broken::Crc { number, .. } => Some(number),
                    Broken::Nonce | Broken::Number | Broken::Mismatch { .. } => None,
                };
                self.damaged(Piece::Witness(number), line, broken.to_string());
            }
        }
    }

    /// A panic line's head, at the start of `piece`.
    fn panic(&mut self, piece: &str, before: &str, line: &LineOf<'_>, tail: &Tail) {
        let marker = tail.panic_marker.as_str();
        let text = piece.strip_prefix(PANIC);
        let foreign = self.after_foreign && !marker.contains(&tail.nonce);
        let begins = text.map_or(PANIC.starts_with(piece), |text| marker.starts_with(text));
        match text {
            _ if before.ends_with(END_OF_PANIC) => {}
            Some(text) if !foreign && text.starts_with(marker) => self.events.push(Event::Panic),
            _ if !foreign && line.open && begins => self.cut = Some(line.number),
            Some(text) if foreign || !resembles(text, tail) => {
                self.other_panic = Some(text.chars().take(MAX_PANIC_TEXT).collect());
            }
            None if foreign => {}
            _ => self.damaged(Piece::Panic, line, "panic line broken".to_owned()),
        }
    }

    /// The end of a panic line whose head is not in the same line: known by the nonce, if there is one in it. Only the
    /// panic's text is not enough within a line, or whoever else names it would be taken for a torn panic.
    fn panic_end(&mut self, line: &LineOf<'_>, tail: &Tail) {
        let marker = &tail.panic_marker;
        if line.text.contains(PANIC_WORD) || !marker.contains(&tail.nonce) {
            return;
        }
        let is_end = line.text.len() + NONCE_HEAD >= tail.nonce.len() && marker.ends_with(line.text);
        if is_end || line.text.contains(&format!("{PANIC_END}{marker}")) {
            self.damaged(Piece::Panic, line, "only the end of the panic line is there".to_owned());
        }
    }

    /// Ends of witness lines whose head is not in the same line: `03/32 <crc>`. `events` and `damage`: how many there
    /// were before this line.
    fn witness_ends(&mut self, line: &LineOf<'_>, tail: &Tail, events: usize, damage: usize) {
        let of = tail.of.to_string();
        let whole: BTreeSet<u32> = self.events.iter().skip(events).filter_map(|event| event.witness()).collect();
        let mut heads = damage..self.damage.len();
        for (slash, mark) in line.text.match_indices(&format!("/{of} ")) {
            let Some(number) = slash.checked_sub(of.len()).and_then(|start| line.text.get(start..slash)) else {
                continue;
            };
            let sum = witness::crc(&format!("{} {number}/{of}", tail.nonce));
            let Ok(value) = number.parse::<u32>() else { continue };
            if !line.text.get(slash + mark.len()..).is_some_and(|rest| rest.starts_with(&sum)) {
                continue;
            }
            if whole.contains(&value) {
                continue;
            }
            let headless = Piece::Witness(Some(value));
            let head = heads.find(|at| self.damage.get(*at).is_some_and(|d| d.piece == Piece::Witness(None)));
            match head.and_then(|at| self.damage.get_mut(at)) {
                Some(head) => head.piece = headless,
                None => self.damaged(headless, line, format!("only the end of {value}/{of} is there")),
            }
        }
    }

    fn damaged(&mut self, piece: Piece, line: &LineOf<'_>, what: String) {
        if self.damage.len() < MAX_DAMAGE {
            self.damage.push(Damage { piece, line: line.number, what });
        }
    }
}

/// One line, and whether the text ended before it did.
struct LineOf<'a> {
    number: usize,
    text: &'a str,
    open: bool,
}

/// Whether `piece` is the beginning of one of the tail's witness lines.
fn is_beginning(piece: &str, tail: &Tail) -> bool {
    piece.len() < witness::line(&tail.nonce, tail.of, tail.of).len()
        && (1..=tail.of).any(|number| witness::line(&tail.nonce, number, tail.of).starts_with(piece))
}

/// Whether a panic's text was this trial's before it was damaged.
fn resembles(text: &str, tail: &Tail) -> bool {
    let marker = tail.panic_marker.as_str();
    let near = text.char_indices().nth(NEAR).and_then(|(end, _)| text.get(..end)).unwrap_or(text);
    common_prefix(text, marker) * 2 >= marker.len() || near.contains(&tail.nonce)
}

fn common_prefix(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}
