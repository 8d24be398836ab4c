//! The ranks in every case.

use super::overall::plain;
use crate::compare::{BaseRanking, RankedCase, RankedMeasure, RankedShare};
use crate::report::Format;
use crate::report::grid::Grid;
use crate::stats::percent;

/// For each case and channel a row for each count that variants reached, best first. Variants with the same counts
/// stand in one row, since the same is shown of them; so a row is named by its counts where another is better.
pub(super) fn ranks(base: &BaseRanking, format: Format) -> String {
    let mut grid = Grid::new(["case", "channel", "rank", "share", "better than", "variants"], 0);
    for case in &base.cases {
        let group = case.point.to_string();
        for measure in &case.measures {
            for alike in measure.ranked.chunk_by(alike) {
                grid.row(&group, plain(row(base, measure, alike)));
            }
            if !measure.none_counted.is_empty() {
                let names = together(base, &measure.none_counted.iter().map(String::as_str).collect::<Vec<_>>());
                let dash = || "-".to_owned();
                grid.row(&group, plain([measure.measure.to_string(), dash(), dash(), dash(), names]));
            }
        }
        for (reason, variants) in not_run(case) {
            let names = together(base, &variants);
            let cells = ["not run".to_owned(), String::new(), String::new(), String::new()];
            grid.row(&group, plain(cells.into_iter().chain([format!("{names}: {reason}")])));
        }
    }
    grid.render(format)
}

fn row(base: &BaseRanking, measure: &RankedMeasure, alike: &[RankedShare]) -> Vec<String> {
    let Some(first) = alike.first() else { return Vec::new() };
    let RankedShare { good, of, share, ci95, rank, better_than, .. } = first;
    let share = format!("{good}/{of} {}% [{}–{}]", percent(*share), percent(ci95.lo), percent(ci95.hi));
    let beaten = measure.ranked.iter().filter(|ranked| better_than.contains(&ranked.variant)).map(counts);
    let mut beaten: Vec<String> = beaten.map(|(good, of)| format!("{good}/{of}")).collect();
    beaten.dedup();
    let beaten = if beaten.is_empty() { "-".to_owned() } else { beaten.join(", ") };
    let variants = together(base, &alike.iter().map(|ranked| ranked.variant.as_str()).collect::<Vec<_>>());
    vec![measure.measure.to_string(), rank.to_string(), share, beaten, variants]
}

/// Whether the same is shown of both. Of the same counts it is, unless templates vary.
fn alike(a: &RankedShare, b: &RankedShare) -> bool {
    let shown = |ranked: &RankedShare| (counts(ranked), ranked.ci95, ranked.rank);
    shown(a) == shown(b) && a.better_than == b.better_than
}

fn counts(ranked: &RankedShare) -> (u32, u32) {
    (ranked.good, ranked.of)
}

/// The variants' names, or `all 3`.
fn together(base: &BaseRanking, variants: &[&str]) -> String {
    match variants.len() {
        all if all == base.variants.len() && all > 1 => format!("all {all}"),
        _ => variants.join(", "),
    }
}

/// The variants that were not run, by reason.
fn not_run(case: &RankedCase) -> Vec<(&str, Vec<&str>)> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for skipped in &case.skipped {
        match reasons.iter_mut().find(|(reason, _)| *reason == skipped.reason) {
            Some((_, variants)) => variants.push(&skipped.variant),
            None => reasons.push((&skipped.reason, vec![&skipped.variant])),
        }
    }
    reasons
}
