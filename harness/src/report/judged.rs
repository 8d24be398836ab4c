//! What of a run's expectations a person is told.

use std::fmt::Write as _;

use std::collections::BTreeSet;

use crate::known::{Entry, Known, Left, Recognised};
use crate::model::{CellKey, Channel};
use crate::results::{Judged, Judgement};
use crate::text::plural;

/// A line for each that was refuted, and one for an order that was asserted and could not be seen.
pub fn judged_text(judged: &[Judged], known: Option<&Recognised>) -> String {
    let mut lines = Vec::new();
    let mut unseen = Vec::new();
    for Judged { cell, expectation, judgement } in judged {
        match judgement {
            Judgement::Failed(why) => {
                let known = known.and_then(|known| known.of(cell, expectation.channel));
                lines.push(match known {
                    None => format!("failed: {cell}: {why}\n"),
                    Some((Known::As(_), entry)) => format!("known: {cell}: {why} ({})\n", entry.link),
                    Some((Known::Worse(_), entry)) => format!("worse than known: {cell}: {why} ({})\n", entry.link),
                    Some((Known::Expired(_), entry)) => format!("known no more: {cell}: {why} ({})\n", entry.link),
                });
            }
            Judgement::Unknown(why) if expectation.channel == Channel::Order => unseen.push(why),
            Judgement::Unknown(_) | Judgement::Met => {}
        }
    }
    if let Some(first) = unseen.first() {
        lines.push(format!("order: not judged in {} cells, of the first: {first}\n", unseen.len()));
    }
    lines.concat()
}

/// `2 new failures, 5 known (the oldest for 88 days)`, and what is to be said of the list.
pub fn known_text(judged: &[Judged], known: &Recognised) -> String {
    let failed: BTreeSet<(&CellKey, Channel)> = judged
        .iter()
        .filter(|judged| matches!(judged.judgement, Judgement::Failed(_)))
        .map(|judged| (&judged.cell, judged.expectation.channel))
        .collect();
    let excused: Vec<usize> = known.findings.excused().collect();
    let since = excused.iter().filter_map(|&place| Some(known.list.entries.get(place)?.since)).min();
    let oldest = known.findings.day.zip(since).map(|(day, since)| (day - since).num_days()).filter(|days| *days > 0);
    let oldest = oldest.map_or_else(String::new, |days| format!(" (the oldest for {days} days)"));
    let new = plural(failed.len() - excused.len(), "new failure");
    let mut text = format!("{new}, {} known{oldest}\n", excused.len());
    for (place, left) in &known.findings.left {
        let Some(entry) = known.list.entries.get(*place) else { continue };
        let said = match left {
            Left::Passes => "passes: remove it?",
            Left::FitsNothing => "fits no cell of this run",
            Left::NothingExpected => "fits only cells of which nothing is expected of that channel",
            Left::Expired => "is past its last day",
        };
        let Entry { scenario, variant, channel, link, .. } = entry;
        // Writing to a string does not fail.
        let _ = writeln!(text, "known failure {scenario} {variant} {channel} ({link}) {said}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelOutcome, Expectation, Params};

    #[test]
    fn what_was_refuted_is_told_and_that_an_order_was_not_seen() {
        let judged = |channel, judgement| Judged {
            cell: CellKey {
                variant: "stock".to_owned(),
                base: "6.12".to_owned(),
                scenario: "panic-alone".to_owned(),
                params: Params::new(),
            },
            expectation: Expectation { channel, outcome: ChannelOutcome::Saved, at_least: 0.9 },
            judgement,
        };
        let unseen = || judged(Channel::Order, Judgement::Unknown("not seen".to_owned()));
        let all = [
            judged(Channel::Console, Judgement::Met),
            unseen(),
            judged(Channel::Pstore, Judgement::Failed("pstore saved in 0 of 9".to_owned())),
            judged(Channel::Kdump, Judgement::Unknown("no trial was run".to_owned())),
            unseen(),
        ];
        insta::assert_snapshot!(judged_text(&all, None), @"
        failed: stock@6.12 panic-alone: pstore saved in 0 of 9
        order: not judged in 2 cells, of the first: not seen
        ");
    }
}
