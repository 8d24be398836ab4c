//! The order in tables and in the `JUnit` report.

use std::collections::BTreeMap;

use insta::assert_snapshot;

use super::{TEXT, report_of, widest, xmllint};
use crate::compare::{Options, compare};
use crate::model::Channel;
use crate::model::ChannelOutcome::{Broken, Kept, NotEntered, Saved};
use crate::report::{Format, compare_table, summary_table, variant_table};
use crate::results::sample::{cell, cell_with_order, counted, expect, info, key, ordered, trial};
use crate::results::{CellSummary, Counts, PlannedCell, Summary};

/// A cell of `variant` whose log was saved.
fn saved(variant: &str, scenario: &str) -> CellSummary {
    cell(key(variant, scenario, ""), (10, 10), (10, 10))
}

#[test]
fn a_channel_that_guests_do_not_have_is_not_one_of_which_nothing_counted() {
    let with_kdump = |mut cell: CellSummary| {
        cell.channels.insert(Channel::Kdump, Counts::new([(NotEntered, 10)]).unwrap());
        cell
    };
    let mut missed = saved("stock", "c");
    (missed.missed, missed.channels) = (10, BTreeMap::new());
    let cells = vec![with_kdump(saved("stock", "a")), saved("stock", "b"), missed];
    let text = variant_table(&Summary { run_id: "x".into(), cells }, TEXT);
    let rows: Vec<&str> = text.split_once("\nkdump").unwrap().1.lines().skip(3).take(3).collect();
    assert_eq!(rows, ["a  not-entered 0/10", "b  not there", "c  none counted"]);
}

#[test]
fn a_table_of_the_order_where_it_was_judged() {
    let cells = vec![
        cell_with_order(saved("stock", "panic-alone"), (10, 10)),
        cell_with_order(saved("early", "panic-alone"), (0, 10)),
        cell_with_order(saved("stock", "oops-then-panic"), (7, 10)),
        saved("early", "oops-then-panic"),
    ];
    let summary = Summary { run_id: "x".into(), cells };
    let text = variant_table(&summary, TEXT);
    assert_snapshot!(text.split_once("\norder").unwrap().1, @"

                     stock       early
    ──────────────────────────────────────────
    panic-alone      kept 10/10  broken 0/10
    oops-then-panic  mixed 7/10  none counted

    Figures: trials in which everything was saved (order: kept), of those that counted.
    40 trials; not counted: 0 missed, 0 infra-error; hung: 0.
    ");
    let text = summary_table(&summary, TEXT);
    assert!(widest(&text) <= 120, "{text}");
    assert_snapshot!(text, @"
                     console              pstore               order                hung  missed  infra
    ────────────────────────────────────────────────────────────────────────────────────────────────────
    panic-alone
      stock          10/10 100% [72–100]  10/10 100% [72–100]  10/10 100% [72–100]     0       0      0
      early          10/10 100% [72–100]  10/10 100% [72–100]  0/10 0% [0–28]          0       0      0
    oops-then-panic
      stock          10/10 100% [72–100]  10/10 100% [72–100]  7/10 70% [40–89]        0       0      0
      early          10/10 100% [72–100]  10/10 100% [72–100]  none counted            0       0      0

    Figures: trials in which everything was saved (order: kept), of those that counted; share; its 95 % interval.
    40 trials; not counted: 0 missed, 0 infra-error; hung: 0.
    ");
    let without = Summary { run_id: "x".into(), cells: vec![saved("stock", "panic-alone")] };
    for format in [TEXT, Format::Markdown] {
        for text in [variant_table(&without, format), summary_table(&without, format)] {
            assert!(!text.contains("order"), "{text}");
        }
    }
}

#[test]
fn a_comparison_says_what_it_counts() {
    let base = [cell_with_order(saved("stock", "panic-alone"), (10, 10))];
    let candidate = [cell_with_order(saved("early", "panic-alone"), (0, 10))];
    let table = |candidate: &[CellSummary]| {
        let comparison = compare(&base, candidate, Options::default()).unwrap();
        compare_table(&comparison, "stock", "early", TEXT)
    };
    assert_snapshot!(table(&candidate), @"
    base: stock
    candidate: early

                 channel  base            candidate       difference, pp    p       verdict
    ───────────────────────────────────────────────────────────────────────────────────────────────
    panic-alone  console  10/10 [72–100]  10/10 [72–100]  +0 [-29, +29]     1.000   undecided (36)
    panic-alone  pstore   10/10 [72–100]  10/10 [72–100]  +0 [-29, +29]     1.000   undecided (36)
    panic-alone  order    10/10 [72–100]  0/10 [0–28]     -100 [-100, -66]  <0.001  regressed

    Saved (order: kept), of those that counted, with 95 % intervals; p: Boschloo's exact test, adjusted for all rows.
    undecided (n): n trials a side would decide it, if the shares stay what they are.
    1 regressed, 0 improved, 0 same, 2 undecided (more trials needed).
    ");
    assert!(table(&[saved("early", "panic-alone")]).contains("none counted"));
}

#[test]
fn junit_shows_how_an_order_was_broken() {
    let keys = [key("early", "panic-alone", ""), key("stock", "panic-alone", ""), key("stock", "unseen", "")];
    let log = || counted(Saved, Saved);
    let mut trials = Vec::new();
    for round in 0..10 {
        trials.push(trial(3 * round, &keys[0], ordered(log(), Broken)));
        trials.push(trial(3 * round + 1, &keys[1], ordered(log(), Kept)));
        trials.push(trial(3 * round + 2, &keys[2], log()));
    }
    let plan = |of_order: &[usize]| {
        let planned = keys.iter().enumerate().map(|(index, key)| PlannedCell {
            key: key.clone(),
            trials: 10,
            expect: if of_order.contains(&index) { vec![expect(Channel::Order, Kept)] } else { vec![] },
            skipped: None,
        });
        info(planned.collect())
    };
    let report = report_of(&plan(&[0, 1, 2]), &trials, b"the end\n");
    xmllint(&report).unwrap();
    let cases: Vec<&str> = report.split("<testcase ").filter(|case| case.starts_with("name=\"order\"")).collect();
    let [early, stock, unseen] = cases[..] else { panic!("{report}") };
    let case = |text: &str| text.split_once("</testcase>").unwrap().0.to_owned();
    assert_snapshot!(case(early), @r#"
    name="order" classname="panic-alone.early@6_12" time="0.000">
                <failure message="order kept in 0 of 10 (95 % CI 0–28 %), expected at least 90 %" type="expectation">order kept in 0 of 10 (95 % CI 0–28 %), expected at least 90 %

    harness trial panic-alone --variant early --base 6.12 --accel tcg --time real --seed 18446744073709551615

    all other CPUs stopped before kmsg_dump: not stopped by then: CPU 1
      2.718 ms CPU 0: kmsg_dump</failure>
                <system-out>order: 0 kept of 10 (95 % CI 0–28 %), 10 broken
    cell: 10 trials, 0 missed, 0 infra-error, 0 hung
    expected: order kept in at least 90 %
    first trial that was not kept: 0
      seed 18446744073709551615, nonce 0000000000000000: broken (1 of 2 assertions) all other CPUs stopped before kmsg_dump: not stopped by then: CPU 1
      the end of its console:
    the end

    </system-out>
    "#);
    assert_snapshot!(case(stock), @r#"
    name="order" classname="panic-alone.stock@6_12" time="0.000">
                <system-out>order: 10 kept of 10 (95 % CI 72–100 %), 0 broken
    cell: 10 trials, 0 missed, 0 infra-error, 0 hung
    expected: order kept in at least 90 %
    </system-out>
    "#);
    assert_snapshot!(case(unseen), @r#"
    name="order" classname="unseen.stock@6_12" time="0.000">
                <skipped message="not seen in 10 trials that counted: none of them has a timeline; trial 2: order not judged">not seen in 10 trials that counted: none of them has a timeline; trial 2: order not judged

    harness trial unseen --variant stock --base 6.12 --accel tcg --time real --seed 18446744073709551613
    </skipped>
                <system-out>order: 0 kept of 0 (95 % CI 0–100 %), 0 broken
    cell: 10 trials, 0 missed, 0 infra-error, 0 hung
    expected: order kept in at least 90 %
    first trial: 2
      seed 18446744073709551613, nonce 0000000000000002: order not judged
      the end of its console:
    the end

    </system-out>
    "#);

    // Nothing is expected: measured where it was judged, and left out where it was not.
    let measured = report_of(&plan(&[]), &trials, b"");
    assert_eq!((measured.matches("name=\"order\"").count(), measured.matches("<failure").count()), (2, 0));
}
