//! Fisher's exact test of two shares.

use super::Proportion;

/// Two outcomes count as equally likely when their weights differ by no more than this share: the same rule as R's
/// `fisher.test`, far above the rounding of the products below and far below any real difference.
const TIE: f64 = 1e-7;

/// The two-sided p-value of the hypothesis that both shares are the same; 1 if either is a share of nothing.
///
/// With all margins held fixed, the probability of a table no likelier than the one seen (R. A. Fisher's exact test, in
/// the two-sided form of R and `SciPy`). A p-value below what a double can hold is 0.
pub fn fisher(a: Proportion, b: Proportion) -> f64 {
    let (n_a, n_b) = (u64::from(a.of()), u64::from(b.of()));
    let hits = u64::from(a.hits()) + u64::from(b.hits());
    let (lowest, highest) = (hits.saturating_sub(n_b), hits.min(n_a));
    let mode = u128::from(n_a + 1) * u128::from(hits + 1) / u128::from(n_a + n_b + 2);
    let mode = u64::try_from(mode).unwrap_or(highest).clamp(lowest, highest);

    // Weights relative to the likeliest table, by the ratio of neighbours: no factorials, so nothing overflows and
    // little is rounded. `up(k)` is weight(k + 1) / weight(k).
    let up = |k: u64| float(n_a - k) * float(hits - k) / (float(k + 1) * float(n_b + k + 1 - hits));
    let above = walk(mode..highest, up);
    let below = walk((lowest..mode).rev(), |k| up(k).recip());

    let seen = u64::from(a.hits());
    let seen_weight = match seen.abs_diff(mode) {
        0 => Some(1.0),
        steps => side(if seen > mode { &above } else { &below }, steps),
    };
    // A weight that was not reached is too small to count, and so is all that is no likelier.
    let Some(seen_weight) = seen_weight else { return 0.0 };

    let weights = || below.iter().rev().chain([&1.0]).chain(&above);
    let total: f64 = weights().sum();
    let unlikelier: f64 = weights().filter(|&&weight| weight <= seen_weight * (1.0 + TIE)).sum();
    unlikelier / total
}

/// The weights met on the way from the mode outwards, until they vanish: a number below the smallest normal one may be
/// rounded back to itself for ever.
fn walk(steps: impl Iterator<Item = u64>, ratio: impl Fn(u64) -> f64) -> Vec<f64> {
    let mut weight = 1.0;
    steps
        .map_while(|k| {
            weight *= ratio(k);
            (weight >= f64::MIN_POSITIVE).then_some(weight)
        })
        .collect()
}

/// The weight so many steps (from 1) from the mode.
fn side(weights: &[f64], steps: u64) -> Option<f64> {
    weights.get(usize::try_from(steps).ok()?.checked_sub(1)?).copied()
}

/// Counts here are sums of two `u32`, which a double holds exactly.
#[allow(clippy::cast_precision_loss)]
fn float(count: u64) -> f64 {
    count as f64
}
