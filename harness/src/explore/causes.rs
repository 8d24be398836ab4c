//! Orders that come to the same, and the smallest of each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::findings::Forced;
use super::moments::Moments;
use crate::model::schedule::Schedule;

/// Orders that lose the log and hang together: each `b` of a row of moments of one CPU, before each `a` of a row of another's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// The first and the last moment that another one comes before.
    pub a: (usize, usize),
    /// The first and the last moment that comes before them; beyond the last one nothing was lost.
    pub b: (usize, usize),
    /// Whether the last one is the last that can be forced there.
    pub open: bool,
    /// The order among them for which a CPU was held for the shortest time.
    pub smallest: (usize, usize),
    /// Trials of all of them, and how many orders these are.
    pub forced: Forced,
    pub orders: usize,
}

/// A cause as it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// In words.
    pub words: String,
    /// How many orders come to it.
    pub orders: usize,
    /// All trials of them.
    pub all: Forced,
    /// Trials of the smallest one.
    pub smallest: Forced,
    /// What forces that one.
    pub schedule: Schedule,
}

/// The causes among what was forced, those for which the shortest hold suffices first.
pub fn causes(moments: &Moments, pairs: &BTreeMap<(usize, usize), Forced>) -> Vec<Region> {
    let role = |moment: usize| moments.all.get(moment).map(|moment| &moment.role);
    // Of each moment, the runs of moments on one other CPU before it with which the log was lost.
    let mut runs: Vec<(usize, (usize, usize), bool)> = Vec::new();
    let mut rows: BTreeMap<usize, Vec<(usize, bool)>> = BTreeMap::new();
    for ((a, b), forced) in pairs.iter().filter(|(_, forced)| forced.kept > 0) {
        rows.entry(*a).or_default().push((*b, forced.loses()));
    }
    for (a, row) in &rows {
        // Moments stand by role, so that those of one CPU lie together.
        for of_role in row.chunk_by(|(one, _), (other, _)| role(*one) == role(*other)) {
            for run in
                of_role.chunk_by(|(_, one), (_, other)| one == other).filter(|run| run.iter().all(|(_, lost)| *lost))
            {
                if let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) {
                    runs.push((*a, (*first, *last), of_role.last() == run.last()));
                }
            }
        }
    }
    let mut regions: Vec<Region> = Vec::new();
    for (a, b, open) in runs {
        let forced = |b: usize| pairs.get(&(a, b)).filter(|forced| forced.kept > 0);
        let all = (b.0..=b.1).filter_map(forced).fold(Forced::default(), |all, one| all.and(one));
        let orders = (b.0..=b.1).filter_map(forced).count();
        // The neighbour's run begins at the same moment, and ends there or is open as well.
        let joins = |region: &&mut Region| {
            let same_end = region.b.1 == b.1 || (region.open && open);
            role(region.a.1) == role(a)
                && region.b.0 == b.0
                && same_end
                && rows.range(region.a.1 + 1..a).next().is_none()
        };
        match regions.iter_mut().find(joins) {
            Some(region) => {
                region.a.1 = a;
                region.b.1 = region.b.1.max(b.1);
                region.forced = region.forced.and(&all);
                region.orders += orders;
            }
            None => regions.push(Region { a: (a, a), b, open, smallest: (a, b.0), forced: all, orders }),
        }
    }
    for region in &mut regions {
        let within = pairs.iter().filter(|((a, b), forced)| {
            (region.a.0..=region.a.1).contains(a)
                && (region.b.0..=region.b.1).contains(b)
                && forced.kept > 0
                && forced.loses()
        });
        // The one that was held for the shortest time, of several the last `a`: what came before it did not matter.
        let shortest =
            within.min_by_key(|((a, b), forced)| (forced.held_ns / u64::from(forced.kept.max(1)), usize::MAX - a, *b));
        if let Some((pair, _)) = shortest {
            region.smallest = *pair;
        }
    }
    let held = |region: &Region| pairs.get(&region.smallest).map_or(0, |it| it.held_ns / u64::from(it.kept.max(1)));
    regions.sort_by_key(|region| (held(region), region.smallest));
    regions
}

impl Region {
    /// As it is told, with the trials of its smallest order, and what forces that.
    pub(super) fn told(self, moments: &Moments, smallest: Forced, schedule: Schedule) -> Cause {
        let name = |moment: usize| moments.all.get(moment).map(ToString::to_string).unwrap_or_default();
        let (from, to) = (name(self.b.0), name(self.b.1));
        let before = match (self.open, self.b.0 == self.b.1) {
            (true, _) => format!("{from} comes before"),
            (false, true) => format!("{from} comes before, and what follows it there does not,"),
            (false, false) => format!("{from} comes before, and what follows {to} there does not,"),
        };
        let (first, last) = (name(self.a.0), name(self.a.1));
        let what = if self.a.0 == self.a.1 { first } else { format!("{first}, or anything from there to {last}") };
        let words = format!("{before} {what}");
        Cause { words, orders: self.orders, all: self.forced, smallest, schedule }
    }
}
