//! What a search has found, for people.

use std::fmt::Write as _;

use super::findings::{Coverage, Difference, Findings, Forced};
use crate::model::schedule::HoldOutcome;
use crate::stats::percent;
use crate::text::{milliseconds, plural};

/// What was found on each kernel, and in which orders the first one loses the log and another one does not, or the other way
/// round.
pub fn findings_text(of: &[(String, Findings)], differences: &[(String, Vec<Difference>)]) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    for (name, findings) in of {
        let Findings { channel, as_it_comes, coverage, causes, deeper, .. } = findings;
        let _ = writeln!(text, "{name}: {channel}");
        let _ = writeln!(text, "  as it comes: lost in {} of {} trials", as_it_comes.lost, as_it_comes.kept);
        let _ = writeln!(text, "  {}", covered(coverage));
        if causes.is_empty() {
            let _ = writeln!(text, "  no order that was forced loses it");
        } else {
            let _ = writeln!(text, "  lost when, the smallest cause first:");
        }
        for (number, cause) in (1..).zip(causes) {
            let held = cause.smallest.held_ns / u64::from(cause.smallest.kept.max(1));
            let _ = writeln!(text, "  {number:2}. {}", cause.words);
            let _ = writeln!(
                text,
                "      {}, held for {} ms; with all {} of it: {}",
                share(&cause.smallest),
                milliseconds(held.cast_signed()),
                plural(cause.orders, "order"),
                share(&cause.all)
            );
        }
        for (schedule, forced) in deeper {
            let holds: Vec<String> = schedule.holds.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "  {}: {}", share(forced), holds.join("; then "));
        }
        text.push('\n');
    }
    for (words, differences) in differences.iter().filter(|(_, differences)| !differences.is_empty()) {
        let _ = writeln!(text, "{words}");
        for Difference { first, then, loses, saves } in differences {
            let _ = writeln!(text, "  {first} before {then}: {}; {}", share(loses), share(saves));
        }
        text.push('\n');
    }
    text
}

/// `lost in 5 of 5 trials [57–100 %]`
fn share(forced: &Forced) -> String {
    let interval = forced.ci95();
    let (lo, hi) = (percent(interval.lo), percent(interval.hi));
    let not_kept = forced.trials.saturating_sub(forced.kept);
    let not_kept = if not_kept > 0 { format!(", {not_kept} not kept") } else { String::new() };
    format!("lost in {} of {} trials [{lo}–{hi} %]{not_kept}", forced.lost, forced.kept)
}

fn covered(coverage: &Coverage) -> String {
    let Coverage { seen, forced, infeasible, left } = coverage;
    let why = |(why, times): (&HoldOutcome, &u32)| match why {
        // What the others did not come to while a CPU was held.
        HoldOutcome::Bound => format!("{times} need the CPU that is held"),
        other => format!("{times}: {}", other.words()),
    };
    let not: u32 = infeasible.values().sum();
    let why: Vec<String> = infeasible.iter().map(why).collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) };
    format!("{seen} pairs seen in one order: {forced} forced in the other, {not} cannot be{why}, {left} left")
}
