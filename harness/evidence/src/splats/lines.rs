//! A log's lines without what stands before each: levels, times, who wrote it, and what a log daemon has put there.

use super::super::printk::{Caller, Line};

/// How a log daemon marks the kernel's lines, behind the time and the machine.
const DAEMON: &str = " kernel: ";

/// How far into a line that may stand.
const DAEMON_WITHIN: usize = 80;

/// What stands between brackets before a line is no longer than this.
const MAX_BRACKET: usize = 32;

/// What one task or CPU wrote into one line, without blanks at its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// Who; none where the log does not tell.
    pub caller: Option<Caller>,
    /// What.
    pub text: &'a str,
}

/// The pieces of a text. A line in whose middle another one begins, because its end was torn off, is two.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    text.lines().flat_map(torn).map(piece).filter(|piece| !piece.text.is_empty())
}

/// A line, cut where the prefix of another begins.
fn torn(line: &str) -> impl Iterator<Item = &str> {
    let mut starts: Vec<usize> = line.match_indices('[').map(|(at, _)| at).filter(|at| is_time(line, *at)).collect();
    for start in &mut starts {
        *start = before_level(line, *start);
    }
    if starts.first() != Some(&0) {
        starts.insert(0, 0);
    }
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([line.len()]).collect();
    starts.into_iter().zip(ends).filter_map(|(start, end)| line.get(start..end))
}

/// Whether a time as `printk()` writes it stands at `at`, with what follows it.
fn is_time(line: &str, at: usize) -> bool {
    let bracket =
        |text: &str| text.split_once(']').map(|(time, rest)| (time.trim_start_matches(' ').len(), rest.len()));
    let Some(rest) = line.get(at + 1..) else { return false };
    let Some((seconds, micros)) = rest.split_once('.') else { return false };
    let seconds = seconds.trim_start_matches(' ');
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((6, _)) = bracket(micros) else { return false };
    is_number(seconds) && seconds.len() <= 10 && micros.get(..6).is_some_and(is_number)
}

/// Where the prefix begins whose time stands at `at`: at its level, if it has one.
fn before_level(line: &str, at: usize) -> usize {
    let before = line.get(..at).unwrap_or_default();
    let level = before.strip_suffix('>').and_then(|rest| rest.rfind('<'));
    let is_level = |open: &usize| {
        before.len() - open <= 5 && before.get(open + 1..before.len() - 1).is_some_and(|n| n.parse::<u16>().is_ok())
    };
    level.filter(is_level).unwrap_or(at)
}

fn piece(line: &str) -> Piece<'_> {
    let mut at = DAEMON_WITHIN.min(line.len());
    while !line.is_char_boundary(at) {
        at -= 1;
    }
    let daemon = line.get(..at).and_then(|head| head.find(DAEMON)).and_then(|found| line.get(found + DAEMON.len()..));
    let Line { mut caller, mut message, .. } = Line::parse(daemon.unwrap_or(line));
    while let Some((inside, rest)) = bracket(message) {
        match self::caller(inside) {
            Some(who) => caller = Some(who),
            None if is_date(inside) => {}
            None => break,
        }
        message = rest;
    }
    Piece { caller, text: message.trim() }
}

/// What stands between the brackets that a text begins with, and what comes behind.
fn bracket(text: &str) -> Option<(&str, &str)> {
    let (inside, rest) = text.trim_start().strip_prefix('[')?.split_once(']')?;
    (inside.len() <= MAX_BRACKET).then_some((inside.trim(), rest))
}

/// `T123`, `C2`: as a caller is written where a tool has put blanks around it.
fn caller(inside: &str) -> Option<Caller> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match inside.strip_prefix('T') {
        Some(pid) => number(pid).map(Caller::Task),
        None => inside.strip_prefix('C').and_then(number).map(Caller::Cpu),
    }
}

/// `Sun Nov 29 18:02:09 2026`, as `dmesg -T` has it; or a time that is not as `printk()` writes it.
fn is_date(inside: &str) -> bool {
    let digits = inside.bytes().filter(u8::is_ascii_digit).count();
    let is_clock = inside.contains(':') && digits >= 6;
    let is_number =
        digits > 0 && inside.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b' '));
    is_clock || is_number
}
