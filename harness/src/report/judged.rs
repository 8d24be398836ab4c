//! What of a run's expectations a person is told.

use crate::model::Channel;
use crate::results::{Judged, Judgement};

/// A line for each that was refuted, and one for an order that was asserted and could not be seen.
pub fn judged_text(judged: &[Judged]) -> String {
    let mut lines = Vec::new();
    let mut unseen = Vec::new();
    for Judged { cell, expectation, judgement } in judged {
        match judgement {
            Judgement::Failed(why) => lines.push(format!("failed: {cell}: {why}\n")),
            Judgement::Unknown(why) if expectation.channel == Channel::Order => unseen.push(why),
            Judgement::Unknown(_) | Judgement::Met => {}
        }
    }
    if let Some(first) = unseen.first() {
        lines.push(format!("order: not judged in {} cells, of the first: {first}\n", unseen.len()));
    }
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CellKey, ChannelOutcome, Expectation, Params};

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
        insta::assert_snapshot!(judged_text(&all), @"
        failed: stock@6.12 panic-alone: pstore saved in 0 of 9
        order: not judged in 2 cells, of the first: not seen
        ");
    }
}
