//! Many variants of one run against each other: ranks in each failure case, and who dominates whom.
//!
//! ```text
//! Summary ─> Field, one a base: variants, cases ─> Contest: everyone's share in one case, by one measure
//!     contests ─> all their pairs, as one family ─> verdicts ─┬─> Ranked       in each contest
//!                                                             ├─> Standing     against the reference
//!                                                             └─> Domination   over all contests
//! ```
//! Verdicts come from `pair`, like those of a comparison. How they become ranks is said in `docs/statistics.md`.

mod contest;
mod field;
mod measure;
mod ranking;
mod standing;
#[cfg(test)]
mod tests;

use contest::Contest;
use field::Field;
pub use measure::Measure;
pub use ranking::{
    BaseRanking, Domination, PairCounts, Place, RankedCase, RankedMeasure, RankedShare, Ranking, SkippedVariant,
    Standing,
};
use standing::Against;

use super::Error;
use super::pair::{Options, Pair, Verdict, adjusted};
use crate::results::Summary;

/// Ranks the variants of a run, on each base by themselves; of different bases none are compared.
///
/// `variants` chooses some, `NAME` or `NAME@BASE`; all, in the plan's order, if none is named. The first one on a base
/// is the reference there. Only what is chosen is tested, all pairs of it as one family.
pub fn rank(summary: &Summary, variants: &[String], options: Options) -> Result<Ranking, Error> {
    let fields = Field::all(summary, variants)?;
    let mut contests: Vec<Vec<Contest>> = fields.iter().map(Field::contests).collect();
    let pairs: Vec<Pair> = contests.iter().flatten().flat_map(Contest::pairs).collect();
    let p_values = adjusted(&pairs, options.evidence);
    // Something counted on both sides of each pair, so each has a p-value.
    let verdicts: Vec<Verdict> =
        pairs.iter().zip(p_values).map(|(pair, p_value)| pair.verdict(p_value.unwrap_or(1.0), options)).collect();
    let mut next = verdicts.iter().copied();
    contests.iter_mut().flatten().for_each(|contest| contest.judge(&mut next));
    Ok(Ranking {
        run_id: summary.run_id.clone(),
        evidence: options.evidence,
        alpha: options.alpha,
        margin: options.margin,
        pairs: PairCounts::of(&verdicts),
        bases: fields.iter().zip(&contests).map(|(field, contests)| on_base(field, contests, options)).collect(),
    })
}

fn on_base(field: &Field, contests: &[Contest], options: Options) -> BaseRanking {
    let against = Against::tally(field.variants.len(), contests);
    BaseRanking {
        base: field.base.to_owned(),
        reference: field.variants.first().copied().unwrap_or_default().to_owned(),
        variants: standing::standings(field, contests, &against),
        dominated: standing::dominations(field, contests, &against),
        cases: ranking::cases(field, contests, options.evidence),
    }
}
