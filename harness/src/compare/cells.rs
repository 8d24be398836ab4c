//! The comparison itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::Error;
use super::needed::trials_to_decide;
use super::pair::{Evidence, Options, PValues, Pair, Verdict, p_values};
use crate::model::{Channel, Params};
use crate::results::CellSummary;
use crate::stats::{BetweenTemplates, Clusters, Interval, Proportion};

/// A point of a scenario's sweep.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Point {
    /// The scenario.
    pub scenario: String,
    /// The values.
    pub params: Params,
}

/// How often one side had the channel's good outcome.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Trials that counted.
    pub n: u32,
    /// Those with the good outcome: everything was saved, or the order kept.
    pub saved: u32,
    /// The interval (95 %) of the share: Wilson's, or the confidence sequence.
    pub ci95: Interval,
    /// What lies between its templates, if they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub between_templates: Option<BetweenTemplates>,
}

/// One channel of one cell, on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedCell {
    /// The cell.
    #[serde(flatten)]
    pub point: Point,
    /// The channel.
    pub channel: Channel,
    /// Without the change.
    pub base: Share,
    /// With it.
    pub candidate: Share,
    /// The candidate's share less the base's, −1 to 1; none if nothing counted on one side.
    pub difference: Option<f64>,
    /// The interval (95 %) of the difference: Miettinen and Nurminen's, or the confidence sequence.
    pub difference_ci95: Interval,
    /// Boschloo's exact test, two-sided, or the anytime p-value, of this test alone; 1 if nothing counted on one side.
    pub p_value: f64,
    /// The p-value adjusted by Benjamini and Hochberg over the comparison.
    pub p_adjusted: f64,
    /// What follows.
    pub verdict: Verdict,
    /// If undecided: the fewest trials a side that would decide it, if each side's share stayed what it is and so did
    /// the other cells. None beyond 100,000, or if nothing counted on one side.
    pub trials_to_decide: Option<u32>,
}

/// A report of the kernel's that one side logs more often, though no scenario asks for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedSplat {
    /// The cell.
    #[serde(flatten)]
    pub point: Point,
    /// Its title.
    pub title: String,
    /// Trials without the change that log it, and how many counted.
    pub base: LoggedBy,
    /// Trials with the change that log it, and how many counted.
    pub candidate: LoggedBy,
    /// Boschloo's exact test, two-sided, or the anytime p-value, of this title alone.
    pub p_value: f64,
    /// The p-value adjusted by Benjamini and Hochberg over the titles of the comparison.
    pub p_adjusted: f64,
    /// What follows: it got worse if the candidate is shown to log it more often.
    pub verdict: Verdict,
}

/// How many trials log something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LoggedBy {
    /// Those that do.
    pub trials: u32,
    /// Those that counted.
    pub of: u32,
}

/// All cells of two columns; none is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The cells both sides have, in the base's order, each with the channels of the log, and with the order where it
    /// was judged on a side.
    pub cells: Vec<ComparedCell>,
    /// The reports of the kernel's that nobody has asked for and that are not as frequent on both sides, in the base's
    /// order of cells.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub splats: Vec<ComparedSplat>,
    /// What only the base has.
    pub only_in_base: Vec<Point>,
    /// What only the candidate has.
    pub only_in_candidate: Vec<Point>,
    /// What was skipped on a side, and so is compared with nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<SkippedPoint>,
    /// What its p-values and intervals stand.
    pub evidence: Evidence,
}

/// A point that was not run on a side, because its kernel lacks something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedPoint {
    /// The point.
    #[serde(flatten)]
    pub point: Point,
    /// Why the base skipped it, if it did.
    pub base: Option<String>,
    /// Why the candidate skipped it, if it did.
    pub candidate: Option<String>,
}

impl Comparison {
    /// Whether anything got worse.
    pub fn regressed(&self) -> bool {
        self.cells.iter().any(|cell| cell.verdict == Verdict::Regressed)
            || self.splats.iter().any(|splat| splat.verdict == Verdict::Regressed)
    }
}

/// Compares two columns point by point and channel by channel.
///
/// The columns' variants and bases play no part: only scenario and parameters say which cells belong together.
pub fn compare(base: &[CellSummary], candidate: &[CellSummary], options: Options) -> Result<Comparison, Error> {
    let skipped = skipped(base, candidate);
    let run = |cell: &&CellSummary| skipped.iter().all(|skipped| skipped.point != Point::of(cell));
    let [base, candidate]: [Vec<&CellSummary>; 2] = [base, candidate].map(|cells| cells.iter().filter(run).collect());
    let base_by_point = by_point(&base)?;
    let mut candidate_by_point = by_point(&candidate)?;
    let (mut places, mut pairs) = (Vec::new(), Vec::new());
    let mut both = Vec::new();
    let mut only_in_base = Vec::new();
    for cell in base {
        let point = Point::of(cell);
        match candidate_by_point.remove(&point) {
            Some(other) => {
                both.push((point.clone(), cell, other));
                for channel in Channel::ALL {
                    let [base, candidate] = [cell, other].map(|cell| cell.channel(channel).by_template());
                    let judged = [&base, &candidate].iter().any(|side| side.pooled().of() > 0);
                    if Channel::OF_LOG.contains(&channel) || judged {
                        places.push((point.clone(), channel));
                        pairs.push(Pair { base, candidate });
                    }
                }
            }
            None => only_in_base.push(point),
        }
    }
    let only_in_candidate =
        candidate.into_iter().map(Point::of).filter(|point| !base_by_point.contains_key(point)).collect();

    let p_values = p_values(&pairs, options.evidence);
    let factor = factor(&p_values, options);
    let cells = places.into_iter().zip(pairs).zip(p_values);
    let cells = cells.map(|((place, pair), p_values)| compared(place, &pair, p_values, factor, options)).collect();
    let splats = splats(&both, options);
    Ok(Comparison { cells, splats, only_in_base, only_in_candidate, skipped, evidence: options.evidence })
}

/// The titles that are not as frequent on both sides. They are a family of tests by themselves: how many titles there are
/// says nothing about the channels.
fn splats(both: &[(Point, &CellSummary, &CellSummary)], options: Options) -> Vec<ComparedSplat> {
    let (mut places, mut pairs) = (Vec::new(), Vec::new());
    for (point, base, candidate) in both {
        let [in_base, in_candidate] =
            [base, candidate].map(|cell| cell.unexpected_splats().collect::<BTreeMap<_, _>>());
        let titles: BTreeSet<&str> = in_base.keys().chain(in_candidate.keys()).copied().collect();
        for title in titles {
            let logged = |cell: &CellSummary, titles: &BTreeMap<&str, u32>| LoggedBy {
                trials: titles.get(title).copied().unwrap_or_default(),
                of: cell.counted(),
            };
            let (base, candidate) = (logged(base, &in_base), logged(candidate, &in_candidate));
            if u64::from(base.trials) * u64::from(candidate.of) == u64::from(candidate.trials) * u64::from(base.of) {
                continue;
            }
            // The good outcome is that it is not logged.
            let side = |LoggedBy { trials, of }: LoggedBy| {
                let share = Proportion::new(of.saturating_sub(trials), of).unwrap_or_default();
                Clusters::new(share, std::iter::empty())
            };
            pairs.push(Pair { base: side(base), candidate: side(candidate) });
            places.push((point.clone(), title.to_owned(), base, candidate));
        }
    }
    let p_values = p_values(&pairs, options.evidence);
    let each = places.into_iter().zip(&pairs).zip(p_values);
    each.map(|(((point, title, base, candidate), pair), p_values)| {
        let PValues { raw, adjusted } = p_values.unwrap_or(PValues { raw: 1.0, adjusted: 1.0 });
        let verdict = pair.verdict(adjusted, options);
        ComparedSplat { point, title, base, candidate, p_value: raw, p_adjusted: adjusted, verdict }
    })
    .collect()
}

/// The points that a side skipped: the base's, and then those of the candidate alone.
fn skipped(base: &[CellSummary], candidate: &[CellSummary]) -> Vec<SkippedPoint> {
    let mut skipped: Vec<SkippedPoint> = Vec::new();
    for cell in base.iter().filter(|cell| cell.skipped.is_some()) {
        skipped.push(SkippedPoint { point: Point::of(cell), base: cell.skipped.clone(), candidate: None });
    }
    for cell in candidate.iter().filter(|cell| cell.skipped.is_some()) {
        let point = Point::of(cell);
        match skipped.iter_mut().find(|known| known.point == point) {
            Some(known) => known.candidate.clone_from(&cell.skipped),
            None => skipped.push(SkippedPoint { point, base: None, candidate: cell.skipped.clone() }),
        }
    }
    skipped
}

/// What Benjamini and Hochberg multiply the p-value with of which one more test is to be rejected, if the others stay
/// as they are.
fn factor(p_values: &[Option<PValues>], options: Options) -> f64 {
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let tested = p_values.iter().flatten().count();
    let rejected = p_values.iter().flatten().filter(|both| both.adjusted < options.alpha).count();
    count(tested) / (count(rejected) + 1.0)
}

/// One channel of one cell, decided.
fn compared(
    (point, channel): (Point, Channel),
    pair: &Pair,
    p_values: Option<PValues>,
    factor: f64,
    options: Options,
) -> ComparedCell {
    let share = |seen: &Clusters| {
        let (all, ci95) = (seen.pooled(), options.evidence.share(seen));
        Share { n: all.of(), saved: all.hits(), ci95, between_templates: seen.between() }
    };
    let PValues { raw, adjusted } = p_values.unwrap_or(PValues { raw: 1.0, adjusted: 1.0 });
    let verdict = pair.verdict(adjusted, options);
    ComparedCell {
        point,
        channel,
        base: share(&pair.base),
        candidate: share(&pair.candidate),
        difference: pair.difference(),
        difference_ci95: pair.interval(options.evidence),
        p_value: raw,
        p_adjusted: adjusted,
        verdict,
        trials_to_decide: match verdict {
            Verdict::Undecided => trials_to_decide(pair, factor, options),
            _ => None,
        },
    }
}

impl Point {
    /// That of a cell.
    pub(super) fn of(cell: &CellSummary) -> Self {
        Self { scenario: cell.key.scenario.clone(), params: cell.key.params.clone() }
    }
}

impl fmt::Display for Point {
    /// `panic-during-oops-dump hold=300ms post_notifiers=0`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scenario)?;
        self.params.iter().try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

fn by_point<'a>(cells: &[&'a CellSummary]) -> Result<BTreeMap<Point, &'a CellSummary>, Error> {
    let mut by_point = BTreeMap::new();
    for &cell in cells {
        let point = Point::of(cell);
        if by_point.contains_key(&point) {
            return Err(Error::Twice { cell: point.to_string() });
        }
        by_point.insert(point, cell);
    }
    Ok(by_point)
}
