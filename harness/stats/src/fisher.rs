//! Fisher's exact test of two shares, one-sided.

use super::Proportion;
use super::walk::{around_mode, far_below, float};

/// The one-sided p-value of the hypothesis that `a`'s share is no lower than `b`'s: the probability, all margins of the
/// table held fixed, that `a` has as few hits as seen or fewer. Below what a double can hold it is 0.
///
/// R. A. Fisher, "The design of experiments" (1935).
pub fn fisher_lower(a: Proportion, b: Proportion) -> f64 {
    let hits = u64::from(a.hits()) + u64::from(b.hits());
    lower_tail(u64::from(a.hits()), hits, u64::from(a.of()), u64::from(b.of()))
}

/// The hypergeometric distribution's share at `k` and below: of all `n_a + n_b` trials `hits` are hits, and `n_a` are
/// `a`'s. `k` must be possible.
pub(super) fn lower_tail(k: u64, hits: u64, n_a: u64, n_b: u64) -> f64 {
    let (lowest, highest) = (hits.saturating_sub(n_b), hits.min(n_a));
    let mode = u128::from(n_a + 1) * u128::from(hits + 1) / u128::from(n_a + n_b + 2);
    let mode = u64::try_from(mode).unwrap_or(highest).clamp(lowest, highest);
    let up = |k: u64| float(n_a - k) * float(hits - k) / (float(k + 1) * float(n_b + k + 1 - hits));
    if k < mode {
        return far_below([lowest, mode, highest], up, k);
    }
    let (mut below, mut above) = (0.0, 0.0);
    around_mode([lowest, mode, highest], up, |at, weight| if at <= k { below += weight } else { above += weight });
    below / (below + above)
}
