//! Evidence that stays valid however often one looks, and whenever one stops.
//!
//! An e-value is what a bettor would have made of 1 by betting on the trials, one after the other, if the hypothesis
//! were the bookmaker: the likelihood of the trials under a mixture of shares chosen beforehand, over the largest one
//! the hypothesis can reach. If the hypothesis holds, its mean is at most 1 at whatever trial one stops, and the
//! probability that it ever reaches 1/α is at most α (Ville's inequality). Which side the next trial goes to may depend
//! on all that was seen before.
//!
//! L. Wasserman, A. Ramdas, S. Balakrishnan, "Universal inference", PNAS 117 (2020), with a mixture for numerator.
//! Since trials of one side are alike, the e-value depends on the counts alone: a run may be resumed and prolonged.

use super::bounds::boundary;
use super::difference::restricted;
use super::{Interval, Proportion};

/// ln 20: an e-value of 20 is evidence at 5 %.
const LN_20: f64 = 2.995_732_273_553_991;

/// The probability the mixture gives to "never", and to "always". Crashes are mostly like that: a channel keeps
/// everything or nothing, and these cases are then found after a handful of trials, at the cost of a factor of 2 a side
/// in the others.
const ALL_OR_NONE: f64 = 0.25;

/// The logarithm of the probability of one sequence with these counts, if the share is drawn from a mixture: 0 or 1,
/// each with probability ¼, else from Jeffreys's Beta(½, ½).
fn ln_mixture(seen: Proportion) -> f64 {
    let (hits, misses) = (f64::from(seen.hits()), f64::from(seen.misses()));
    let ln_between = libm::lgamma(hits + 0.5) + libm::lgamma(misses + 0.5)
        - libm::lgamma(hits + misses + 1.0)
        // B(½, ½) = π
        - std::f64::consts::PI.ln()
        + (1.0 - 2.0 * ALL_OR_NONE).ln();
    let ends = f64::from(u8::from(seen.hits() == 0) + u8::from(seen.misses() == 0)) * ALL_OR_NONE;
    // What lies between is never more than 1, so this does not overflow; nothing is lost if it underflows.
    if ends > 0.0 { (ends + ln_between.exp()).ln() } else { ln_between }
}

/// The logarithm of the probability of one sequence with these counts at this share.
fn ln_likelihood(seen: Proportion, share: f64) -> f64 {
    let part = |count: u32, ln: f64| if count == 0 { 0.0 } else { f64::from(count) * ln };
    part(seen.hits(), share.ln()) + part(seen.misses(), (-share).ln_1p())
}

/// The logarithm of the e-value against `candidate − base = difference`; infinite for what cannot be.
pub fn ln_e_value(base: Proportion, candidate: Proportion, difference: f64) -> f64 {
    let Some([p_base, p_candidate]) = restricted(base, candidate, difference) else { return f64::INFINITY };
    ln_mixture(base) + ln_mixture(candidate) - ln_likelihood(base, p_base) - ln_likelihood(candidate, p_candidate)
}

/// A p-value of the hypothesis that both shares are the same, valid at any time: one over the e-value. 1 of nothing.
pub fn anytime_p(base: Proportion, candidate: Proportion) -> f64 {
    (-ln_e_value(base, candidate, 0.0)).exp().min(1.0)
}

/// Whether the 95 % confidence sequence of `candidate − base` leaves this difference out.
pub fn sequence_excludes(base: Proportion, candidate: Proportion, difference: f64) -> bool {
    ln_e_value(base, candidate, difference) >= LN_20
}

/// The confidence sequence (95 %) of the difference `candidate − base`: with this probability it holds the true one
/// after *every* trial. `[-1, 1]` if either is a share of nothing.
///
/// The differences whose e-value is below 20; an interval, since the restricted log-likelihood is concave.
pub fn difference_sequence(base: Proportion, candidate: Proportion) -> Interval {
    let (Some(p_base), Some(p_candidate)) = (base.share(), candidate.share()) else {
        return Interval { lo: -1.0, hi: 1.0 };
    };
    let left_out = |difference| sequence_excludes(base, candidate, difference);
    let seen = p_candidate - p_base;
    Interval { lo: boundary(seen, -1.0, left_out), hi: boundary(seen, 1.0, left_out) }
}

/// The confidence sequence (95 %) of one share: with this probability it holds the true one after *every* trial.
/// `[0, 1]` of nothing.
pub fn share_sequence(seen: Proportion) -> Interval {
    let Some(share) = seen.share() else { return Interval { lo: 0.0, hi: 1.0 } };
    let ln_mixture = ln_mixture(seen);
    let left_out = |share| ln_mixture - ln_likelihood(seen, share) >= LN_20;
    Interval { lo: boundary(share, 0.0, left_out), hi: boundary(share, 1.0, left_out) }
}
