//! The judgement over one text: which of the tail is whole, which is missing, which is damaged.
//!
//! - `saved`: every witness line whole and in order, and the panic line behind the last. What else the text has, such
//!   as a torn first copy of a line that is there whole, takes nothing away.
//! - `corrupt`: not so, and something of the tail is damaged or out of order.
//! - `truncated`: some of it is missing, and what is there is sound. The panic line alone is enough for that, and so is
//!   a line that the text ends in.
//! - `lost`: nothing of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use crate::evidence::ranges;
use crate::model::{ChannelOutcome, ChannelVerdict};
use crate::verdict::scan::{Damage, Event, Piece, Scan};

/// What a panic's own line has before its text (`vpanic()` in `kernel/panic.c`).
pub const PANIC: &str = "Kernel panic - not syncing: ";

/// Damaged lines named in a verdict's detail; the others are only counted.
const NAMED_DAMAGE: usize = 3;

/// What a channel should have kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// The trial's nonce, 16 lowercase hexadecimal digits.
    pub nonce: String,
    /// Witness lines that were written.
    pub of: u32,
    /// What the panic's text begins with, behind [`PANIC`]. Empty: any panic is the trial's.
    pub panic_marker: String,
    /// Whether the panic's line is a part of it. An oops may boot the crash kernel before there is a panic.
    pub panic_due: bool,
    /// Whether the scenario's own faults lead to that panic.
    pub panic_is_asked_for: bool,
}

impl Tail {
    /// The tail of a trial that ends in a `panic` actor's panic, whose text is `crashlab <nonce>`.
    pub fn of_panic(nonce: &str, of: u32) -> Self {
        Self::beginning_with(nonce, of, &format!("crashlab {nonce}"))
    }

    /// The tail of a trial that ends in an oops under `panic_on_oops`, whose panic has no nonce.
    pub fn of_oops(nonce: &str, of: u32) -> Self {
        Self::beginning_with(nonce, of, "Fatal exception")
    }

    /// The tail of a trial that ends in a panic whose text begins with `text`.
    pub fn beginning_with(nonce: &str, of: u32, text: &str) -> Self {
        Self { nonce: nonce.to_owned(), of, panic_marker: text.to_owned(), panic_due: true, panic_is_asked_for: true }
    }

    /// The tail of a trial that nothing is injected in, should its kernel panic.
    pub fn of_death(nonce: &str, of: u32) -> Self {
        Self { panic_is_asked_for: false, ..Self::beginning_with(nonce, of, "") }
    }

    /// This tail without the panic's line, which the kernel never reached.
    #[must_use]
    pub fn without_panic(self) -> Self {
        Self { panic_due: false, ..self }
    }
}

/// Judges one text, oldest line first. Lines end in `\n`; if the last has no end, it was cut off there.
pub fn judge_text(text: &str, tail: &Tail) -> ChannelVerdict {
    judge_scan(&Scan::of(text, tail), tail, None)
}

/// Judges what was found in a text. `record_damage`: what is known to be damaged of the records that it came from.
pub(super) fn judge_scan(scan: &Scan, tail: &Tail, record_damage: Option<&str>) -> ChannelVerdict {
    let whole: BTreeSet<u32> = scan.events.iter().filter_map(|event| event.witness()).collect();
    let panic = scan.events.contains(&Event::Panic);
    let missing = ranges::missing(whole.iter().copied(), tail.of);
    let complete = missing.is_empty() && (panic || !tail.panic_due);
    let disorder = disorder(&scan.events, &whole, panic);
    let verdict =
        |outcome, detail| ChannelVerdict::new(outcome, u32::try_from(whole.len()).unwrap_or(u32::MAX), tail.of, detail);
    if complete && disorder.is_none() {
        return verdict(ChannelOutcome::Saved, String::new());
    }
    let damage: Vec<&Damage> = scan
        .damage
        .iter()
        .filter(|damage| match damage.piece {
            Piece::Panic => !panic,
            Piece::Witness(number) => number.is_none_or(|number| !whole.contains(&number)),
        })
        .collect();
    // A damaged record in which everything readable is another trial's is no evidence of this one.
    let nothing = scan.events.is_empty() && damage.is_empty() && scan.cut.is_none();
    let record_damage = record_damage.filter(|_| !(nothing && scan.foreign > 0));
    let outcome = if disorder.is_some() || !damage.is_empty() || record_damage.is_some() {
        ChannelOutcome::Corrupt
    } else if nothing {
        ChannelOutcome::Lost
    } else {
        ChannelOutcome::Truncated
    };
    let mut reasons: Vec<String> = Vec::new();
    reasons.extend((!complete).then(|| describe_missing(&missing, tail.of, panic || !tail.panic_due)));
    reasons.extend(disorder);
    reasons.extend(describe_damage(&damage));
    reasons.extend(record_damage.map(str::to_owned));
    reasons.extend(scan.cut.map(|line| format!("the text ends within line {line}")));
    reasons.extend(scan.other_panic.as_ref().filter(|_| !panic).map(|text| format!("another panic is there: {text}")));
    reasons.extend((scan.foreign > 0).then(|| format!("witness lines of other trials: {}", scan.foreign)));
    verdict(outcome, reasons.join("; "))
}

/// `missing: witnesses 3-7, 9 of 32, panic line`
fn describe_missing(witnesses: &[RangeInclusive<u32>], of: u32, panic: bool) -> String {
    let witnesses =
        (!witnesses.is_empty()).then(|| format!("{} of {of}", ranges::in_words("witness", "witnesses", witnesses)));
    let all: Vec<String> = witnesses.into_iter().chain((!panic).then(|| "panic line".to_owned())).collect();
    format!("missing: {}", all.join(", "))
}

/// What breaks the order of the pieces that are there, if it is broken. A log may be printed more than once (a replay),
/// so it is enough that the pieces can be found one behind the other.
fn disorder(events: &[Event], whole: &BTreeSet<u32>, panic: bool) -> Option<String> {
    let wanted: Vec<Event> =
        whole.iter().map(|number| Event::Witness(*number)).chain(panic.then_some(Event::Panic)).collect();
    let mut found = 0;
    for event in events {
        found += usize::from(wanted.get(found) == Some(event));
    }
    let (before, stuck) = (wanted.get(found.wrapping_sub(1)), wanted.get(found)?);
    Some(format!(
        "out of order: {stuck} is not behind {}",
        before.map_or_else(|| "the start".to_owned(), ToString::to_string)
    ))
}

/// `damaged: line 3 (…), line 4 (…) and 5 more`
fn describe_damage(damage: &[&Damage]) -> Option<String> {
    if damage.is_empty() {
        return None;
    }
    let named: Vec<String> =
        damage.iter().take(NAMED_DAMAGE).map(|d| format!("line {} ({})", d.line, d.what)).collect();
    let mut text = format!("damaged: {}", named.join(", "));
    if damage.len() > NAMED_DAMAGE {
        let _ = write!(text, " and {} more", damage.len() - NAMED_DAMAGE);
    }
    Some(text)
}

#[cfg(test)]
mod tests;
