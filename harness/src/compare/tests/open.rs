use crate::compare::{Evidence, Options, Verdict, compare, open_cells};
use crate::model::Channel;
use crate::model::ChannelOutcome::{Lost, Saved};
use crate::results::sample::{cell, expect, key};
use crate::results::{CellSummary, PlannedCell};

/// `variant point`, of one scenario.
fn named(variant: &str, point: &str) -> crate::model::CellKey {
    key(variant, "panic-alone", point)
}

fn plan(cells: &[(&str, &str)]) -> Vec<PlannedCell> {
    cells
        .iter()
        .map(|(variant, point)| PlannedCell { key: named(variant, point), trials: 20, expect: vec![], skipped: None })
        .collect()
}

/// A cell whose console saved everything, often enough to be no matter.
fn counted(variant: &str, point: &str, pstore: (u32, u32)) -> CellSummary {
    cell(named(variant, point), (200, 200), pstore)
}

/// The open cells, each as `variant point`.
fn open(cells: &[CellSummary], planned: &[PlannedCell]) -> Vec<String> {
    let name = |key: &crate::model::CellKey| {
        let values: Vec<_> = key.params.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        key.variant.clone() + &values.concat()
    };
    open_cells(cells, planned, Options::default()).iter().map(name).collect()
}

#[test]
fn a_pair_is_open_until_every_channel_is_decided() {
    let plan = plan(&[("stock", ""), ("early", "")]);
    assert_eq!(open(&[], &plan), ["stock", "early"]);
    let at = |stock, early| open(&[counted("stock", "", stock), counted("early", "", early)], &plan);
    // Two tests: one more trial than alone.
    assert_eq!(at((4, 4), (0, 4)), ["stock", "early"]);
    assert!(at((5, 5), (0, 5)).is_empty());
    assert_eq!(at((51, 51), (51, 51)), ["stock", "early"]);
    assert!(at((52, 52), (52, 52)).is_empty());
    let console_open = [cell(named("stock", ""), (5, 5), (5, 5)), cell(named("early", ""), (5, 5), (0, 5))];
    assert_eq!(open(&console_open, &plan), ["stock", "early"]);
}

/// With two variants a run may stop exactly when `compare` decides all of it.
#[test]
fn a_run_is_open_while_the_comparison_is_undecided() {
    let plan = plan(&[("stock", "n=1"), ("stock", "n=2"), ("early", "n=1"), ("early", "n=2")]);
    let options = Options { evidence: Evidence::Sequential, ..Options::default() };
    for n in [3, 4, 5, 6, 30, 70, 200] {
        for saved in [0, n / 2, n - 1, n] {
            let base = [counted("stock", "n=1", (n, n)), counted("stock", "n=2", (n, n))];
            let candidate = [counted("early", "n=1", (saved, n)), counted("early", "n=2", (n, n))];
            let verdicts = compare(&base, &candidate, options).unwrap().cells;
            let undecided = verdicts.iter().any(|cell| cell.verdict == Verdict::Undecided);
            assert_eq!(!open(&[base, candidate].concat(), &plan).is_empty(), undecided, "{saved} of {n}");
        }
    }
}

#[test]
fn every_variant_is_compared_with_the_plans_first() {
    let plan = plan(&[("stock", "n=1"), ("stock", "n=2"), ("late", "n=1"), ("late", "n=2"), ("early", "n=2")]);
    let mut cells = vec![
        counted("stock", "n=1", (60, 60)),
        counted("late", "n=1", (0, 60)),
        counted("stock", "n=2", (60, 60)),
        counted("late", "n=2", (60, 60)),
        counted("early", "n=2", (30, 60)),
    ];
    assert!(open(&cells, &plan).is_empty());
    cells[4] = counted("early", "n=2", (57, 60));
    // The base's cell is needed by the one pair that is open, and only it.
    assert_eq!(open(&cells, &plan), ["stock n=2", "early n=2"]);
}

/// What is decided alone may be undecided among thirty.
#[test]
fn all_pairs_are_one_family() {
    let names: Vec<String> = (0..30).map(|number| format!("n={number}")).collect();
    let points: Vec<_> = ["stock", "early"].iter().flat_map(|v| names.iter().map(move |p| (*v, p.as_str()))).collect();
    let plan = plan(&points);
    let cells = |n: u32| -> Vec<_> {
        let share = |variant: &str, point: &str| match (variant, point) {
            (_, "n=0") => (if variant == "stock" { n } else { 0 }, n),
            _ => (200, 200),
        };
        points.iter().map(|(variant, point)| counted(variant, point, share(variant, point))).collect()
    };
    assert_eq!(open(&cells(5), &plan), ["stock n=0", "early n=0"]);
    assert_eq!(open(&cells(6), &plan), ["stock n=0", "early n=0"]);
    assert!(open(&cells(7), &plan).is_empty());
}

#[test]
fn bases_are_not_compared_with_each_other() {
    let mut plan = plan(&[("stock", ""), ("early", ""), ("stock", ""), ("early", "")]);
    let mut cells: Vec<_> = plan.iter().map(|planned| cell(planned.key.clone(), (200, 200), (200, 200))).collect();
    for index in [2, 3] {
        plan[index].key.base = "6.1".into();
        cells[index] = cell(plan[index].key.clone(), (200, 200), (0, 200));
    }
    assert!(open(&cells, &plan).is_empty());
    cells[3] = cell(plan[3].key.clone(), (200, 200), (2, 200));
    let open = open_cells(&cells, &plan, Options { margin: 0.001, ..Options::default() });
    assert!(open.contains(&plan[3].key) && open.contains(&plan[2].key));
}

#[test]
fn a_cell_alone_is_open_until_its_expectation_is_settled() {
    let mut plan = plan(&[("stock", "")]);
    plan[0].expect = vec![expect(Channel::Pstore, Saved)];
    let at = |saved, n| !open(&[cell(named("stock", ""), (1, 1), (saved, n))], &plan).is_empty();
    // At least 0.9: shown, refuted, and neither.
    assert!(at(10, 10) && at(36, 38) && at(5, 8));
    assert!(!at(60, 60) && !at(0, 10));
    plan[0].expect.push(expect(Channel::Pstore, Lost));
    assert!(open(&[cell(named("stock", ""), (1, 1), (60, 60))], &plan).is_empty());
}

#[test]
fn a_cell_alone_of_which_nothing_is_expected_is_open_until_it_is_measured() {
    let plan = plan(&[("stock", "")]);
    let at = |saved, n| !open(&[counted("stock", "", (saved, n))], &plan).is_empty();
    assert!(at(10, 10) && at(50, 100));
    assert!(!at(20, 20) && !at(0, 20) && !at(200, 400));
}

#[test]
fn what_never_counts_stays_open_and_a_channel_never_read_does_not() {
    let missed =
        |variant| CellSummary { trials: 9, missed: 4, infra_errors: 5, ..CellSummary::empty(named(variant, "")) };
    let alone = plan(&[("stock", "")]);
    assert_eq!(open(&[missed("stock")], &alone), ["stock"]);
    let both = plan(&[("stock", ""), ("early", "")]);
    assert_eq!(open(&[missed("stock"), counted("early", "", (200, 200))], &both), ["stock", "early"]);
    // Only the console was read.
    assert!(open(&[counted("stock", "", (0, 0))], &alone).is_empty());
    assert!(open(&[counted("stock", "", (0, 0)), counted("early", "", (0, 0))], &both).is_empty());
}

#[test]
fn what_is_skipped_is_never_open_and_its_partner_stands_alone() {
    let mut plan = plan(&[("stock", "n=1"), ("early", "n=1"), ("stock", "n=2"), ("early", "n=2"), ("late", "n=2")]);
    let skip = |plan: &mut Vec<PlannedCell>, position: usize| plan[position].skipped = Some("it cannot".to_owned());
    // The first cell of the first variant: that one is still what the others are compared with.
    skip(&mut plan, 0);
    assert_eq!(open(&[], &plan), ["early n=1", "stock n=2", "early n=2", "late n=2"]);
    let mut cells = vec![
        counted("early", "n=1", (200, 200)),
        counted("stock", "n=2", (60, 60)),
        counted("early", "n=2", (0, 60)),
        counted("late", "n=2", (30, 60)),
    ];
    assert!(open(&cells, &plan).is_empty(), "alone `early n=1` is known well enough");
    cells[0] = counted("early", "n=1", (2, 4));
    assert_eq!(open(&cells, &plan), ["early n=1"]);
    for position in 0..plan.len() {
        skip(&mut plan, position);
    }
    assert!(open(&[], &plan).is_empty());
}

#[test]
fn a_variant_on_several_bases_is_compared_with_itself_on_the_first() {
    let on = |base: &str, pstore| {
        let mut cell = counted("stock", "", pstore);
        base.clone_into(&mut cell.key.base);
        cell
    };
    let planned = |cells: &[CellSummary]| -> Vec<PlannedCell> {
        let plan =
            |cell: &CellSummary| PlannedCell { key: cell.key.clone(), trials: 20, expect: vec![], skipped: None };
        cells.iter().map(plan).collect()
    };
    let open = |cells: &[CellSummary]| -> Vec<String> {
        let open = open_cells(cells, &planned(cells), Options::default());
        open.iter().map(|key| key.base.clone()).collect()
    };
    assert_eq!(open(&[on("6.1", (4, 4)), on("6.12", (0, 4))]), ["6.1", "6.12"]);
    assert!(open(&[on("6.1", (5, 5)), on("6.12", (0, 5))]).is_empty());
    assert_eq!(open(&[on("6.1", (5, 5)), on("6.12", (0, 5)), on("7.2", (5, 5))]), ["6.1", "7.2"]);
}
