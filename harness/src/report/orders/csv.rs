//! A ranking for spreadsheets.

use std::fmt::Write as _;

use crate::compare::{BaseRanking, RankedCase, RankedMeasure, Ranking};
use crate::model::assignments;
use crate::report::csv::field;

/// Comma-separated values: a row for each case, channel and variant, in the plan's order. Several variants in a field
/// have spaces between them. Where nothing counted there are no figures; why a variant was not run is in the last field.
pub fn ranking_csv(ranking: &Ranking) -> String {
    let mut text =
        "scenario,params,channel,variant,base,good,of,share,lo,hi,rank,better_than,worse_than,not_run\n".to_owned();
    for base in &ranking.bases {
        for case in &base.cases {
            for measure in &case.measures {
                rows(&mut text, base, case, measure);
            }
        }
    }
    text
}

fn rows(text: &mut String, BaseRanking { base, variants, .. }: &BaseRanking, case: &RankedCase, of: &RankedMeasure) {
    let (scenario, params, channel) = (&case.point.scenario, assignments(&case.point.params), of.measure);
    for variant in variants.iter().map(|standing| &standing.variant) {
        let figures = match of.ranked.iter().find(|ranked| ranked.variant == *variant) {
            Some(ranked) => format!(
                "{},{},{:.4},{:.4},{:.4},{},{},{}",
                ranked.good,
                ranked.of,
                ranked.share,
                ranked.ci95.lo,
                ranked.ci95.hi,
                ranked.rank,
                field(&ranked.better_than.join(" ")),
                field(&ranked.worse_than.join(" ")),
            ),
            None => ",,,,,,,".to_owned(),
        };
        let skipped = case.skipped.iter().find(|skipped| skipped.variant == *variant);
        let reason = skipped.map(|skipped| field(&skipped.reason)).unwrap_or_default();
        let (scenario, params, variant, base) = (field(scenario), field(&params), field(variant), field(base));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{scenario},{params},{channel},{variant},{base},{figures},{reason}");
    }
}
