use std::time::{Duration, UNIX_EPOCH};

use insta::assert_snapshot;

use super::*;

mod open;
mod order;
mod simulation;

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
fn many_decide_and_few_do_not() {
    assert_eq!(verdicts(&[(2000, 2000)], &[(2000, 2000)]), [Verdict::Same]);
    assert_eq!(verdicts(&[(1000, 2000)], &[(1000, 2000)]), [Verdict::Same]);
    // Both saved all: it takes 36 trials a side to exclude a difference of 10 %.
    assert_eq!(verdicts(&[(36, 36)], &[(36, 36)]), [Verdict::Same]);
    assert_eq!(verdicts(&[(35, 35)], &[(35, 35)]), [Verdict::Undecided]);
    assert_eq!(verdicts(&[(2, 2)], &[(0, 2)]), [Verdict::Undecided]);
    assert_eq!(verdicts(&[(3, 3)], &[(0, 3)]), [Verdict::Regressed]);
}

/// 17 of 20 against 10 of 20 has p = 0.0196: found alone, not among nine equal cells.
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
    assert_eq!(verdict(Options { alpha: 0.005, ..Options::default() }), Verdict::Undecided);
    assert_eq!(verdict(Options { alpha: 0.005, margin: 0.6, ..Options::default() }), Verdict::Same);
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
    assert_snapshot!(serde_json::to_string_pretty(&rounded(&comparison)).unwrap(), @r#"
    {
      "cells": [
        {
          "base": {
            "ci95": [
              0.838875,
              1.0
            ],
            "n": 20,
            "saved": 20
          },
          "candidate": {
            "ci95": [
              0.838875,
              1.0
            ],
            "n": 20,
            "saved": 20
          },
          "channel": "console",
          "difference": 0.0,
          "difference_ci95": [
            -0.164577,
            0.164577
          ],
          "p_adjusted": 1.0,
          "p_value": 1.0,
          "params": {},
          "scenario": "panic-alone",
          "trials_to_decide": 36,
          "verdict": "undecided"
        },
        {
          "base": {
            "ci95": [
              0.838875,
              1.0
            ],
            "n": 20,
            "saved": 20
          },
          "candidate": {
            "ci95": [
              0.0,
              0.161125
            ],
            "n": 20,
            "saved": 0
          },
          "channel": "pstore",
          "difference": -1.0,
          "difference_ci95": [
            -1.0,
            -0.820666
          ],
          "p_adjusted": 3.63798e-12,
          "p_value": 1.81899e-12,
          "params": {},
          "scenario": "panic-alone",
          "trials_to_decide": null,
          "verdict": "regressed"
        }
      ],
      "evidence": "fixed",
      "only_in_base": [
        {
          "params": {
            "hold": "1500ms",
            "post_notifiers": 0
          },
          "scenario": "panic-during-oops-dump"
        }
      ],
      "only_in_candidate": [
        {
          "params": {
            "hold": "300ms",
            "post_notifiers": 0
          },
          "scenario": "panic-during-oops-dump"
        }
      ]
    }
    "#);

    let unread = compare(&column(&[(0, 0)]), &column(&[(20, 20)]), Options::default()).unwrap();
    assert!(!unread.regressed());
    assert_snapshot!(rounded(&unread.cells[1]), @r#"{"base":{"ci95":[0.0,1.0],"n":0,"saved":0},"candidate":{"ci95":[0.838875,1.0],"n":20,"saved":20},"channel":"pstore","difference":null,"difference_ci95":[-1.0,1.0],"p_adjusted":1.0,"p_value":1.0,"params":{"hold":0},"scenario":"panic-during-oops-dump","trials_to_decide":null,"verdict":"undecided"}"#);

    let options = Options { evidence: Evidence::Sequential, ..Options::default() };
    let sequential = compare(&column(&[(20, 20)]), &column(&[(20, 20)]), options).unwrap();
    assert_eq!(rounded(&sequential)["evidence"], "sequential");
    assert_snapshot!(rounded(&sequential.cells[1]), @r#"{"base":{"ci95":[0.812276,1.0],"n":20,"saved":20},"candidate":{"ci95":[0.812276,1.0],"n":20,"saved":20},"channel":"pstore","difference":0.0,"difference_ci95":[-0.233593,0.233593],"p_adjusted":1.0,"p_value":1.0,"params":{"hold":0},"scenario":"panic-during-oops-dump","trials_to_decide":52,"verdict":"undecided"}"#);
}

/// As JSON, to six significant digits: the last ones are the host's libm's.
fn rounded(value: &impl serde::Serialize) -> serde_json::Value {
    fn round(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Number(number) if number.is_f64() => {
                let short = format!("{:.5e}", number.as_f64().unwrap());
                *value = serde_json::json!(short.parse::<f64>().unwrap());
            }
            serde_json::Value::Array(values) => values.iter_mut().for_each(round),
            serde_json::Value::Object(fields) => fields.values_mut().for_each(round),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(value).unwrap();
    round(&mut value);
    value
}

/// What `trials_to_decide` says of one pair alone.
fn needed(base: (u32, u32), candidate: (u32, u32), evidence: Evidence) -> Option<u32> {
    let options = Options { evidence, ..Options::default() };
    let comparison = compare(&column(&[base]), &column(&[candidate]), options).unwrap();
    comparison.cells[1].trials_to_decide
}

#[test]
fn so_many_trials_would_decide() {
    use Evidence::{Fixed, Sequential};
    // All and all: where the interval first lies within the margin.
    assert_eq!(needed((20, 20), (20, 20), Fixed), Some(36));
    assert_eq!(needed((20, 20), (20, 20), Sequential), Some(52));
    // All and none: where the test first finds it.
    assert_eq!(needed((1, 1), (0, 1), Fixed), Some(3));
    assert_eq!(needed((1, 1), (0, 1), Sequential), Some(4));
    // Decided, or nothing counted: nothing to say.
    assert_eq!(needed((36, 36), (36, 36), Fixed), None);
    assert_eq!(needed((0, 0), (20, 20), Fixed), None);
    // Just at the margin neither a difference nor its absence would be quick to show, but a difference of 10 % is one.
    assert!(needed((20, 20), (18, 20), Fixed).unwrap() < 100);
    // Two shares that are the same to all appearance, but half of each.
    assert!(needed((10, 20), (10, 20), Fixed).unwrap() > 100);
}

/// With that many trials of the same shares there is a verdict, and with a fifth fewer there is none. (In between, whole
/// trials make shares that lie a little to one side or the other.)
#[test]
fn the_trials_asked_for_do_decide() {
    for (base, candidate) in [((17, 20), (14, 20)), ((10, 20), (6, 20)), ((20, 20), (19, 20)), ((10, 20), (10, 20))] {
        for evidence in [Evidence::Fixed, Evidence::Sequential] {
            let n = needed(base, candidate, evidence).unwrap();
            let verdict = |n: u32| {
                let scaled = |(saved, of): (u32, u32)| ((saved * n + of / 2) / of, n);
                let options = Options { evidence, ..Options::default() };
                compare(&column(&[scaled(base)]), &column(&[scaled(candidate)]), options).unwrap().cells[1].verdict
            };
            assert_ne!(verdict(n), Verdict::Undecided, "{base:?} {candidate:?} {evidence:?} {n}");
            assert_eq!(verdict(n - n / 5 - 1), Verdict::Undecided, "{base:?} {candidate:?} {evidence:?} {n}");
        }
    }
}

/// One difference among many tests takes more trials than alone.
#[test]
fn other_cells_make_it_take_longer() {
    let options = Options::default();
    let alone = compare(&column(&[(2, 2)]), &column(&[(0, 2)]), options).unwrap();
    let base = [&[(2, 2)], [(20, 20); 29].as_slice()].concat();
    let candidate = [&[(0, 2)], [(20, 20); 29].as_slice()].concat();
    let among = compare(&column(&base), &column(&candidate), options).unwrap();
    let needed = |comparison: &Comparison| comparison.cells[1].trials_to_decide.unwrap();
    assert_eq!((needed(&alone), needed(&among)), (3, 6));
}

/// The verdict asks whether the margin's ends are left out, not where the interval ends; both say the same.
#[test]
fn same_is_when_the_interval_lies_within_the_margin() {
    for evidence in [Evidence::Fixed, Evidence::Sequential] {
        let options = Options { margin: 0.3, evidence, ..Options::default() };
        for n in [5, 20, 40] {
            let tables: Vec<_> = (0..=n).flat_map(|a| (0..=n).map(move |b| ((a, n), (b, n)))).collect();
            let (base, candidate): (Vec<_>, Vec<_>) = tables.into_iter().unzip();
            for cell in compare(&column(&base), &column(&candidate), options).unwrap().cells {
                let within = cell.difference_ci95.lo > -0.3 && cell.difference_ci95.hi < 0.3;
                let found = matches!(cell.verdict, Verdict::Regressed | Verdict::Improved);
                assert_eq!(cell.verdict == Verdict::Same, within && !found, "{cell:?}");
            }
        }
    }
}

#[test]
fn looking_often_has_its_price() {
    let options = Options { evidence: Evidence::Sequential, ..Options::default() };
    let verdict = |base, candidate| compare(&column(&[base]), &column(&[candidate]), options).unwrap().cells[1].verdict;
    assert_eq!(verdict((4, 4), (0, 4)), Verdict::Regressed);
    assert_eq!(verdict((3, 3), (0, 3)), Verdict::Undecided);
    assert_eq!(verdict((20, 20), (14, 20)), Verdict::Undecided);
    assert_eq!(verdict((52, 52), (52, 52)), Verdict::Same);
    assert_eq!(verdict((51, 51), (51, 51)), Verdict::Undecided);
    assert_eq!(verdict((1000, 2000), (900, 2000)), Verdict::Undecided);
    assert_eq!(verdict((1000, 2000), (800, 2000)), Verdict::Regressed);
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
        log.append_blocking(&trial(index, &key, counted(Saved, Lost))).unwrap();
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
    assert_eq!((column.run.id(), column.variant.as_str(), column.cells.len()), (new.as_str(), "early", 1));
    assert_eq!(load(&old).unwrap().variant, "stock");
    assert_eq!(load(&format!("{old}:stock")).unwrap().to_string(), format!("stock@6.12 of {old}"));
    assert_eq!(load("late@6.1").unwrap().base, "6.1");
    assert_eq!(load(&format!("{}/{old}:stock", results.display())).unwrap().run.id(), old);
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
    assert_snapshot!(error("latest"), @"
    cannot choose a variant: run NEW has early@6.12, late@6.12, late@6.1
    hint: name one, e.g. NEW:early@6.12
    ");
    assert_snapshot!(error("late"), @"
    cannot choose a variant: run NEW has late@6.12, late@6.1
    hint: name one, e.g. NEW:late@6.12
    ");
    assert_snapshot!(error("stock"), @"
    run NEW has no variant stock; it has early@6.12, late@6.12, late@6.1
    hint: run OLD has it: OLD:stock
    ");
    assert_snapshot!(error("stok"), @"
    run NEW has no variant stok; it has early@6.12, late@6.12, late@6.1
    hint:
    ");
    assert_snapshot!(error("nothing:stock"), @"
    there is no run nothing in RESULTS
    hint: the newest there: NEW, OLD
    ");
    run(results, 2, &[]);
    assert_snapshot!(error("latest").replace(&Run::find(results, "latest").unwrap().id().to_owned(), "EMPTY"), @"
    run EMPTY has no trials to compare
    hint:
    ");
}
