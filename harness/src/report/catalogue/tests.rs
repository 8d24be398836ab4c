use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::model::ParamValue;
use crate::results::sample::{cell, cell_with_order, info, key, skipped};
use crate::results::{CellSummary, RunInfo, Summary};
use crate::yaml::Source;

/// A scenario with this sweep and these expectations.
fn scenario(name: &str, params: &str, expect: &str) -> Scenario {
    let text = format!(
        "name: {name}\ntitle: a title\nwhy: |\n  One line.\n\n  - an item\nsource: somewhere\ntags: [a, b]\n\
         params: {params}\nknobs:\n  - sysctl: {{ name: kernel.x, value: $n }}\n\
         needs: {{ until: \"5.10\", functions: [panic], config: [CONFIG_X] }}\n\
         actors:\n  - panic: {{ name: panic, cpu: 0, at: $hold }}\nexpect: {expect}\n"
    );
    Scenario::parse(&Source::new(format!("{name}.yaml"), text)).unwrap_or_else(|e| panic!("{e}"))
}

fn sweep() -> Scenario {
    scenario(
        "sweep",
        "{ hold: [0ms, 1ms, 2ms], n: [0, 1] }",
        "[{ channel: console, outcome: saved }, { channel: pstore, outcome: saved, at-least: 0.5, where: { hold: [0ms, 2ms], n: [1] } }]",
    )
}

fn suite(name: &str, scenarios: &[&str]) -> ListedSuite {
    let scenarios = scenarios.iter().copied().map(str::to_owned).collect();
    ListedSuite { name: name.to_owned(), title: format!("what {name} | is for"), scenarios }
}

/// What a run of this name counted.
fn take(measured: &mut Measured, run: &str, cells: Vec<CellSummary>) -> usize {
    let info = RunInfo { run_id: run.to_owned(), ..info(vec![]) };
    measured.take(&info, &Summary { run_id: run.to_owned(), cells }, "6.12")
}

#[test]
fn each_scenario_stands_once_below_its_first_suite() {
    let alone = |name| scenario(name, "{ hold: [0ms], n: [1] }", "[]");
    let all = [alone("a"), alone("b"), alone("c"), sweep()];
    let text = catalogue(&all, &[suite("few", &["c", "a"]), suite("more", &["a", "sweep"])], &Measured::default());
    let titles: Vec<&str> = text.lines().filter(|line| line.starts_with('#') || line.starts_with("| `")).collect();
    assert_snapshot!(titles.join("\n"), @r"
    # Scenarios
    | `few` | what few \| is for | [c](#c), [a](#a) |
    | `more` | what more \| is for | [a](#a), [sweep](#sweep) |
    ## Suite few
    ### c
    ### a
    ## Suite more
    ### sweep
    ## In no suite
    ### b
    ");
    assert_snapshot!(text.split_once("### sweep\n\n").unwrap().1.split_once("\n## ").unwrap().0, @r"
    **a title**

    One line.

    - an item

    - source: somewhere
    - tags: `a`, `b`
    - suites: `more`
    - parameters: `hold` 0ms, 1ms, 2ms; `n` 0, 1
    - needs: Linux 5.10 or older; `panic()`; `CONFIG_X`
    - expected:
      - console saved in at least 90 %
      - pstore saved in at least 50 %, where `hold` is 0ms or 2ms and `n` is 1

    Not measured yet.
    ");
}

#[test]
fn figures_stand_beside_their_points() {
    let mut measured = Measured::default();
    let at = |point: &str| key("stock", "sweep", point);
    let cells = vec![
        cell_with_order(cell(at("hold=0ms n=0"), (10, 10), (3, 10)), (9, 10)),
        CellSummary { hung: 2, missed: 1, ..cell(at("hold=0ms n=1"), (10, 10), (0, 10)) },
        CellSummary { trials: 4, missed: 4, ..CellSummary::empty(at("hold=1ms n=0")) },
        skipped(at("hold=1ms n=1")),
        cell(key("patched", "sweep", "hold=2ms n=0"), (10, 10), (10, 10)),
    ];
    assert_eq!(take(&mut measured, "20261122-050607-00ab", cells), 4);
    let text = catalogue(&[sweep()], &[], &measured);
    assert_snapshot!(text.split_once("\n\n| |").unwrap().1, @r"
     console | pstore | order | hung | missed |
    |---|---|---|---|---|---|
    | hold=0ms n=0 | 10/10 [72–100] | 3/10 [11–60] | 9/10 [60–98] | 0 | 0 |
    | hold=0ms n=1 | 10/10 [72–100] | 0/10 [0–28] | none counted | 2 | 1 |
    | hold=1ms n=0 | none counted | none counted | none counted | 0 | 4 |
    | hold=1ms n=1 | skipped | skipped | skipped | skipped | skipped |
    | hold=2ms n=0 | - | - | - | - | - |
    | hold=2ms n=1 | - | - | - | - | - |

    Measured on 2026-11-22: Linux 6.12.117, QEMU 7.2.22 (tcg, real time).
    Skipped: the kernel has no symbol logbuf_lock.
    ");
}

#[test]
fn a_long_sweep_is_put_into_few_rows() {
    let values = |count: usize| (0..count).map(|n| format!("{n}ms")).collect::<Vec<_>>().join(", ");
    let long = scenario("sweep", &format!("{{ hold: [{}], n: [0, 1] }}", values(20)), "[]");
    let table = |lost_from: &dyn Fn(usize, u32) -> u32| {
        let mut measured = Measured::default();
        let point = |hold: usize, n| {
            cell(key("stock", "sweep", &format!("hold={hold}ms n={n}")), (10, 10), (lost_from(hold, n), 10))
        };
        let cells = (0..20).flat_map(|hold| [point(hold, 0), point(hold, 1)]).collect();
        take(&mut measured, "r", cells);
        let text = catalogue(std::slice::from_ref(&long), &[], &measured);
        text.split_once("\n\n| |").unwrap().1.split_once("\n\n").unwrap().0.to_owned()
    };
    assert_snapshot!(table(&|hold, n| if hold < 9 && n == 0 { 10 } else { 0 }), @r"
     console | pstore | hung | missed |
    |---|---|---|---|---|
    | hold=0ms…8ms n=0 | 10/10 [72–100] | 10/10 [72–100] | 0 | 0 |
    | hold=9ms…19ms n=0 | 10/10 [72–100] | 0/10 [0–28] | 0 | 0 |
    | hold=0ms…19ms n=1 | 10/10 [72–100] | 0/10 [0–28] | 0 | 0 |
    ");
    let all_different = table(&|hold, _| u32::try_from(hold % 10).unwrap());
    assert_eq!(all_different.lines().count(), 2 + 12 + 1, "{all_different}");
    assert!(all_different.contains("| … 28 more rows | | | | |"), "{all_different}");
}

#[test]
fn newer_figures_take_the_place_of_older_ones() {
    let mut measured = Measured::default();
    let of = |point: &str, saved| cell(key("stock", "sweep", point), (5, 5), (saved, 5));
    take(&mut measured, "first", vec![of("hold=1ms n=0", 1), of("hold=0ms n=0", 2)]);
    take(&mut measured, "second", vec![of("hold=1ms n=0", 3)]);
    assert_snapshot!(measured.text().unwrap(), @r#"
    {"runs": [
    {"run":"first","date":"2026-11-22","kernel":"6.12.117","qemu":"7.2.22","accelerator":"tcg","time":"real"},
    {"run":"second","date":"2026-11-22","kernel":"6.12.117","qemu":"7.2.22","accelerator":"tcg","time":"real"}
    ],
    "cells": [
    {"scenario":"sweep","params":{"hold":"0ms","n":0},"run":"first","hung":0,"missed":0,"channels":{"console":[5,5],"pstore":[2,5]}},
    {"scenario":"sweep","params":{"hold":"1ms","n":0},"run":"second","hung":0,"missed":0,"channels":{"console":[5,5],"pstore":[3,5]}}
    ]}
    "#);
    assert_eq!(Measured::parse(&measured.text().unwrap()).unwrap(), measured);
    take(&mut measured, "third", vec![of("hold=1ms n=0", 4)]);
    assert_eq!(measured.runs.iter().map(|run| run.run.as_str()).collect::<Vec<_>>(), ["first", "third"]);
    measured.retain(|_, point| point["hold"] == ParamValue::Text("1ms".into()));
    assert_eq!((measured.runs.len(), measured.cells.len()), (1, 1), "a point that has gone takes its run along");
    let mut other = info(vec![]);
    other.kernels.clear();
    assert_eq!(measured.take(&other, &Summary { run_id: "x".into(), cells: vec![of("hold=1ms n=0", 4)] }, "6.12"), 0);
    assert_eq!(take(&mut measured, "y", vec![cell(key("patched", "sweep", ""), (1, 1), (1, 1))]), 0);
}

#[test]
fn figures_that_cannot_be_are_refused() {
    let cell = r#"{"scenario":"x","params":{},"run":"r","hung":0,"missed":0,"channels":{"pstore":[3,2]}}"#;
    let text = format!("{{\"runs\": [], \"cells\": [{cell}]}}");
    assert!(Measured::parse(&text).unwrap_err().to_string().starts_with("pstore: 3 of 2"));
    assert!(Measured::parse("{").is_err());
}

#[test]
fn points_in_words() {
    let parameter = |name: &str, values: &[i64]| Parameter {
        name: name.to_owned(),
        values: values.iter().copied().map(ParamValue::Number).collect(),
    };
    let parameters = [parameter("a", &[1, 2, 3, 4, 5, 6, 7, 8, 9]), parameter("b", &[0, 1])];
    let points: Vec<Params> = (1..10)
        .flat_map(|a| {
            [0, 1].map(|b| Params::from([("a".into(), ParamValue::Number(a)), ("b".into(), ParamValue::Number(b))]))
        })
        .collect();
    let words = |wanted: &dyn Fn(i64, i64) -> bool| {
        let number = |point: &Params, name: &str| match point[name] {
            ParamValue::Number(number) => number,
            ParamValue::Text(_) => panic!("no text here"),
        };
        let chosen: Vec<&Params> =
            points.iter().filter(|point| wanted(number(point, "a"), number(point, "b"))).collect();
        points::in_words(&parameters, &chosen)
    };
    assert_eq!(words(&|_, _| true), "");
    assert_eq!(words(&|_, b| b == 1), "`b` is 1");
    assert_eq!(words(&|a, b| a < 3 && b == 0), "`a` is 1 or 2 and `b` is 0");
    assert_eq!(words(&|a, _| a > 2), "`a` is 3 to 9");
    assert_eq!(words(&|a, _| a % 2 == 0), "`a` is 2, 4, 6 or 8");
    assert_eq!(words(&|a, b| a == 1 || (a == 2 && b == 0)), "`a` is 1; or where `a` is 2 and `b` is 0");
}

proptest! {
    /// Whatever points are chosen, the words name them and no others.
    #[test]
    fn words_name_the_points_that_were_chosen(chosen in proptest::collection::btree_set(0usize..12, 1..12)) {
        let parameters: Vec<Parameter> = [("a", 3), ("b", 2), ("c", 2)]
            .map(|(name, count)| Parameter { name: name.into(), values: (0..count).map(ParamValue::Number).collect() })
            .into();
        let points: Vec<Params> = (0..12i64)
            .map(|n| [("a", n / 4), ("b", n / 2 % 2), ("c", n % 2)])
            .map(|values| values.into_iter().map(|(name, n)| (name.into(), ParamValue::Number(n))).collect())
            .collect();
        let wanted: Vec<&Params> = chosen.iter().map(|index| &points[*index]).collect();
        let words = points::in_words(&parameters, &wanted);
        let holds = |clause: &str, point: &Params| clause.split(" and ").filter(|part| !part.is_empty()).all(|part| {
            let (name, values) = part.split_once("` is ").unwrap();
            let value = point[name.trim_start_matches('`')].to_string();
            values.split(", ").flat_map(|values| values.split(" or ")).any(|known| known == value)
        });
        for point in &points {
            let named = words.split("; or where ").any(|clause| holds(clause, point));
            prop_assert_eq!(named, wanted.contains(&point), "{} {:?}", &words, point);
        }
    }

    #[test]
    fn lines_are_no_longer_than_they_may_be(words in proptest::collection::vec("[a-zö]{1,30}", 0..40), indent in 0usize..4) {
        let item = item_of(indent, &words.join(" "));
        prop_assert!(item.lines().all(|line| line.chars().count() <= WIDTH));
        let all: Vec<&str> = item.split_whitespace().skip(1).collect();
        prop_assert_eq!(all, words);
    }
}
