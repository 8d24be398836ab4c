//! Whether the faults met as the scenario says. If they did not, the trial is `missed` and never counted: a guest in
//! which the second fault came late would make any order of `panic()` look good.
//!
//! ```text
//! stamps ───> Passage ─┬─> agree ─> check: every Meeting, and that nobody left at the wrong time
//! timeline ─> Passage ─┘
//! ```

mod passage;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::passage::{Moment, Passage, agree, passages};
use crate::model::Meeting;

/// Who stays so many times as long as it was asked to, and [`LATE_US`] longer, was kept from leaving.
const LATE_FACTOR: u64 = 20;
const LATE_US: u64 = 100_000;

/// Checks every condition, in order, then that nobody left at the wrong time. `budgets_us`: how long each actor was asked
/// to stay, by name; one without an entry was not asked for any, and `u64::MAX` is for ever, or not known. The error
/// says what did not hold, with the times.
pub fn check(meetings: &[Meeting], passages: &[Passage], budgets_us: &BTreeMap<String, u64>) -> Result<(), String> {
    meetings.iter().try_for_each(|meeting| match meeting {
        Meeting::Entered { actor } => entered(passages, actor).map(drop),
        Meeting::EntersDuring { actor, of } => during(passages, budgets_us, actor, of),
        Meeting::Left { actor } => match entered(passages, actor)? {
            (Passage { left: Some(_), .. }, _) => Ok(()),
            (_, from) => Err(format!("{actor} never left its critical section (inside from {} us on)", from.us)),
        },
        Meeting::NeverLeft { actor } => match entered(passages, actor)? {
            (Passage { left: None, .. }, _) => Ok(()),
            (Passage { left: Some(to), .. }, from) => {
                Err(format!("{actor} left at {} us (inside from {} us on)", to.us, from.us))
            }
        },
        Meeting::Apart { actor, from, at_most } => apart(passages, actor, from, *at_most),
    })?;
    passages.iter().try_for_each(|passage| in_time(passage, budgets_us.get(&passage.actor).copied().unwrap_or(0)))
}

fn apart(passages: &[Passage], actor: &str, from: &str, at_most: Duration) -> Result<(), String> {
    let (_, one) = entered(passages, actor)?;
    let (_, other) = entered(passages, from)?;
    let apart = one.us.abs_diff(other.us);
    if u128::from(apart) <= at_most.as_micros() {
        return Ok(());
    }
    Err(format!("{actor} entered at {} us and {from} at {} us, {apart} us apart", one.us, other.us))
}

/// That an actor did not leave before it had spent its time, nor when that was long over: then it was not the guest that
/// decided how long the section lasted. A turn of a microsecond may last several times as long on an emulated CPU.
fn in_time(passage: &Passage, budget_us: u64) -> Result<(), String> {
    let Passage { actor, entered: Some(from), left: Some(to), spent_us, .. } = passage else { return Ok(()) };
    if budget_us == 0 || budget_us == u64::MAX {
        return Ok(());
    }
    if let Some(spent) = spent_us.filter(|spent| *spent < budget_us) {
        return Err(format!("{actor} left early, at {} us, when it had spent {spent} us of {budget_us} us", to.us));
    }
    let inside = to.us.saturating_sub(from.us);
    let longest = budget_us.saturating_mul(LATE_FACTOR).saturating_add(LATE_US);
    if inside > longest {
        return Err(format!("{actor} left late, at {} us, {inside} us after it had entered for {budget_us} us", to.us));
    }
    Ok(())
}

fn during(passages: &[Passage], budgets_us: &BTreeMap<String, u64>, actor: &str, of: &str) -> Result<(), String> {
    let (_, at) = entered(passages, actor)?;
    let (section, from) = entered(passages, of)?;
    if at.order < from.order {
        let early = from.us.saturating_sub(at.us);
        return Err(format!("{actor} entered at {} us, {early} us before {of} did at {} us", at.us, from.us));
    }
    if budgets_us.get(of).is_none_or(|budget| *budget == 0) {
        return Ok(());
    }
    match section.left {
        Some(to) if at.order >= to.order => Err(format!(
            "{actor} entered at {} us, {} us after {of} had left at {} us (inside from {} us on)",
            at.us,
            at.us.saturating_sub(to.us),
            to.us,
            from.us
        )),
        _ => Ok(()),
    }
}

/// The actor's passage and when it entered.
fn entered<'a>(passages: &'a [Passage], actor: &str) -> Result<(&'a Passage, Moment), String> {
    let Some(found) = passages.iter().find(|s| s.actor == actor) else {
        let known: Vec<_> = passages.iter().map(|s| s.actor.as_str()).collect();
        return Err(format!(
            "{actor} was not armed (armed: {})",
            if known.is_empty() { "none".into() } else { known.join(", ") }
        ));
    };
    let at = found
        .entered
        .ok_or_else(|| format!("{actor} never entered its critical section (armed on CPU {})", found.cpu))?;
    Ok((found, at))
}

#[cfg(test)]
mod tests;
