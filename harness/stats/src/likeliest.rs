//! The likeliest of all pairs of shares with a given difference.

/// More than halving the bounds alone would need.
const STEPS: u32 = 100;

/// The shares, base and candidate, with `candidate − base = difference` at which a concave log-likelihood is largest;
/// `None` if no two shares differ by so much.
///
/// `derivatives` are its slope along the base's share and its curvature, downwards, at two shares. Newton's method, held
/// between bounds, begins at the base's share that `start` gives, or in the middle if that is none.
pub(super) fn likeliest(
    difference: f64,
    start: impl FnOnce() -> f64,
    derivatives: impl Fn([f64; 2]) -> (f64, f64),
) -> Option<[f64; 2]> {
    // Subtracted, since a minus before 0 would make the bound -0, and the slope there infinite downwards.
    let (mut low, mut high) = ((0.0 - difference).max(0.0), (1.0 - difference).min(1.0));
    if low > high || difference.is_nan() {
        return None;
    }
    let at = |share: f64| [share, (share + difference).clamp(0.0, 1.0)];
    if low >= high || derivatives(at(low)).0 <= 0.0 {
        return Some(at(low));
    }
    if derivatives(at(high)).0 >= 0.0 {
        return Some(at(high));
    }
    let mut share = start();
    if !(low < share && share < high) {
        share = f64::midpoint(low, high);
    }
    for _ in 0..STEPS {
        let (rise, bend) = derivatives(at(share));
        if rise > 0.0 {
            low = share;
        } else {
            high = share;
        }
        let newton = share + rise / bend;
        let next = if low < newton && newton < high { newton } else { f64::midpoint(low, high) };
        let step = (next - share).abs();
        share = next;
        if step <= 2.0 * f64::EPSILON * share {
            break;
        }
    }
    Some(at(share))
}
