//! Whether the faults met as the scenario says. If they did not, the trial is `missed` and never counted: a guest in
//! which the second fault came late would make any order of `panic()` look good.
//!
//! ```text
//! stamps ───> ActorInterval ─┬─> agree ─> check: every Precondition, and that nobody left at the wrong time
//! timeline ─> ActorInterval ─┘
//! ```

mod interval;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::interval::{ActorInterval, TrialTime, agree, intervals};
use crate::model::Precondition;

/// An actor that stays more than this many times as long as it was asked to, plus [`LATE_US`], was kept from leaving.
const LATE_FACTOR: u64 = 20;
const LATE_US: u64 = 100_000;

/// Checks every condition, in order, then that nobody left at the wrong time. `budgets_us`: how long each actor was asked
/// to stay, by name; one without an entry was not asked for any, and `u64::MAX` is for ever, or not known. The error
/// says what did not hold, with the times. `held_us`: for how long CPUs were held on purpose, which is nobody's fault.
pub fn check(
    preconditions: &[Precondition],
    intervals: &[ActorInterval],
    budgets_us: &BTreeMap<String, u64>,
    held_us: u64,
) -> Result<(), String> {
    preconditions.iter().try_for_each(|precondition| match precondition {
        Precondition::Entered { actor } => entered(intervals, actor).map(drop),
        Precondition::EntersDuring { actor, of } => during(intervals, budgets_us, actor, of),
        Precondition::Left { actor } => match entered(intervals, actor)? {
            (ActorInterval { left: Some(_), .. }, _) => Ok(()),
            (_, from) => Err(format!("{actor} never left its critical section (inside from {} us on)", from.us)),
        },
        Precondition::NeverLeft { actor } => match entered(intervals, actor)? {
            (ActorInterval { left: None, .. }, _) => Ok(()),
            (ActorInterval { left: Some(to), .. }, from) => {
                Err(format!("{actor} left at {} us (inside from {} us on)", to.us, from.us))
            }
        },
        Precondition::Apart { actor, from, at_most } => check_distance(intervals, actor, from, *at_most),
    })?;
    let budget_us = |interval: &ActorInterval| budgets_us.get(&interval.actor).copied().unwrap_or(0);
    intervals.iter().try_for_each(|interval| in_time(interval, budget_us(interval), held_us))
}

fn check_distance(intervals: &[ActorInterval], actor: &str, from: &str, at_most: Duration) -> Result<(), String> {
    let (_, one) = entered(intervals, actor)?;
    let (_, other) = entered(intervals, from)?;
    let apart = one.us.abs_diff(other.us);
    if u128::from(apart) <= at_most.as_micros() {
        return Ok(());
    }
    Err(format!("{actor} entered at {} us and {from} at {} us, {apart} us apart", one.us, other.us))
}

/// That an actor did not leave before it had spent its time, nor when that was long over: then it was not the guest that
/// decided how long the section lasted. A turn of a microsecond may last several times as long on an emulated CPU.
fn in_time(interval: &ActorInterval, budget_us: u64, held_us: u64) -> Result<(), String> {
    let ActorInterval { actor, entered: Some(from), left: Some(to), spent_us, .. } = interval else { return Ok(()) };
    if budget_us == 0 || budget_us == u64::MAX {
        return Ok(());
    }
    if let Some(spent) = spent_us.filter(|spent| *spent < budget_us) {
        return Err(format!("{actor} left early, at {} us, when it had spent {spent} us of {budget_us} us", to.us));
    }
    let inside = to.us.saturating_sub(from.us);
    let longest = budget_us.saturating_mul(LATE_FACTOR).saturating_add(LATE_US).saturating_add(held_us);
    if inside > longest {
        return Err(format!("{actor} left late, at {} us, {inside} us after it had entered for {budget_us} us", to.us));
    }
    Ok(())
}

fn during(
    intervals: &[ActorInterval],
    budgets_us: &BTreeMap<String, u64>,
    actor: &str,
    of: &str,
) -> Result<(), String> {
    let (_, at) = entered(intervals, actor)?;
    let (section, from) = entered(intervals, of)?;
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

/// The actor's interval and when it entered.
fn entered<'a>(intervals: &'a [ActorInterval], actor: &str) -> Result<(&'a ActorInterval, TrialTime), String> {
    let Some(found) = intervals.iter().find(|s| s.actor == actor) else {
        let known: Vec<_> = intervals.iter().map(|s| s.actor.as_str()).collect();
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
