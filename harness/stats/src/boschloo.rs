//! Boschloo's exact test of two shares.

use super::fisher::{fisher_lower, lower_tail};
use super::walk::{around_mode, float};
use super::{Effective, Proportion};

/// Tables count as equally extreme when their Fisher p-values differ by no more than this share: far above the rounding
/// of the sums, far below any difference that matters.
const TIE: f64 = 1e-9;

/// The p-value is at most this share above the true one, and never below it.
const TOLERANCE: f64 = 1e-6;

/// Up to this many trials on both sides together the test is Boschloo's; above, Fisher's.
const EXACT_UP_TO: u64 = 10_000;

/// The two-sided p-value of the hypothesis that both shares are the same; 1 if either is a share of nothing.
///
/// Twice the smaller of the one-sided ones, as in `SciPy`; each is the largest probability, over all values the common
/// share may have, of a table as extreme as the one seen, extreme by Fisher's one-sided test. So it is exact, as
/// Fisher's is, and never larger than Fisher's doubled.
///
/// R. D. Boschloo, "Raised conditional level of significance for the 2 × 2-table when testing the equality of two
/// probabilities", Statistica Neerlandica 24 (1970).
///
/// Of more than 10,000 trials it is Fisher's one-sided test, doubled: an upper bound, by then close. A p-value below
/// what a double can hold is 0.
pub fn boschloo(a: Proportion, b: Proportion) -> f64 {
    let one_sided = if u64::from(a.of()) + u64::from(b.of()) <= EXACT_UP_TO { boschloo_lower } else { fisher_lower };
    let a_is_higher = u64::from(a.hits()) * u64::from(b.of()) > u64::from(b.hits()) * u64::from(a.of());
    let (low, high) = if a_is_higher { (b, a) } else { (a, b) };
    let smaller = match one_sided(low, high) {
        // Then the other one is larger. Let the common share be the lower side's: its hits are the median there, so it
        // has as many or more with a probability of at least ½, and so has the higher side as many or fewer. All those
        // tables are as extreme in the other direction: ¼ or more. (Fisher's two even add up to more than 1.)
        p if p <= 0.25 => p,
        p => p.min(one_sided(high, low)),
    };
    (2.0 * smaller).min(1.0)
}

/// Boschloo's test for counts that need not be whole. Those that are not are rounded so that the shares come closer to
/// each other, and the trials fewer.
pub fn boschloo_effective(a: Effective, b: Effective) -> f64 {
    let a_is_higher = a.share() > b.share();
    boschloo(rounded(a, !a_is_higher), rounded(b, a_is_higher))
}

/// Whole counts: no more trials, and a share that is no lower, or no higher.
fn rounded(seen: Effective, upwards: bool) -> Proportion {
    let of = seen.of().floor();
    let hits = seen.share().unwrap_or_default() * of;
    // What is whole but for the rounding of a double is whole.
    let nearest = hits.round();
    let hits = match nearest {
        _ if (hits - nearest).abs() < TIE => nearest,
        _ if upwards => hits.ceil(),
        _ => hits.floor(),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "they are of counts, and whole")]
    let (hits, of) = (hits as u32, of as u32);
    Proportion::new(hits.min(of), of).unwrap_or_default()
}

/// The one-sided p-value of the hypothesis that `a`'s share is no lower than `b`'s.
fn boschloo_lower(a: Proportion, b: Proportion) -> f64 {
    let level = fisher_lower(a, b) * (1.0 + TIE);
    if level >= 1.0 {
        return 1.0;
    }
    if level < f64::MIN_POSITIVE {
        return 0.0;
    }
    largest(&rejected(u64::from(a.of()), u64::from(b.of()), level), level).min(level)
}

/// For each number of hits in all, from none to all, the probability of a table that Fisher's test finds as extreme as
/// `level`, given that number.
///
/// A table stays as extreme if a hit of `a` becomes a miss, or a miss of `b` a hit. So for each number of hits those
/// tables are the ones with up to N of `a`'s, and with one more hit in all it is as many or one more: one walk
/// along the boundary finds them.
fn rejected(n_a: u64, n_b: u64, level: f64) -> Vec<f64> {
    // The fewest hits of `a` that are not yet extreme.
    let mut not_yet = 0;
    (0..=n_a + n_b)
        .map(|hits| {
            let (lowest, highest) = (hits.saturating_sub(n_b), hits.min(n_a));
            not_yet = not_yet.max(lowest);
            if not_yet <= highest {
                let tail = lower_tail(not_yet, hits, n_a, n_b);
                if tail <= level {
                    not_yet += 1;
                    return tail;
                }
            }
            if not_yet > lowest { lower_tail(not_yet - 1, hits, n_a, n_b) } else { 0.0 }
        })
        .collect()
}

/// The largest value, over all shares `p`, of the sum of `rejected[s]` × the binomial probability of `s`; at most
/// [`TOLERANCE`] too high. No element is above `level`.
///
/// With `p = sin² φ` the sum's second derivative in φ is never beyond ±4·n·level: that of the binomial probability is
/// itself times `(ln L)'² + (ln L)''`, whose mean size is at most 4n + 4n, and subtracting level/2 from each element
/// changes no derivative. So between two points at a distance `h` it is nowhere more than `n·level·h²/2` above the
/// higher one, and stretches that might hide a maximum are halved until none can.
fn largest(rejected: &[f64], level: f64) -> f64 {
    let n = rejected.len().saturating_sub(1) as u64;
    let value = |angle: f64| mean(rejected, n, angle);
    let curve = float(n) * level / 2.0;
    // About two to a standard deviation, which in φ is 1/(2·√n) everywhere.
    let stretches = 8 + 6 * n.isqrt();
    let width = std::f64::consts::FRAC_PI_2 / float(stretches);
    let points: Vec<(f64, f64)> =
        (0..=stretches).map(|i| float(i) * width).map(|angle| (angle, value(angle))).collect();
    let mut best = points.iter().fold(0.0_f64, |best, point| best.max(point.1));
    let mut open: Vec<_> = points.windows(2).map(|ends| (ends[0], ends[1])).collect();
    while let Some((left, right)) = open.pop() {
        let width = right.0 - left.0;
        if left.1.max(right.1) + curve * width * width <= best * (1.0 + TOLERANCE) {
            continue;
        }
        let middle = f64::midpoint(left.0, right.0);
        let middle = (middle, value(middle));
        best = best.max(middle.1);
        open.extend([(left, middle), (middle, right)]);
    }
    best * (1.0 + TOLERANCE)
}

/// The mean of `values[s]`, `s` being binomial: `n` trials of probability sin² `angle`.
fn mean(values: &[f64], n: u64, angle: f64) -> f64 {
    let odds = angle.tan().powi(2);
    // At the ends all weight is on none or all; a tangent never quite reaches infinity.
    let mode = (angle.sin().powi(2) * float(n + 1)).floor();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let mode = (mode as u64).min(n);
    let up = |s: u64| float(n - s) / float(s + 1) * odds;
    let (mut sum, mut all) = (0.0, 0.0);
    around_mode([0, mode, n], up, |s, weight| {
        all += weight;
        sum += weight * usize::try_from(s).ok().and_then(|s| values.get(s)).copied().unwrap_or(0.0);
    });
    sum / all
}
