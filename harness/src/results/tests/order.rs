//! The order as a channel: counted where it was judged, and nowhere else.

use insta::assert_snapshot;

use super::super::sample::{counted, expect, key, ordered, trial};
use super::super::{Judgement, Summary, judge_cell};
use crate::model::Channel;
use crate::model::ChannelOutcome::{Broken, Kept, Saved, Unreadable};

/// One trial without the order, one that kept it, two that broke it.
fn summary() -> Summary {
    let cell = key("stock", "panic-alone", "");
    let saved = || counted(Saved, Saved);
    let outcomes = [saved(), ordered(saved(), Kept), ordered(saved(), Broken), ordered(saved(), Broken)];
    let trials: Vec<_> = (0..).zip(outcomes).map(|(index, outcome)| trial(index, &cell, outcome)).collect();
    Summary::from_trials("x", &trials)
}

#[test]
fn the_order_has_outcomes_of_its_own() {
    let summary = summary();
    let json = serde_json::to_value(&summary).unwrap();
    assert_snapshot!(json["cells"][0]["channels"]["order"], @r#"{"broken":2,"ci95":[0.061491944720396215,0.7923403991979523],"kept":1,"n":3}"#);
    assert_eq!(json["cells"][0]["channels"]["pstore"]["n"], 4);
    assert_eq!(serde_json::from_value::<Summary>(json).unwrap(), summary);
    assert_eq!(summary.channels(), [Channel::Console, Channel::Pstore, Channel::Order]);
    let order = summary.cells[0].channel(Channel::Order);
    assert_eq!((order.n(), order.of(Kept), order.of(Broken), order.good().hits()), (3, 1, 2, 1));
}

#[test]
fn what_the_next_boot_could_not_read_is_counted() {
    let cell = key("stock", "panic-alone", "");
    let trials = [trial(0, &cell, counted(Saved, Saved)), trial(1, &cell, counted(Saved, Unreadable))];
    let summary = Summary::from_trials("x", &trials);
    let json = serde_json::to_value(&summary).unwrap();
    let pstore = &json["cells"][0]["channels"]["pstore"];
    assert_eq!((&pstore["n"], &pstore["saved"], &pstore["unreadable"]), (&2.into(), &1.into(), &1.into()));
    assert!(json["cells"][0]["channels"]["console"].get("unreadable").is_none());
    assert_eq!(serde_json::from_value::<Summary>(json).unwrap(), summary);
}

#[test]
fn a_summary_without_the_order_is_what_it_was() {
    let cell = key("stock", "panic-alone", "");
    let summary = Summary::from_trials("x", &[trial(0, &cell, counted(Saved, Saved))]);
    let text = serde_json::to_string(&summary).unwrap();
    assert!(!text.contains("order") && !text.contains("kept"), "{text}");
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
    assert_eq!(summary.channels(), Channel::OF_LOG);
}

#[test]
fn counts_of_an_order_that_contradict_themselves_are_refused() {
    let text = serde_json::to_string(&summary()).unwrap();
    assert!(serde_json::from_str::<Summary>(&text).is_ok());
    for (from, to) in [("\"kept\":1", "\"kept\":2"), ("\"broken\":2,", "")] {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        assert!(serde_json::from_str::<Summary>(&text.replace(from, to)).is_err(), "{from} -> {to}");
    }
}

#[test]
fn an_order_that_is_expected_is_judged() {
    let summary = summary();
    assert_eq!(judge_cell(&summary.cells[0], &expect(Channel::Order, Broken)), Judgement::Met);
    let Judgement::Failed(text) = judge_cell(&summary.cells[0], &expect(Channel::Order, Kept)) else {
        panic!("one of three was kept");
    };
    assert_snapshot!(text, @"order kept in 1 of 3 (95 % CI 6–79 %), expected at least 90 %");
    let without = Summary::from_trials("x", &[trial(0, &key("stock", "panic-alone", ""), counted(Saved, Saved))]);
    let unknown = judge_cell(&without.cells[0], &expect(Channel::Order, Kept));
    assert_eq!(unknown, Judgement::Unknown("not seen in 1 trials that counted: none of them has a timeline".into()));
}
