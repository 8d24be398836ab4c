//! How far the shares of templates lie apart, within one kernel or in several of them.

use super::walk::{around_mode, float};
use super::{Clusters, Proportion};

/// Shuffled tables, at most.
const SHUFFLES: u32 = 1999;

/// After this many shuffled tables as extreme as the one that was seen, no more are drawn: the p-value is large.
const ENOUGH: u32 = 50;

/// Sums that differ by no more than this share are the same.
const TIE: f64 = 1e-9;

/// The intraclass correlation by the analysis of variance, of all strata together: each has a share of its own. 0 to 1;
/// `None` if no stratum has two templates, or no template two trials. Trials without a template play no part.
///
/// M. S. Ridout, C. G. B. Demétrio, D. Firth, "Estimating intraclass correlation for binary data", Biometrics 55 (1999).
pub fn intraclass(strata: &[&Clusters]) -> Option<f64> {
    let (mut between, mut within) = (Squares::default(), Squares::default());
    let mut size = 0.0;
    for templates in strata.iter().map(|stratum| stratum.templates()).filter(|templates| templates.len() > 1) {
        let all = sum(templates);
        let n = f64::from(all.of());
        let share = all.share().unwrap_or_default();
        for seen in templates {
            let (of, own) = (f64::from(seen.of()), seen.share().unwrap_or_default());
            between.sum += of * (own - share).powi(2);
            within.sum += of * own * (1.0 - own);
            within.freedom += of - 1.0;
            size += of * (1.0 - of / n);
        }
        between.freedom += float(templates.len() as u64) - 1.0;
    }
    if between.freedom <= 0.0 || within.freedom <= 0.0 {
        return None;
    }
    let (between, within, size) = (between.mean(), within.mean(), size / between.freedom);
    let all = between + (size - 1.0) * within;
    let icc = if all > 0.0 { (between - within) / all } else { 0.0 };
    // What is 0 but for the rounding of a double is 0.
    Some(if icc > TIE { icc.min(1.0) } else { 0.0 })
}

/// A sum of squares, and its degrees of freedom.
#[derive(Default)]
struct Squares {
    sum: f64,
    freedom: f64,
}

impl Squares {
    fn mean(&self) -> f64 {
        self.sum / self.freedom
    }
}

/// The p-value of the hypothesis that in each stratum the templates' shares differ by chance alone; 1 if there are no
/// two to compare.
///
/// Given how many trials each template has and how many of all a stratum's are hits, every distribution of the hits over
/// the trials is then as probable as any other. Pearson's X², summed over the strata, is compared with that of tables
/// which are drawn in this way: counts are too small for its limit. The generator's seed is fixed, so the same counts
/// have the same p-value. Where as many as `ENOUGH` are as extreme, no more are drawn: J. Besag, P. Clifford,
/// "Sequential Monte Carlo p-values", Biometrika 78 (1991).
pub fn dispersion_p(strata: &[&Clusters]) -> f64 {
    let strata: Vec<&[Proportion]> = strata.iter().map(|stratum| stratum.templates()).filter(|it| varies(it)).collect();
    if strata.is_empty() {
        return 1.0;
    }
    let tables: Vec<Table> = strata.into_iter().map(Table::of).collect();
    let seen: f64 = tables.iter().map(Table::seen).sum();
    let mut rng = fastrand::Rng::with_seed(0);
    let mut extreme = 0;
    for drawn in 1..=SHUFFLES {
        let shuffled: f64 = tables.iter().map(|table| table.shuffled(&mut rng)).sum();
        extreme += u32::from(shuffled >= seen * (1.0 - TIE));
        if extreme == ENOUGH {
            return f64::from(extreme) / f64::from(drawn);
        }
    }
    f64::from(extreme + 1) / f64::from(SHUFFLES + 1)
}

/// Whether there are two templates, and trials of both outcomes.
fn varies(templates: &[Proportion]) -> bool {
    let all = sum(templates);
    templates.len() > 1 && all.hits() > 0 && all.misses() > 0
}

fn sum(templates: &[Proportion]) -> Proportion {
    templates.iter().fold(Proportion::default(), |sum, seen| sum.plus(*seen))
}

/// The templates of a stratum, with trials of both outcomes.
struct Table<'a> {
    templates: &'a [Proportion],
    all: Proportion,
    share: f64,
}

impl<'a> Table<'a> {
    fn of(templates: &'a [Proportion]) -> Self {
        let all = sum(templates);
        Self { templates, all, share: all.share().unwrap_or_default() }
    }

    /// What a template with `hits` hits of `of` trials adds to Pearson's X².
    fn square(&self, hits: u64, of: u64) -> f64 {
        (float(hits) - float(of) * self.share).powi(2) / (float(of) * self.share * (1.0 - self.share))
    }

    /// Pearson's X².
    fn seen(&self) -> f64 {
        self.templates.iter().map(|seen| self.square(seen.hits().into(), seen.of().into())).sum()
    }

    /// That of a table in which all hits are dealt anew to the trials of all templates.
    fn shuffled(&self, rng: &mut fastrand::Rng) -> f64 {
        let (mut hits, mut trials) = (u64::from(self.all.hits()), u64::from(self.all.of()));
        let mut deal = |seen: &Proportion| {
            let own = u64::from(seen.of());
            trials -= own;
            let dealt = drawn(hits, own, trials, rng);
            hits -= dealt;
            self.square(dealt, own)
        };
        self.templates.iter().map(&mut deal).sum()
    }
}

/// A number from the hypergeometric distribution: of `own + rest` trials `hits` are hits, and `own` are drawn.
fn drawn(hits: u64, own: u64, rest: u64, rng: &mut fastrand::Rng) -> u64 {
    let (lowest, highest) = (hits.saturating_sub(rest), hits.min(own));
    let mode = u128::from(own + 1) * u128::from(hits + 1) / u128::from(own + rest + 2);
    let mode = u64::try_from(mode).unwrap_or(highest).clamp(lowest, highest);
    let up = |k: u64| float(own - k) * float(hits - k) / (float(k + 1) * float(rest + k + 1 - hits));
    let mut all = 0.0;
    around_mode([lowest, mode, highest], up, |_, weight| all += weight);
    let (target, mut sum, mut found) = (all * rng.f64(), 0.0, None);
    around_mode([lowest, mode, highest], up, |k, weight| {
        sum += weight;
        if sum > target {
            found.get_or_insert(k);
        }
    });
    found.unwrap_or(mode)
}
