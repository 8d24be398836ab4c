//! Evidence that stays valid however often one looks, and whenever one stops.
//!
//! An e-value is what a bettor would have made of 1 by betting on the trials, one after the other, if the hypothesis
//! were the bookmaker: the likelihood of the trials under a mixture of shares chosen beforehand, over the largest one
//! the hypothesis can reach. If the hypothesis holds, its mean is at most 1 at whatever trial one stops, and the
//! probability that it ever reaches 1/α is at most α (Ville's inequality). Which side the next trial goes to may depend
//! on all that was seen before, and so may its template.
//!
//! L. Wasserman, A. Ramdas, S. Balakrishnan, "Universal inference", PNAS 117 (2020), with a mixture for numerator.
//! Since the trials of one side and template are alike, the e-value depends on the counts alone: a run may be resumed
//! and prolonged.
//!
//! The hypothesis says nothing of how alike the trials of one template are, but that their correlation is at most
//! [`MOST_ICC`]: its largest likelihood is that over all shares and all such correlations. Once templates differ by more
//! than chance, it is that over all correlations. The e-value is only made smaller by that, and so it stays one.

use std::cell::OnceCell;

use super::beta_binomial::{BetaBinomial, xlogy};
use super::bounds::boundary;
use super::difference::restricted;
use super::likeliest::likeliest;
use super::mixture::ln_mixture;
use super::{Clusters, Interval, Proportion};

/// ln 20: an e-value of 20 is evidence at 5 %.
pub(super) const LN_20: f64 = 2.995_732_273_553_991;

/// The largest correlation of a template's trials at which the evidence is sure to hold, of templates that are not seen
/// to differ: of two trials of one template, one is then decided by the boot, and not by itself, in 5 % of the cases.
pub const MOST_ICC: f64 = 0.05;

/// The logarithm of the probability of one sequence with these counts at this share.
pub(super) fn ln_likelihood(seen: Proportion, share: f64) -> f64 {
    xlogy(f64::from(seen.hits()), share.ln()) + xlogy(f64::from(seen.misses()), (-share).ln_1p())
}

/// The e-values against differences of two shares: what does not depend on which difference is asked for.
pub struct EValues<'a> {
    ln_mixtures: f64,
    pooled: [Proportion; 2],
    /// The sides, if on one of them trials of a template are alike.
    clusters: Option<[&'a Clusters; 2]>,
    /// Their likelihoods, and the largest correlation of the hypothesis; made when they are needed.
    clustered: OnceCell<([BetaBinomial; 2], f64)>,
}

impl<'a> EValues<'a> {
    /// Those of two sides.
    pub fn of(base: &'a Clusters, candidate: &'a Clusters) -> Self {
        let sides = [base, candidate];
        let pooled = sides.map(Clusters::pooled);
        let independent = sides.iter().all(|side| side.independent().is_some());
        Self {
            ln_mixtures: ln_mixture(pooled[0].into()) + ln_mixture(pooled[1].into()),
            pooled,
            clusters: (!independent).then_some(sides),
            clustered: OnceCell::new(),
        }
    }

    /// The logarithm of the e-value against `candidate − base = difference`; infinite for what cannot be.
    pub fn ln_e_value(&self, difference: f64) -> f64 {
        let Some(sides) = self.clusters else { return self.ln_independent(difference) };
        let likelihoods = || (sides.map(BetaBinomial::of), most_icc(&sides));
        let (likelihoods, most_icc) = self.clustered.get_or_init(likelihoods);
        let largest = ln_largest(likelihoods, difference, *most_icc);
        largest.map_or(f64::INFINITY, |largest| self.ln_mixtures - largest)
    }

    /// The logarithm of the e-value if all trials were independent. The hypothesis allows for that too, so the e-value
    /// is never larger; and this one takes no time.
    fn ln_independent(&self, difference: f64) -> f64 {
        let [base, candidate] = self.pooled;
        restricted(base.into(), candidate.into(), difference).map_or(f64::INFINITY, |shares| {
            self.ln_mixtures - ln_likelihood(base, shares[0]) - ln_likelihood(candidate, shares[1])
        })
    }

    /// A p-value of the hypothesis that both shares are the same, valid at any time: one over the e-value. 1 of nothing.
    pub fn p_value(&self) -> f64 {
        if self.ln_independent(0.0) <= 0.0 { 1.0 } else { (-self.ln_e_value(0.0)).exp().min(1.0) }
    }

    /// Whether the 95 % confidence sequence of `candidate − base` leaves this difference out.
    pub fn excludes(&self, difference: f64) -> bool {
        self.ln_independent(difference) >= LN_20 && self.ln_e_value(difference) >= LN_20
    }
}

/// The largest correlation that a hypothesis on these sides may have.
fn most_icc(sides: &[&Clusters]) -> f64 {
    if sides.iter().any(|side| side.differ()) { 1.0 } else { MOST_ICC }
}

/// The logarithm of the largest likelihood of two shares that differ by so much, with a correlation of up to `most_icc`
/// on each side; `None` if no two shares differ by so much.
///
/// Shares and correlations are made the likeliest in turn, until that changes nothing. With the correlations held, the
/// likelihood is concave.
fn ln_largest(sides: &[BetaBinomial; 2], difference: f64, most_icc: f64) -> Option<f64> {
    /// A handful is enough.
    const ROUNDS: u32 = 30;
    const NOTHING: f64 = 1e-7;
    let [base, candidate] = sides;
    let mut iccs = [0.0, 0.0];
    let (mut largest, mut start) = (f64::NEG_INFINITY, 0.5);
    for _ in 0..ROUNDS {
        let derivatives = |shares: [f64; 2]| {
            let (slope, bend) = base.along_share(shares[0], iccs[0]);
            let (other_slope, other_bend) = candidate.along_share(shares[1], iccs[1]);
            (slope + other_slope, bend + other_bend)
        };
        let shares = likeliest(difference, || start, derivatives)?;
        start = shares[0];
        iccs = [base.likeliest_icc(shares[0], most_icc), candidate.likeliest_icc(shares[1], most_icc)];
        let found = base.ln(shares[0], iccs[0]) + candidate.ln(shares[1], iccs[1]);
        if found <= largest + NOTHING {
            return Some(largest.max(found));
        }
        largest = found;
    }
    Some(largest)
}

/// The logarithm of the largest likelihood of one share, with a correlation of up to `most_icc`; found in the same way.
pub(super) fn ln_largest_of_one(seen: &Clusters, most_icc: f64) -> f64 {
    const ROUNDS: u32 = 30;
    const NOTHING: f64 = 1e-7;
    let side = BetaBinomial::of(seen);
    let (mut icc, mut start, mut largest) = (0.0, 0.5, f64::NEG_INFINITY);
    for _ in 0..ROUNDS {
        let Some([share, _]) = likeliest(0.0, || start, |shares| side.along_share(shares[0], icc)) else { break };
        (start, icc) = (share, side.likeliest_icc(share, most_icc));
        let found = side.ln(share, icc);
        if found <= largest + NOTHING {
            return largest.max(found);
        }
        largest = found;
    }
    largest
}

/// The confidence sequence (95 %) of the difference `candidate − base`: with this probability it holds the true one
/// after *every* trial. `[-1, 1]` if either is a share of nothing.
///
/// The differences whose e-value is below 20: an interval at each correlation, since the restricted log-likelihood is
/// concave.
pub fn difference_sequence(base: &Clusters, candidate: &Clusters) -> Interval {
    let (Some(p_base), Some(p_candidate)) = (base.pooled().share(), candidate.pooled().share()) else {
        return Interval { lo: -1.0, hi: 1.0 };
    };
    let e_values = EValues::of(base, candidate);
    let left_out = |difference| e_values.excludes(difference);
    let seen = p_candidate - p_base;
    Interval { lo: boundary(seen, -1.0, left_out), hi: boundary(seen, 1.0, left_out) }
}

/// The confidence sequence (95 %) of one share: with this probability it holds the true one after *every* trial.
/// `[0, 1]` of nothing.
pub fn share_sequence(seen: &Clusters) -> Interval {
    let all = seen.pooled();
    let Some(share) = all.share() else { return Interval { lo: 0.0, hi: 1.0 } };
    let ln_mixture = ln_mixture(all.into());
    let clustered = seen.independent().is_none().then(|| (BetaBinomial::of(seen), most_icc(&[seen])));
    let left_out = |share| {
        let refuted = |ln_likelihood| ln_mixture - ln_likelihood >= LN_20;
        let most =
            |(likelihood, most): &(BetaBinomial, f64)| likelihood.ln(share, likelihood.likeliest_icc(share, *most));
        refuted(ln_likelihood(all, share)) && clustered.as_ref().is_none_or(|clustered| refuted(most(clustered)))
    };
    Interval { lo: boundary(share, 0.0, left_out), hi: boundary(share, 1.0, left_out) }
}
