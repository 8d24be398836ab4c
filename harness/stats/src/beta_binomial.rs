//! The likelihood of trials that come in templates: each template has a share of its own, drawn from a beta
//! distribution, and so two trials of one template are correlated.
//!
//! With the mean share p and the correlation ρ, the probability of one sequence with h hits and m misses in a template is
//!
//! ```text
//!  (p̃)(p̃ + ρ) … (p̃ + (h − 1)ρ) · (q̃)(q̃ + ρ) … (q̃ + (m − 1)ρ)       p̃ = p(1 − ρ), q̃ = (1 − p)(1 − ρ)
//!  ───────────────────────────────────────────────────────────
//!         (1 − ρ)(1)(1 + ρ) … (1 − ρ + (h + m − 1)ρ)
//! ```
//! At ρ = 0 that is the binomial, and at every ρ its logarithm is concave in p. J. G. Skellam, "A probability
//! distribution derived from the binomial distribution by regarding the probability of success as variable between the
//! sets of trials", J. R. Statist. Soc. B 10 (1948).

use super::difference::per;
use super::{Clusters, Proportion};

/// The likelihood of one side as a function of p and ρ.
#[derive(Debug, Clone)]
pub(super) struct BetaBinomial {
    /// Factors p̃ + jρ.
    hits: Factors,
    /// Factors q̃ + jρ.
    misses: Factors,
    /// Divisors 1 − ρ + jρ.
    trials: Factors,
    /// Templates that have both hits and misses.
    mixed: f64,
}

/// How often each factor occurs: `first` with j = 0; and of those with j ≥ 1 stretches `(from, until, count)`.
#[derive(Debug, Clone)]
struct Factors {
    first: f64,
    stretches: Vec<(u32, u32, f64)>,
}

impl Factors {
    /// The factors of templates with these `counts` of hits, misses or trials, and of `apart` trials that each have a
    /// template of their own.
    fn of(apart: u32, counts: impl Iterator<Item = u32>) -> Self {
        let mut counts: Vec<u32> = counts.filter(|&count| count > 0).collect();
        counts.sort_unstable();
        let mut left = f64::from(u32::try_from(counts.len()).unwrap_or(u32::MAX));
        let mut factors = Self { first: f64::from(apart) + left, stretches: Vec::new() };
        let mut from = 1;
        for count in counts {
            if count > from {
                factors.stretches.push((from, count, left));
                from = count;
            }
            left -= 1.0;
        }
        factors
    }

    /// The sum of `each(j)` over all factors with j ≥ 1.
    fn sum(&self, each: impl Fn(f64) -> f64) -> f64 {
        let stretch =
            |&(from, until, count): &(u32, u32, f64)| count * (from..until).map(|j| each(f64::from(j))).sum::<f64>();
        self.stretches.iter().map(stretch).sum()
    }
}

impl BetaBinomial {
    pub(super) fn of(seen: &Clusters) -> Self {
        let templates = || seen.templates().iter();
        let mixed = templates().filter(|seen| seen.hits() > 0 && seen.misses() > 0).count();
        Self {
            hits: Factors::of(seen.apart().hits(), templates().map(|seen| seen.hits())),
            misses: Factors::of(seen.apart().misses(), templates().map(|seen| seen.misses())),
            trials: Factors::of(seen.apart().of(), templates().map(|seen| seen.of())),
            mixed: f64::from(u32::try_from(mixed).unwrap_or(u32::MAX)),
        }
    }

    /// The logarithm of the probability of one sequence with these counts.
    pub(super) fn ln(&self, share: f64, icc: f64) -> f64 {
        let own = 1.0 - icc;
        let (hit, miss) = (share * own, (1.0 - share) * own);
        xlogy(self.hits.first, share.ln())
            + xlogy(self.misses.first, (-share).ln_1p())
            + xlogy(self.mixed, own.ln())
            + self.hits.sum(|j| (hit + j * icc).ln())
            + self.misses.sum(|j| (miss + j * icc).ln())
            - self.trials.sum(|j| ((j - 1.0) * icc).ln_1p())
    }

    /// The slope of that along the share, and its curvature, downwards.
    pub(super) fn along_share(&self, share: f64, icc: f64) -> (f64, f64) {
        let own = 1.0 - icc;
        let (rest, hit, miss) = (1.0 - share, share * own, (1.0 - share) * own);
        let slope = per(self.hits.first, share) - per(self.misses.first, rest)
            + self.hits.sum(|j| own / (hit + j * icc))
            - self.misses.sum(|j| own / (miss + j * icc));
        let bend = per(self.hits.first, share * share)
            + per(self.misses.first, rest * rest)
            + self.hits.sum(|j| (own / (hit + j * icc)).powi(2))
            + self.misses.sum(|j| (own / (miss + j * icc)).powi(2));
        (slope, bend)
    }

    /// The correlation of at most `most` at which it is largest, at this share.
    pub(super) fn likeliest_icc(&self, share: f64, most: f64) -> f64 {
        /// Looked at first, evenly in the root of the correlation.
        const POINTS: u32 = 8;
        let point = |step: u32| most * (f64::from(step.min(POINTS)) / f64::from(POINTS)).powi(2);
        let best = (0..=POINTS).max_by(|&a, &b| self.ln(share, point(a)).total_cmp(&self.ln(share, point(b))));
        let best = best.unwrap_or_default();
        self.peak(share, point(best.saturating_sub(1)), point(best + 1))
    }

    /// Where it is largest between two correlations: the interval that holds it is cut by the golden section.
    fn peak(&self, share: f64, mut low: f64, mut high: f64) -> f64 {
        /// 0.618¹⁶ of the interval is left: so close to the peak nothing changes that shows.
        const CUTS: u32 = 16;
        const GOLDEN: f64 = 0.618_033_988_749_894_9;
        let value = |icc: f64| self.ln(share, icc);
        let (ends, mut inner) = ([low, high], [high - GOLDEN * (high - low), low + GOLDEN * (high - low)]);
        let mut values = inner.map(value);
        for _ in 0..CUTS {
            if values[0] >= values[1] {
                high = inner[1];
                inner = [high - GOLDEN * (high - low), inner[0]];
                values = [value(inner[0]), values[0]];
            } else {
                low = inner[0];
                inner = [inner[1], low + GOLDEN * (high - low)];
                values = [values[1], value(inner[1])];
            }
        }
        // The ends belong to it, and there is the peak of many.
        let candidates = [ends[0], f64::midpoint(low, high), ends[1]];
        candidates.into_iter().max_by(|&a, &b| value(a).total_cmp(&value(b))).unwrap_or(low)
    }
}

/// The probability that the next trial of a template is a hit, by those that were `seen` of it: drawn one by one with this
/// probability (Pólya's urn), the trials of a template are as if it had a share of its own from that beta distribution.
pub fn next_hit(share: f64, icc: f64, seen: Proportion) -> f64 {
    (share * (1.0 - icc) + f64::from(seen.hits()) * icc) / (1.0 - icc + f64::from(seen.of()) * icc)
}

/// `count` times a logarithm: nothing of what never happened matters, even if it is impossible.
pub fn xlogy(count: f64, ln: f64) -> f64 {
    if count > 0.0 { count * ln } else { 0.0 }
}
