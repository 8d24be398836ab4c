//! How many trials would decide.

use super::pair::{Evidence, Options, Pair, Verdict};
use crate::stats::{Clusters, Proportion, score_p};

/// More trials a side than this are not asked for.
const MAX_TRIALS: u32 = 100_000;

/// Up to this many trials a side the exact test is made; above, the score test stands in, which is close by then.
const EXACT_UP_TO: u32 = 200;

/// Nor is the exact test made where the score test's p-value is this many times too large.
const FAR: f64 = 4.0;

/// The fewest trials a side with which an undecided pair would be decided, if each side's share stayed what it is, and
/// that of each of its templates too; a side that has more keeps what it has. None if that takes more than 100,000, or if
/// nothing counted on one side.
///
/// `factor` is what the p-value is multiplied with for the other tests.
pub(super) fn trials_to_decide(pair: &Pair, factor: f64, options: Options) -> Option<u32> {
    pair.difference()?;
    let [base, candidate] = [&pair.base, &pair.candidate].map(|side| side.pooled().of());
    let decided = |n: u32| {
        let pair = Pair { base: prolonged(&pair.base, n), candidate: prolonged(&pair.candidate, n) };
        let quick = score_p(pair.base.effective(), pair.candidate.effective()) * factor;
        let larger = base.max(candidate).max(n);
        let adjusted_p = match options.evidence {
            Evidence::Fixed if larger > EXACT_UP_TO || quick > FAR * options.alpha => quick,
            evidence => pair.p_value(evidence) * factor,
        };
        pair.verdict(adjusted_p, options) != Verdict::Undecided
    };
    let mut few = base.min(candidate);
    let mut many = few.saturating_add(1);
    if many > MAX_TRIALS {
        return None;
    }
    // Whole trials make shares a little uneven, so this finds one of the first places where it is decided.
    while !decided(many) {
        if many == MAX_TRIALS {
            return None;
        }
        few = many;
        many = (many * 2).min(MAX_TRIALS);
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

/// The counts if there were `n` trials with the share that was seen, to the nearest whole one, and its templates;
/// unchanged if there are as many already. Some trials must have been seen.
fn prolonged(seen: &Clusters, n: u32) -> Clusters {
    let all = seen.pooled();
    if n <= all.of() {
        return seen.clone();
    }
    let scaled = |count: u32| {
        let nearest = (u64::from(count) * u64::from(n) * 2 + u64::from(all.of())) / (u64::from(all.of()) * 2);
        u32::try_from(nearest).unwrap_or(u32::MAX)
    };
    // Each part ends where its share of all trials ends, so that together they are `n`. The hits likewise, as far as a part
    // has room for them.
    let (mut before, mut left, mut so_far) = (0, scaled(all.hits()), 0);
    let mut part = |seen: Proportion| {
        so_far += seen.of();
        let of = scaled(so_far) - before;
        before += of;
        let hits = scaled(seen.hits()).min(of).min(left);
        left -= hits;
        (hits, of)
    };
    let mut parts: Vec<(u32, u32)> =
        std::iter::once(seen.apart()).chain(seen.templates().iter().copied()).map(&mut part).collect();
    for (hits, of) in &mut parts {
        let more = left.min(*of - *hits);
        *hits += more;
        left -= more;
    }
    let mut parts = parts.into_iter().map(|(hits, of)| Proportion::new(hits, of).unwrap_or_default());
    Clusters::new(parts.next().unwrap_or_default(), parts)
}
