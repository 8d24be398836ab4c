//! Whether the guest ended by what the author says.

use crate::evidence::stamps::Action;
use crate::evidence::{Ending, Evidence};
use crate::model::ends::{Ends, EndsBy};
use crate::verdict::tail::{PANIC, Tail};

/// A panic's steps, of which the first that a CPU takes may come before its line is logged.
const STEPS: [&str; 3] = ["panic", "nmi_panic", "panic_cpu"];

/// At most this many characters of a panic's text are shown.
const SHOWN: usize = 80;

/// How a guest ended, by what it left.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ended {
    /// It panicked first with this text.
    Panicked(String),
    /// It panicked, or its crash kernel was booted before it would have, and with which text is not known.
    Somehow,
    /// It was reset.
    Reset,
    /// Its power was switched off.
    PoweredOff,
    /// It was alive.
    Survived,
    /// Neither.
    Not,
}

/// Whether it ended as it was said to, if anything was said. The error says how it ended instead.
///
/// Only the first panic counts: what follows it is how the kernel dies, and not of what. If the kernel did not get as far
/// as the panic's line, it panicked for all that is known as was said.
pub(super) fn came_true(evidence: &Evidence, ends: &Ends, tail: &Tail) -> Result<(), String> {
    let ended = Ended::of(evidence);
    if !ends.said || ends.by.iter().any(|end| ended.is(*end, tail)) {
        return Ok(());
    }
    let said: Vec<&str> = ends.by.iter().map(|end| end.word()).collect();
    Err(format!("ends-by {} did not come true: {ended}", said.join(" or ")))
}

impl Ended {
    fn of(evidence: &Evidence) -> Self {
        let log = evidence.log.as_ref().map(ToString::to_string).unwrap_or_default();
        if let Some(text) = first_panic(&log).or_else(|| first_panic(&evidence.console.text)) {
            return Self::Panicked(text);
        }
        let begun = begun(evidence);
        match evidence.facts.ending {
            Ending::Captured => Self::Somehow,
            _ if begun => Self::Somehow,
            Ending::ByItself => Self::Reset,
            Ending::PoweredOff => Self::PoweredOff,
            Ending::Survived => Self::Survived,
            Ending::Hung | Ending::Deadline => Self::Not,
        }
    }

    fn is(&self, end: EndsBy, tail: &Tail) -> bool {
        match self {
            Self::Panicked(text) if end == EndsBy::Panic => text.starts_with(&tail.panic_marker),
            Self::Panicked(text) => EndsBy::of_panic_text(text) == Some(end),
            Self::Somehow => end.panics(),
            Self::Reset => end == EndsBy::Reboot,
            Self::PoweredOff => end == EndsBy::PowerOff,
            Self::Survived => end == EndsBy::Survives,
            Self::Not => false,
        }
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Panicked(text) => match EndsBy::of_panic_text(text) {
                Some(end) => write!(f, "it was {end}, \"{text}\""),
                None => write!(f, "it panicked, \"{text}\""),
            },
            Self::Somehow => f.write_str("it panicked"),
            Self::Reset => f.write_str("the machine was reset, and there was no panic"),
            Self::PoweredOff => f.write_str("the power was switched off, and there was no panic"),
            Self::Survived => f.write_str("the guest was alive when its time was over"),
            Self::Not => f.write_str("there was neither a panic nor a reset, and no sign of life"),
        }
    }
}

/// The text of the first panic in a log.
fn first_panic(log: &str) -> Option<String> {
    let text = log.lines().find_map(|line| line.split_once(PANIC))?.1;
    Some(text.trim_end().chars().take(SHOWN).collect())
}

/// Whether a CPU was seen to begin a panic, or an actor called it.
fn begun(evidence: &Evidence) -> bool {
    let seen = match &evidence.timeline {
        Some(Ok(timeline)) => timeline.events.iter().any(|event| event.ns >= 0 && STEPS.contains(&event.step.as_str())),
        _ => false,
    };
    let called = evidence
        .stamps
        .as_ref()
        .is_ok_and(|page| page.actors.iter().any(|actor| actor.action == Action::Panic && actor.entered_tsc.is_some()));
    seen || called
}

#[cfg(test)]
mod tests;
