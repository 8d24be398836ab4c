//! The order among the channels that are compared.

use crate::compare::{Options, Verdict, compare, open_cells};
use crate::model::Channel;
use crate::results::sample::{cell, cell_with_order, key};
use crate::results::{CellSummary, PlannedCell};

/// A cell whose log was saved as often as could be wished.
fn saved(variant: &str) -> CellSummary {
    cell(key(variant, "panic-alone", ""), (200, 200), (200, 200))
}

fn with_order(variant: &str, order: (u32, u32)) -> CellSummary {
    cell_with_order(saved(variant), order)
}

/// What the comparison says of each channel.
fn verdicts(base: CellSummary, candidate: CellSummary) -> Vec<(Channel, Verdict)> {
    let comparison = compare(&[base], &[candidate], Options::default()).unwrap();
    comparison.cells.iter().map(|cell| (cell.channel, cell.verdict)).collect()
}

#[test]
fn an_order_is_compared_like_any_channel() {
    let log = [(Channel::Console, Verdict::Same), (Channel::Pstore, Verdict::Same)];
    let [console, pstore] = log;
    let order = |verdict| vec![console, pstore, (Channel::Order, verdict)];
    assert_eq!(verdicts(with_order("a", (20, 20)), with_order("b", (0, 20))), order(Verdict::Regressed));
    assert_eq!(verdicts(with_order("a", (0, 20)), with_order("b", (20, 20))), order(Verdict::Improved));
    assert_eq!(verdicts(with_order("a", (36, 36)), with_order("b", (36, 36))), order(Verdict::Same));
    // Judged on one side only: told. On none: there is nothing to tell.
    assert_eq!(verdicts(with_order("a", (20, 20)), saved("b")), order(Verdict::Undecided));
    assert_eq!(verdicts(saved("a"), with_order("b", (20, 20))), order(Verdict::Undecided));
    assert_eq!(verdicts(saved("a"), saved("b")), log);
}

#[test]
fn a_run_goes_on_until_the_order_is_decided() {
    let planned =
        |variant: &str| PlannedCell { key: key(variant, "panic-alone", ""), trials: 20, expect: vec![], skipped: None };
    let plan = [planned("stock"), planned("early")];
    let open = |stock, early| open_cells(&[stock, early], &plan, Options::default()).len();
    assert_eq!(open(with_order("stock", (5, 5)), with_order("early", (4, 5))), 2);
    assert_eq!(open(with_order("stock", (200, 200)), with_order("early", (0, 200))), 0);
    // Never judged: not waited for.
    assert_eq!(open(saved("stock"), saved("early")), 0);
    let alone = |cell| open_cells(&[cell], &plan[..1], Options::default()).len();
    assert_eq!((alone(with_order("stock", (3, 5))), alone(with_order("stock", (200, 200)))), (1, 0));
}
