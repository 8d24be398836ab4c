//! Records of trials.

use std::collections::BTreeMap;

use harness_model::{
    ActorStamps, CellKey, Channel, ChannelOutcome, ChannelVerdict, KeptLines, ParamValue, Params, TrialOutcome,
    TrialRecord,
};

/// `hold=300ms post_notifiers=1` as parameters.
pub fn params(text: &str) -> Params {
    text.split_whitespace()
        .map(|assignment| {
            let (name, value) = assignment.split_once('=').unwrap();
            let value = value.parse().map_or_else(|_| ParamValue::Text(value.to_owned()), ParamValue::Number);
            (name.to_owned(), value)
        })
        .collect()
}

/// A cell on base 6.12.
pub fn key(variant: &str, scenario: &str, point: &str) -> CellKey {
    CellKey {
        variant: variant.to_owned(),
        base: "6.12".to_owned(),
        scenario: scenario.to_owned(),
        params: params(point),
    }
}

/// A counted trial's outcome.
pub fn counted(console: ChannelOutcome, pstore: ChannelOutcome) -> TrialOutcome {
    let verdict = |outcome| {
        ChannelVerdict::new(
            outcome,
            if outcome == ChannelOutcome::Lost { 0 } else { 32 },
            32,
            if outcome == ChannelOutcome::Saved { String::new() } else { "the panic's own line is missing".into() },
        )
    };
    let channels = BTreeMap::from([(Channel::Console, verdict(console)), (Channel::Pstore, verdict(pstore))]);
    TrialOutcome::Counted { hung: false, channels }
}

/// An outcome, where each channel of the log kept `lines` lines of `of`.
pub fn kept(outcome: TrialOutcome, lines: u32, of: u32) -> TrialOutcome {
    let TrialOutcome::Counted { hung, mut channels } = outcome else { return outcome };
    for verdict in channels.values_mut() {
        verdict.log = Some(KeptLines { lines, of, first_lost: (lines < of).then(|| "[    5.123456] lost".to_owned()) });
    }
    TrialOutcome::Counted { hung, channels }
}

/// An outcome with the order judged as well: one that is broken has a detail of several lines.
pub fn ordered(outcome: TrialOutcome, order: ChannelOutcome) -> TrialOutcome {
    let TrialOutcome::Counted { hung, mut channels } = outcome else { return outcome };
    let broken: Vec<String> = match order {
        ChannelOutcome::Kept => Vec::new(),
        _ => vec!["all other CPUs stopped before kmsg_dump".into()],
    };
    let detail = match broken.as_slice() {
        [] => String::new(),
        broken => format!("{}: not stopped by then: CPU 1\n  2.718 ms CPU 0: kmsg_dump", broken.concat()),
    };
    let witnesses = if broken.is_empty() { 2 } else { 1 };
    channels.insert(Channel::Order, ChannelVerdict { outcome: order, witnesses, of: 2, detail, broken, log: None });
    TrialOutcome::Counted { hung, channels }
}

/// A trial of a cell.
pub fn trial(index: u64, cell: &CellKey, outcome: TrialOutcome) -> TrialRecord {
    let (nonce, started) = (format!("{index:016x}"), "2026-11-22T05:06:07.000Z".to_owned());
    TrialRecord {
        wall_ms: 140,
        host_wait_percent: Some(3),
        stamps: vec![ActorStamps { actor: "victim".into(), cpu: 1, entered_us: Some(12), left_us: None }],
        ..TrialRecord::new(index, cell.clone(), u64::MAX - index, nonce, started, outcome)
    }
}
