//! Variants over all contests: how each stands against the reference, and who dominates whom.

use super::contest::Contest;
use super::field::Field;
use super::ranking::{Domination, Place, Standing};
use crate::compare::Verdict;

/// What all contests say of one variant against another.
#[derive(Debug, Clone, Default)]
pub(super) struct Against {
    /// The positions of the contests in which it is better.
    better: Vec<usize>,
    /// Those in which it is worse.
    worse: Vec<usize>,
    same: usize,
    undecided: usize,
}

impl Against {
    /// For each variant, against each other one.
    pub(super) fn tally(variants: usize, contests: &[Contest]) -> Vec<Vec<Self>> {
        let mut against = vec![vec![Self::default(); variants]; variants];
        for (position, contest) in contests.iter().enumerate() {
            for duel in &contest.duels {
                let (lower, higher) = (duel.lower, duel.higher);
                if duel.is_decided() {
                    against[higher][lower].better.push(position);
                    against[lower][higher].worse.push(position);
                    continue;
                }
                let same = usize::from(duel.verdict == Verdict::Same);
                for (one, other) in [(lower, higher), (higher, lower)] {
                    against[one][other].same += same;
                    against[one][other].undecided += 1 - same;
                }
            }
        }
        against
    }

    fn dominates(&self) -> bool {
        self.worse.is_empty() && !self.better.is_empty()
    }

    fn compared(&self) -> usize {
        self.better.len() + self.worse.len() + self.same + self.undecided
    }
}

/// How each variant stands; the first is the reference.
pub(super) fn standings(field: &Field, contests: &[Contest], against: &[Vec<Against>]) -> Vec<Standing> {
    let standing = |(position, variant): (usize, &&str)| {
        let has = |contest: &&Contest| contest.is_contested() && contest.shares.iter().any(|(it, _)| *it == position);
        let ranked: Vec<&Contest> = contests.iter().filter(has).collect();
        let reference = &against[position][0];
        Standing {
            variant: (*variant).to_owned(),
            ranked: ranked.len(),
            first: ranked.iter().filter(|contest| contest.rank(position) == 1).count(),
            better: places(field, contests, &reference.better),
            worse: places(field, contests, &reference.worse),
            same: reference.same,
            undecided: reference.undecided,
        }
    };
    field.variants.iter().enumerate().map(standing).collect()
}

/// Who is dominated by whom, both in the plan's order.
pub(super) fn dominations(field: &Field, contests: &[Contest], against: &[Vec<Against>]) -> Vec<Domination> {
    let all = 0..field.variants.len();
    let pairs = all.clone().flat_map(|variant| all.clone().map(move |by| (variant, by)));
    let dominated = pairs.filter(|(variant, by)| against[*by][*variant].dominates());
    let domination = |(variant, by): (usize, usize)| {
        let against = &against[by][variant];
        Domination {
            variant: field.variants[variant].to_owned(),
            by: field.variants[by].to_owned(),
            better_in: places(field, contests, &against.better),
            compared: against.compared(),
            undecided: against.undecided,
        }
    };
    dominated.map(domination).collect()
}

fn places(field: &Field, contests: &[Contest], positions: &[usize]) -> Vec<Place> {
    let place = |position: &usize| {
        let Contest { case, measure, .. } = contests[*position];
        Place { point: field.cases[case].clone(), measure }
    };
    positions.iter().map(place).collect()
}
