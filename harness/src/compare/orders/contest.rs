//! Everyone's share in one case, by one measure.

use std::cmp::Ordering;

use super::measure::Measure;
use crate::compare::Verdict;
use crate::compare::pair::Pair;
use crate::stats::{Clusters, Proportion};

/// One case and measure on one base.
pub(super) struct Contest {
    /// Its position among the field's.
    pub(super) case: usize,
    pub(super) measure: Measure,
    /// The variants of which something counted, by their positions; the lowest share first.
    pub(super) shares: Vec<Entry>,
    /// Every pair of them.
    pub(super) duels: Vec<Duel>,
}

/// A variant by its position, and its share.
pub(super) type Entry = (usize, Clusters);

/// Two variants by their positions, and what is known of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Duel {
    /// Whose share is lower, or the same.
    pub(super) lower: usize,
    /// Whose share is higher, or the same.
    pub(super) higher: usize,
    /// What became of the lower one when it is replaced by the higher one.
    pub(super) verdict: Verdict,
}

impl Contest {
    /// One that is not judged yet. In each of `shares` something counted.
    pub(super) fn new(case: usize, measure: Measure, mut shares: Vec<Entry>) -> Self {
        shares.sort_by(|(_, a), (_, b)| ascending(a.pooled(), b.pooled()));
        Self { case, measure, shares, duels: Vec::new() }
    }

    /// All pairs, the lower share being the base: so a pair is the same test whatever order the variants stand in.
    pub(super) fn pairs(&self) -> impl Iterator<Item = Pair> {
        self.couples().map(|((_, base), (_, candidate))| Pair { base: base.clone(), candidate: candidate.clone() })
    }

    /// Takes the verdicts on [`pairs`](Self::pairs), as many as there are.
    pub(super) fn judge(&mut self, verdicts: &mut impl Iterator<Item = Verdict>) {
        let duel = |(((lower, _), (higher, _)), verdict): ((&Entry, &Entry), _)| Duel {
            lower: *lower,
            higher: *higher,
            verdict,
        };
        self.duels = self.couples().zip(verdicts).map(duel).collect();
    }

    /// Each pair once, the one whose share is lower first.
    fn couples(&self) -> impl Iterator<Item = (&Entry, &Entry)> {
        let after = |(at, lower)| self.shares.iter().skip(at + 1).map(move |higher| (lower, higher));
        self.shares.iter().enumerate().flat_map(after)
    }

    /// The variants that this one is shown to be better than.
    pub(super) fn better_than(&self, variant: usize) -> impl Iterator<Item = usize> {
        self.duels.iter().filter(move |duel| duel.is_decided() && duel.higher == variant).map(|duel| duel.lower)
    }

    /// The variants that are shown to be better than this one.
    pub(super) fn worse_than(&self, variant: usize) -> impl Iterator<Item = usize> {
        self.duels.iter().filter(move |duel| duel.is_decided() && duel.lower == variant).map(|duel| duel.higher)
    }

    /// 1, and one more for each variant that is shown to be better.
    pub(super) fn rank(&self, variant: usize) -> usize {
        1 + self.worse_than(variant).count()
    }

    /// Whether it has anybody to be compared with. Alone everyone is the first.
    pub(super) fn is_contested(&self) -> bool {
        self.shares.len() > 1
    }
}

impl Duel {
    /// Whether the higher share is shown to be higher.
    pub(super) fn is_decided(&self) -> bool {
        self.verdict == Verdict::Improved
    }
}

/// By share, exactly; of equal ones that of fewer trials first.
pub(super) fn ascending(a: Proportion, b: Proportion) -> Ordering {
    let cross = |a: Proportion, b: Proportion| u64::from(a.hits()) * u64::from(b.of());
    cross(a, b).cmp(&cross(b, a)).then(a.of().cmp(&b.of()))
}
