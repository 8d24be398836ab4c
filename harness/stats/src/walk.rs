//! Sums over distributions of counts that rise to a mode and fall from there.
//!
//! Weights are relative to the mode's, by the ratio of neighbours: no factorials, so nothing overflows and little is
//! rounded.

/// Below this share of a sum what follows does not change it.
const NEGLIGIBLE: f64 = 1e-17;

/// Calls `add(k, weight)` for the mode, of weight 1, and outwards from it as far as weights matter beside it. `up(k)`
/// is weight(k + 1) / weight(k).
pub(super) fn around_mode([lowest, mode, highest]: [u64; 3], up: impl Fn(u64) -> f64, mut add: impl FnMut(u64, f64)) {
    add(mode, 1.0);
    let mut weight = 1.0;
    for k in mode..highest {
        weight *= up(k);
        if weight < NEGLIGIBLE {
            break;
        }
        add(k + 1, weight);
    }
    weight = 1.0;
    for k in (lowest..mode).rev() {
        weight /= up(k);
        if weight < NEGLIGIBLE {
            break;
        }
        add(k, weight);
    }
}

/// The share of all weights that lies at `end` and below, `end` below the mode; 0 if a double cannot hold it.
pub(super) fn far_below([lowest, mode, highest]: [u64; 3], up: impl Fn(u64) -> f64, end: u64) -> f64 {
    let (mut tail, mut weight) = (0.0, 1.0);
    for k in (lowest..mode).rev() {
        weight /= up(k);
        // A number below the smallest normal one may be rounded back to itself for ever.
        if weight < f64::MIN_POSITIVE {
            break;
        }
        if k <= end {
            tail += weight;
            if weight < NEGLIGIBLE * tail {
                break;
            }
        }
    }
    let mut all = 0.0;
    around_mode([lowest, mode, highest], up, |_, weight| all += weight);
    tail / all
}

/// Counts here are sums of two `u32`, which a double holds exactly.
#[allow(clippy::cast_precision_loss)]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
