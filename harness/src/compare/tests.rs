use std::time::{Duration, UNIX_EPOCH};

use insta::assert_snapshot;

use super::*;
use crate::model::ChannelOutcome::{Lost, Saved};
use crate::results::sample::{cell, counted, key, trial};
use crate::results::{CellSummary, Run};

const SCENARIO: &str = "panic-during-oops-dump";

/// One cell a pair of shares: `(saved, n)` in pstore; the console has no trials.
fn column(shares: &[(u32, u32)]) -> Vec<CellSummary> {
    (0..).zip(shares).map(|(hold, share)| cell(key("any", SCENARIO, &format!("hold={hold}")), (0, 0), *share)).collect()
}

/// The verdicts on pstore.
fn verdicts(base: &[(u32, u32)], candidate: &[(u32, u32)]) -> Vec<Verdict> {
    let comparison = compare(&column(base), &column(candidate), Options::default()).unwrap();
    comparison.cells.iter().filter(|c| c.channel == crate::model::Channel::Pstore).map(|c| c.verdict).collect()
}

#[test]
fn a_clear_regression_and_its_mirror() {
    assert_eq!(verdicts(&[(20, 20)], &[(0, 20)]), [Verdict::Regressed]);
    assert_eq!(verdicts(&[(0, 20)], &[(20, 20)]), [Verdict::Improved]);
}

#[test]
fn equal_and_many_are_the_same_equal_and_few_are_undecided() {
    assert_eq!(verdicts(&[(2000, 2000)], &[(2000, 2000)]), [Verdict::Same]);
    assert_eq!(verdicts(&[(1000, 2000)], &[(1000, 2000)]), [Verdict::Same]);
    // Both saved all: it takes 35 trials a side to exclude a difference of 10 %.
    assert_eq!(verdicts(&[(35, 35)], &[(35, 35)]), [Verdict::Same]);
    assert_eq!(verdicts(&[(34, 34)], &[(34, 34)]), [Verdict::Undecided]);
    assert_eq!(verdicts(&[(3, 3)], &[(0, 3)]), [Verdict::Undecided]);
}

/// 17 of 20 against 10 of 20 has p = 0.0407: found alone, not among nine equal cells.
#[test]
fn one_difference_among_many_tests_needs_more() {
    assert_eq!(verdicts(&[(17, 20)], &[(10, 20)]), [Verdict::Regressed]);
    let base = [&[(17, 20)], [(20, 20); 9].as_slice()].concat();
    let candidate = [&[(10, 20)], [(20, 20); 9].as_slice()].concat();
    assert!(verdicts(&base, &candidate).iter().all(|&verdict| verdict == Verdict::Undecided));
    // Cells in which nothing counted were not tested, and take nothing from it.
    let base = [&[(17, 20)], [(0, 0); 9].as_slice()].concat();
    let candidate = [&[(10, 20)], [(20, 20); 9].as_slice()].concat();
    assert_eq!(verdicts(&base, &candidate)[0], Verdict::Regressed);
}

#[test]
fn a_small_difference_that_is_certain_is_still_one() {
    assert_eq!(verdicts(&[(2000, 2000)], &[(1960, 2000)]), [Verdict::Regressed]);
}

#[test]
fn the_options_decide() {
    let verdict = |options| {
        let comparison = compare(&column(&[(20, 20)]), &column(&[(14, 20)]), options).unwrap();
        comparison.cells[1].verdict
    };
    assert_eq!(verdict(Options::default()), Verdict::Regressed);
    assert_eq!(verdict(Options { alpha: 0.01, ..Options::default() }), Verdict::Undecided);
    assert_eq!(verdict(Options { alpha: 0.01, margin: 0.6 }), Verdict::Same);
}

#[test]
fn the_json_has_its_documented_form() {
    let base = [
        cell(key("stock", "panic-alone", ""), (20, 20), (20, 20)),
        cell(key("stock", SCENARIO, "hold=1500ms post_notifiers=0"), (20, 20), (0, 0)),
    ];
    let candidate = [
        cell(key("patched", SCENARIO, "hold=300ms post_notifiers=0"), (20, 20), (0, 20)),
        cell(key("patched", "panic-alone", ""), (20, 20), (0, 20)),
    ];
    let comparison = compare(&base, &candidate, Options::default()).unwrap();
    assert!(comparison.regressed());
    assert_snapshot!(serde_json::to_string_pretty(&comparison).unwrap(), @r#"
    {
      "cells": [
        {
          "scenario": "panic-alone",
          "params": {},
          "channel": "console",
          "base": {
            "n": 20,
            "saved": 20,
            "ci95": [
              0.8388748419471806,
              1.0
            ]
          },
          "candidate": {
            "n": 20,
            "saved": 20,
            "ci95": [
              0.8388748419471806,
              1.0
            ]
          },
          "difference": 0.0,
          "p_value": 1.0,
          "verdict": "undecided"
        },
        {
          "scenario": "panic-alone",
          "params": {},
          "channel": "pstore",
          "base": {
            "n": 20,
            "saved": 20,
            "ci95": [
              0.8388748419471806,
              1.0
            ]
          },
          "candidate": {
            "n": 20,
            "saved": 0,
            "ci95": [
              0.0,
              0.16112515805281938
            ]
          },
          "difference": -1.0,
          "p_value": 2.901777820769937e-11,
          "verdict": "regressed"
        }
      ],
      "only_in_base": [
        {
          "scenario": "panic-during-oops-dump",
          "params": {
            "hold": "1500ms",
            "post_notifiers": 0
          }
        }
      ],
      "only_in_candidate": [
        {
          "scenario": "panic-during-oops-dump",
          "params": {
            "hold": "300ms",
            "post_notifiers": 0
          }
        }
      ]
    }
    "#);

    let unread = compare(&column(&[(0, 0)]), &column(&[(20, 20)]), Options::default()).unwrap();
    assert!(!unread.regressed());
    assert_snapshot!(serde_json::to_string(&unread.cells[1]).unwrap(), @r#"{"scenario":"panic-during-oops-dump","params":{"hold":0},"channel":"pstore","base":{"n":0,"saved":0,"ci95":[0.0,1.0]},"candidate":{"n":20,"saved":20,"ci95":[0.8388748419471806,1.0]},"difference":null,"p_value":1.0,"verdict":"undecided"}"#);
}

#[test]
fn a_point_that_stands_twice_is_not_chosen_silently() {
    let once = column(&[(20, 20)]);
    let twice = [once.clone(), once.clone()].concat();
    for (base, candidate) in [(&once, &twice), (&twice, &once)] {
        let error = compare(base, candidate, Options::default()).unwrap_err();
        assert_eq!(error.to_string(), "cannot compare: panic-during-oops-dump hold=0 stands twice on one side");
    }
}

#[test]
fn sides_are_read_by_their_form() {
    let read = |text| {
        let side = Side::parse(text).unwrap();
        format!("{side:?}").replace("Some(", "").replace(')', "")
    };
    assert_snapshot!(read("stock"), @r#"Side { run: None, variant: "stock" }"#);
    assert_snapshot!(read("stock@6.12"), @r#"Side { run: None, variant: "stock@6.12" }"#);
    assert_snapshot!(read("latest"), @r#"Side { run: "latest", variant: None }"#);
    assert_snapshot!(read("20261122-050607-00ab"), @r#"Side { run: "20261122-050607-00ab", variant: None }"#);
    assert_snapshot!(read("20261122-050607-00ab:stock"), @r#"Side { run: "20261122-050607-00ab", variant: "stock" }"#);
    assert_snapshot!(read("baseline:stock@6.12"), @r#"Side { run: "baseline", variant: "stock@6.12" }"#);
    assert_snapshot!(read("results/20261122-050607-00ab"), @r#"Side { run: "results/20261122-050607-00ab", variant: None }"#);
    assert_snapshot!(read("results/a:b/c"), @r#"Side { run: "results/a:b/c", variant: None }"#);
    assert_snapshot!(read("results/a:b/c:stock"), @r#"Side { run: "results/a:b/c", variant: "stock" }"#);
    for text in ["", ":", "stock:", ":stock"] {
        let error = Side::parse(text).unwrap_err();
        assert!(matches!(error, Error::Malformed { .. }), "{text}");
        assert!(error.hint().is_some());
    }
}

/// A run of these variants, `seconds` after the first; its id.
fn run(results: &std::path::Path, seconds: u64, variants: &[(&str, &str)]) -> String {
    let began = UNIX_EPOCH + Duration::from_secs(1_795_323_967 + seconds);
    let run = Run::create(results, began).unwrap();
    let log = run.log().unwrap();
    for (index, (variant, base)) in (0..).zip(variants) {
        let mut key = key(variant, "panic-alone", "");
        (*base).clone_into(&mut key.base);
        log.append(&trial(index, &key, counted(Saved, Lost))).unwrap();
    }
    run.id().to_owned()
}

#[test]
fn a_side_is_one_variant_of_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path();
    let load = |text: &str| Side::parse(text).unwrap().load(results);
    let old = run(results, 0, &[("stock", "6.12")]);
    let new = run(results, 1, &[("early", "6.12"), ("late", "6.12"), ("late", "6.1"), ("early", "6.12")][..3]);

    let column = load("early").unwrap();
    assert_eq!((column.run_id.as_str(), column.variant.as_str(), column.cells.len()), (new.as_str(), "early", 1));
    assert_eq!(load(&old).unwrap().variant, "stock");
    assert_eq!(load(&format!("{old}:stock")).unwrap().to_string(), format!("stock@6.12 of {old}"));
    assert_eq!(load("late@6.1").unwrap().base, "6.1");
    assert_eq!(load(&format!("{}/{old}:stock", results.display())).unwrap().run_id, old);
}

#[test]
fn a_side_that_is_none_or_several_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path();
    let old = run(results, 0, &[("stock", "6.12")]);
    let new = run(results, 1, &[("early", "6.12"), ("late", "6.12"), ("late", "6.1")]);
    let error = |text: &str| {
        let error = Side::parse(text).unwrap().load(results).unwrap_err();
        format!("{error}\nhint: {}", error.hint().unwrap_or_default())
            .replace(&old, "OLD")
            .replace(&new, "NEW")
            .replace(&*results.to_string_lossy(), "RESULTS")
    };
    assert_snapshot!(error("latest"), @r"
    cannot choose a variant: run NEW has early@6.12, late@6.12, late@6.1
    hint: name one, e.g. NEW:early@6.12
    ");
    assert_snapshot!(error("late"), @r"
    cannot choose a variant: run NEW has late@6.12, late@6.1
    hint: name one, e.g. NEW:late@6.12
    ");
    assert_snapshot!(error("stock"), @r"
    run NEW has no variant stock; it has early@6.12, late@6.12, late@6.1
    hint: run OLD has it: OLD:stock
    ");
    assert_snapshot!(error("stok"), @r"
    run NEW has no variant stok; it has early@6.12, late@6.12, late@6.1
    hint:
    ");
    assert_snapshot!(error("nothing:stock"), @r"
    there is no run nothing in RESULTS
    hint: the newest there: NEW, OLD
    ");
    run(results, 2, &[]);
    assert_snapshot!(error("latest").replace(&Run::find(results, "latest").unwrap().id().to_owned(), "EMPTY"), @r"
    run EMPTY has no trials to compare
    hint:
    ");
}
