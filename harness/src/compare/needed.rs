//! How many trials would decide.

use super::pair::{Evidence, Options, Pair, Verdict};
use crate::stats::{Proportion, score_p};

/// More trials a side than this are not asked for.
const MOST: u32 = 100_000;

/// Up to so many trials a side the exact test is made; above, the score test stands in, which is close by then.
const EXACT_UP_TO: u32 = 200;

/// Nor is the exact test made where the score test's p-value is so many times too large.
const FAR: f64 = 4.0;

/// The fewest trials a side with which an undecided pair would be decided, if each side's share stayed what it is; a
/// side that has more keeps what it has. None if that takes more than 100,000, or if nothing counted on one side.
///
/// `factor` is what the p-value is multiplied with for the other tests.
pub(super) fn trials_to_decide(pair: Pair, factor: f64, options: Options) -> Option<u32> {
    pair.difference()?;
    let decided = |n: u32| {
        let pair = Pair { base: prolonged(pair.base, n), candidate: prolonged(pair.candidate, n) };
        let quick = score_p(pair.base, pair.candidate) * factor;
        let larger = pair.base.of().max(pair.candidate.of());
        let adjusted_p = match options.evidence {
            Evidence::Fixed if larger > EXACT_UP_TO || quick > FAR * options.alpha => quick,
            evidence => pair.p_value(evidence) * factor,
        };
        pair.verdict(adjusted_p, options) != Verdict::Undecided
    };
    let mut few = pair.base.of().min(pair.candidate.of());
    let mut many = few.saturating_add(1);
    if many > MOST {
        return None;
    }
    // Whole trials make shares a little uneven, so this finds one of the first places where it is decided.
    while !decided(many) {
        if many == MOST {
            return None;
        }
        few = many;
        many = (many * 2).min(MOST);
    }
    while many - few > 1 {
        let middle = few.midpoint(many);
        if decided(middle) {
            many = middle;
        } else {
            few = middle;
        }
    }
    Some(many)
}

/// The same share of `n` trials, to the nearest whole one; unchanged if there were as many. Not for a share of nothing.
fn prolonged(seen: Proportion, n: u32) -> Proportion {
    let hits = (u64::from(seen.hits()) * u64::from(n) * 2 + u64::from(seen.of())) / (u64::from(seen.of()) * 2);
    let longer = u32::try_from(hits).ok().and_then(|hits| Proportion::new(hits, n));
    longer.filter(|_| n > seen.of()).unwrap_or(seen)
}
