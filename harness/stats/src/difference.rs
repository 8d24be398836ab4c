//! The difference `candidate − base` of two independent shares: its score test, and the interval that comes of it.

use super::bounds::boundary;
use super::interval::Z;
use super::likeliest::likeliest;
use super::{Effective, Interval};

/// The likeliest shares, base and candidate, among those with `candidate − base = difference`; `None` if no two shares
/// differ by so much.
///
/// The root of a cubic in closed form (O. Miettinen, M. Nurminen, "Comparative analysis of two rates", Statistics in
/// Medicine 4 (1985), appendix 1). Where roots lie close together the form loses half its digits, and at the ends all
/// of them, so it is only where Newton's method starts.
pub(super) fn restricted(base: Effective, candidate: Effective, difference: f64) -> Option<[f64; 2]> {
    let derivatives = |[share, other]: [f64; 2]| {
        let slope = slope(base, share) + slope(candidate, other);
        (slope, bend(base, share) + bend(candidate, other))
    };
    likeliest(difference, || closed_form(base, candidate, difference), derivatives)
}

/// The slope of the log-likelihood of a share.
fn slope(seen: Effective, share: f64) -> f64 {
    per(seen.hits(), share) - per(seen.misses(), 1.0 - share)
}

/// The curvature of the log-likelihood of a share, downwards.
fn bend(seen: Effective, share: f64) -> f64 {
    per(seen.hits(), share * share) + per(seen.misses(), (1.0 - share) * (1.0 - share))
}

/// A quotient that is 0 if the count is, whatever it is divided by.
pub(super) fn per(count: f64, by: f64) -> f64 {
    if count > 0.0 { count / by } else { 0.0 }
}

/// The base's share by the formula, in the paper's letters.
fn closed_form(base: Effective, candidate: Effective, difference: f64) -> f64 {
    let (n, n_base) = (base.of() + candidate.of(), base.of());
    let (hits, hits_base) = (base.hits() + candidate.hits(), base.hits());
    let l2 = (n + n_base) * difference - n - hits;
    let l1 = (n_base * difference - n - 2.0 * hits_base) * difference + hits;
    let l0 = hits_base * difference * (1.0 - difference);
    let third = l2 / (3.0 * n);
    let q = third.powi(3) - l1 * l2 / (6.0 * n * n) + l0 / (2.0 * n);
    let p = (third * third - l1 / (3.0 * n)).sqrt().copysign(q);
    let angle = (std::f64::consts::PI + (q / p.powi(3)).clamp(-1.0, 1.0).acos()) / 3.0;
    2.0 * p * angle.cos() - third
}

/// The score statistic, about standard normal if `candidate − base` truly is `difference`: how much higher the observed
/// difference is, in standard errors at the likeliest shares that differ by so much. With Miettinen and Nurminen's
/// factor `N / (N − 1)` on the variance. Infinite for what cannot be.
fn score(base: Effective, candidate: Effective, difference: f64) -> f64 {
    let (Some(p_base), Some(p_candidate)) = (base.share(), candidate.share()) else { return 0.0 };
    let more = p_candidate - p_base - difference;
    let Some([p_base, p_candidate]) = restricted(base, candidate, difference) else {
        return f64::INFINITY.copysign(more);
    };
    let (n_base, n_candidate) = (base.of(), candidate.of());
    let n = n_base + n_candidate;
    let variance = p_base * (1.0 - p_base) / n_base + p_candidate * (1.0 - p_candidate) / n_candidate;
    if more == 0.0 { 0.0 } else { more / (variance * n / (n - 1.0)).sqrt() }
}

/// Whether the 95 % score interval of `candidate − base` leaves this difference out.
pub fn score_excludes(base: impl Into<Effective>, candidate: impl Into<Effective>, difference: f64) -> bool {
    score(base.into(), candidate.into(), difference).abs() > Z
}

/// The two-sided p-value of the score test that both shares are the same; 1 if either is a share of nothing.
///
/// What Boschloo's exact test tends to with many trials, at no cost.
pub fn score_p(base: impl Into<Effective>, candidate: impl Into<Effective>) -> f64 {
    libm::erfc(score(base.into(), candidate.into(), 0.0).abs() / std::f64::consts::SQRT_2)
}

/// Miettinen and Nurminen's score interval (95 %) of the difference `candidate − base` of two independent shares;
/// `[-1, 1]` if either is a share of nothing.
///
/// O. Miettinen, M. Nurminen, "Comparative analysis of two rates", Statistics in Medicine 4 (1985). Unlike Newcombe's
/// it belongs to a test: it leaves out a margin just when the score test refutes it.
pub fn miettinen_nurminen(base: impl Into<Effective>, candidate: impl Into<Effective>) -> Interval {
    let (base, candidate) = (base.into(), candidate.into());
    let (Some(p_base), Some(p_candidate)) = (base.share(), candidate.share()) else {
        return Interval { lo: -1.0, hi: 1.0 };
    };
    let left_out = |difference| score_excludes(base, candidate, difference);
    let seen = p_candidate - p_base;
    Interval { lo: boundary(seen, -1.0, left_out), hi: boundary(seen, 1.0, left_out) }
}
