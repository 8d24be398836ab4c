//! What a ranking says: its JSON form is described in `docs/results.md`.

use serde::Serialize;

use super::contest::{Contest, ascending};
use super::field::Field;
use super::measure::Measure;
use crate::compare::{Evidence, Point, Verdict};
use crate::stats::{BetweenTemplates, Clusters, Interval};

/// The variants of a run against each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranking {
    /// The run.
    pub run_id: String,
    /// What its tests and intervals stand.
    pub evidence: Evidence,
    /// Two variants differ below this adjusted p-value.
    pub alpha: f64,
    /// Shares no further apart than this are the same for the purpose.
    pub margin: f64,
    /// All pairs that were tested, of all bases: the family that p-values are adjusted for.
    pub pairs: PairCounts,
    /// One for each base.
    pub bases: Vec<BaseRanking>,
}

/// How many pairs have which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PairCounts {
    /// One is shown to be better.
    pub different: usize,
    /// Shown to differ by less than the margin.
    pub same: usize,
    /// Neither: there are not enough trials.
    pub undecided: usize,
}

/// The variants of one base.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BaseRanking {
    /// The base.
    pub base: String,
    /// The variant that the others are compared with.
    pub reference: String,
    /// The variants, the reference first.
    pub variants: Vec<Standing>,
    /// Who is dominated by whom.
    pub dominated: Vec<Domination>,
    /// The failure cases, by scenario in the plan's order.
    pub cases: Vec<RankedCase>,
}

/// How a variant stands over all cases and measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The variant.
    pub variant: String,
    /// In how many cases, by how many measures, it was ranked with at least one other.
    pub ranked: usize,
    /// In how many of them it has rank 1: none is shown to be better.
    pub first: usize,
    /// Where it is shown to be better than the reference.
    pub better: Vec<Place>,
    /// Where it is shown to be worse.
    pub worse: Vec<Place>,
    /// In how many it is shown to be the same as the reference, by the margin.
    pub same: usize,
    /// In how many it is not known how it compares with the reference.
    pub undecided: usize,
}

/// A case and a measure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The case.
    #[serde(flatten)]
    pub point: Point,
    /// The measure.
    #[serde(rename = "channel")]
    pub measure: Measure,
}

/// One variant is nowhere shown to be worse than another, and somewhere shown to be better; of all places where both
/// counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Domination {
    /// Who is dominated.
    pub variant: String,
    /// By whom.
    pub by: String,
    /// Where that one is better.
    pub better_in: Vec<Place>,
    /// In how many places the two were compared.
    pub compared: usize,
    /// In how many of them nothing is decided: there the dominating one may be worse.
    pub undecided: usize,
}

/// A failure case: a point of a scenario's sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankedCase {
    /// The case.
    #[serde(flatten)]
    pub point: Point,
    /// The variants that were not run there.
    pub skipped: Vec<SkippedVariant>,
    /// The ranks, by each measure.
    #[serde(rename = "channels")]
    pub measures: Vec<RankedMeasure>,
}

/// A variant that was not run in a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedVariant {
    /// The variant.
    pub variant: String,
    /// What its kernel lacks.
    pub reason: String,
}

/// The ranks in a case by one measure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankedMeasure {
    /// The measure.
    #[serde(rename = "channel")]
    pub measure: Measure,
    /// By rank, then by share, then in the plan's order.
    pub ranked: Vec<RankedShare>,
    /// The variants that were not skipped, and of which no trial counted by this measure.
    pub none_counted: Vec<String>,
}

/// A variant in a case by one measure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankedShare {
    /// The variant.
    pub variant: String,
    /// Trials with the good outcome.
    pub good: u32,
    /// Trials that counted; at least one.
    pub of: u32,
    /// The share of the good ones, 0 to 1.
    pub share: f64,
    /// Its interval (95 %): Wilson's, or the confidence sequence.
    pub ci95: Interval,
    /// What lies between its templates, if they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub between_templates: Option<BetweenTemplates>,
    /// 1, and one more for each variant that is shown to be better. Variants of one rank tie; they are not shown to be
    /// equal.
    pub rank: usize,
    /// The variants that this one is shown to be better than, in the plan's order.
    pub better_than: Vec<String>,
    /// The variants that are shown to be better, in the plan's order.
    pub worse_than: Vec<String>,
}

impl PairCounts {
    pub(super) fn of(verdicts: &[Verdict]) -> Self {
        let mut counts = Self::default();
        for verdict in verdicts {
            *match verdict {
                Verdict::Improved | Verdict::Regressed => &mut counts.different,
                Verdict::Same => &mut counts.same,
                Verdict::Undecided => &mut counts.undecided,
            } += 1;
        }
        counts
    }

    /// How many there are.
    pub const fn all(self) -> usize {
        self.different + self.same + self.undecided
    }
}

/// Every case with its ranks.
pub(super) fn cases(field: &Field, contests: &[Contest], evidence: Evidence) -> Vec<RankedCase> {
    let case = |(case, point): (usize, &Point)| {
        let skipped = (0..field.variants.len()).filter_map(|variant| {
            let reason = field.cell(variant, case)?.skipped.clone()?;
            Some(SkippedVariant { variant: field.variants[variant].to_owned(), reason })
        });
        let skipped: Vec<SkippedVariant> = skipped.collect();
        let here = contests.iter().filter(|contest| contest.case == case);
        let measures = here.map(|contest| measure(field, contest, &skipped, evidence)).collect();
        RankedCase { point: point.clone(), skipped, measures }
    };
    field.cases.iter().enumerate().map(case).collect()
}

fn measure(field: &Field, contest: &Contest, skipped: &[SkippedVariant], evidence: Evidence) -> RankedMeasure {
    let mut ranked = contest.shares.clone();
    ranked.sort_by(|(a, of_a), (b, of_b)| {
        let rank = contest.rank(*a).cmp(&contest.rank(*b));
        rank.then(ascending(of_b.pooled(), of_a.pooled())).then(a.cmp(b))
    });
    let missing = |(position, variant): &(usize, &&str)| {
        let counted = contest.shares.iter().any(|(counted, _)| counted == position);
        !counted && !skipped.iter().any(|skipped| skipped.variant == **variant)
    };
    let none_counted = field.variants.iter().enumerate().filter(missing);
    RankedMeasure {
        measure: contest.measure,
        none_counted: none_counted.map(|(_, variant)| (*variant).to_owned()).collect(),
        ranked: ranked.into_iter().map(|(variant, seen)| share(field, contest, variant, &seen, evidence)).collect(),
    }
}

fn share(field: &Field, contest: &Contest, variant: usize, seen: &Clusters, evidence: Evidence) -> RankedShare {
    let names = |mut positions: Vec<usize>| {
        positions.sort_unstable();
        positions.into_iter().map(|position| field.variants[position].to_owned()).collect()
    };
    let all = seen.pooled();
    RankedShare {
        variant: field.variants[variant].to_owned(),
        good: all.hits(),
        of: all.of(),
        share: all.share().unwrap_or_default(),
        ci95: evidence.share(seen),
        between_templates: seen.between(),
        rank: contest.rank(variant),
        better_than: names(contest.better_than(variant).collect()),
        worse_than: names(contest.worse_than(variant).collect()),
    }
}
