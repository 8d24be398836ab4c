//! The variants of a run ranked in each failure case.
//!
//! ```text
//! Ranking ─┬─> ranking_text   tables: standings, who differs from the reference, who is dominated, every case's ranks
//!          └─> ranking_csv    a row for each case, channel and variant
//! ```

mod cases;
mod csv;
mod overall;
#[cfg(test)]
mod tests;

pub use csv::ranking_csv;

use super::Format;
use super::summary::heading;
use crate::compare::{BaseRanking, Evidence, Ranking};

/// Tables for people, and below them what ranks are and are not.
pub fn ranking_text(ranking: &Ranking, format: Format) -> String {
    let mut text = format!("Run {}: {}.\n\n", ranking.run_id, size(ranking));
    let mut part = |title: &str, table: String| {
        text += &heading(title, format);
        text += &table;
        text.push('\n');
    };
    part("Standings", overall::standings(ranking, format));
    part("Better or worse than the reference", overall::differences(ranking, format));
    part("Dominated", overall::dominated(ranking, format));
    let several = ranking.bases.len() > 1;
    for base in &ranking.bases {
        let title = if several { format!("Ranks on {}", base.base) } else { "Ranks".to_owned() };
        part(&title, cases::ranks(base, format));
    }
    text + &legend(ranking)
}

/// `3 variants in 12 cases`
fn size(ranking: &Ranking) -> String {
    let several = ranking.bases.len() > 1;
    let of_base = |base: &BaseRanking| {
        let on = if several { format!(" on {}", base.base) } else { String::new() };
        format!("{}{on} in {}", counted(base.variants.len(), "variant"), counted(base.cases.len(), "case"))
    };
    ranking.bases.iter().map(of_base).collect::<Vec<_>>().join(", ")
}

/// `1 case`, `2 cases`
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A variant, with its base only where there are several.
fn name(ranking: &Ranking, base: &BaseRanking, variant: &str) -> String {
    if ranking.bases.len() > 1 { format!("{variant}@{}", base.base) } else { variant.to_owned() }
}

fn legend(ranking: &Ranking) -> String {
    let Ranking { evidence, alpha, margin, pairs, .. } = ranking;
    let percent = |share: f64| (share * 1000.0).round() / 10.0;
    let (alpha, margin) = (percent(*alpha), percent(*margin));
    let (intervals, test) = match evidence {
        Evidence::Fixed => ("intervals", "Boschloo's exact test"),
        Evidence::Sequential => ("confidence sequences", "e-values, which hold at any look"),
    };
    format!(
        "Figures: trials in which everything was saved (ended: the guest did not hang), of those that counted; share; \
         95 %\n{intervals}.\n\
         Rank: 1, and one more for each variant that is shown to be better: {test}, adjusted by Benjamini and\n\
         Hochberg for all {} of this report, at {alpha} %. Of the differences shown, up to {alpha} % are expected to be \
         false.\n\
         Who is not shown to differ ties, and that is not to be equal: of all pairs {} differ, {} are the same within\n\
         ±{margin} points, and {} are undecided. A variant that dominates is nowhere shown to be worse; where pairs are\n\
         undecided, it may be.\n",
        counted(pairs.all(), "pair"),
        pairs.different,
        pairs.same,
        pairs.undecided,
    )
}
