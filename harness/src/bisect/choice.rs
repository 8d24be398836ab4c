//! What to try next: the trials that tell most of which commit it was, for the time they take.
//!
//! What trials of a commit tell is the mutual information between their number of events and on which side of the
//! change the commit lies (with it, without it, or there is none), the rates being as uncertain as they are.

use super::Costs;
use super::bisection::Bisection;

/// No batch is larger, unless more run side by side: by then a commit has told which side it is on, or never will.
const LARGEST: u32 = 256;

/// Less information in one trial, in nats, is none.
const NOTHING: f64 = 1e-9;

/// A node that may be tried.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    commit: usize,
    ready_s: f64,
    /// The chance that it can be tried at all.
    chance: f64,
    /// What one trial is expected to tell, in nats, times the chance.
    nats: f64,
}

impl Candidate {
    /// What so many trials would tell per second if each told as much as the first.
    fn at_best(&self, trials: u32, costs: &Costs<'_>) -> f64 {
        self.nats * f64::from(trials) / (self.ready_s + seconds(trials, costs))
    }
}

/// The node and number of trials that tell most per second; `None` if nothing tells anything.
pub(super) fn best(bisection: &Bisection, costs: &Costs<'_>) -> Option<(usize, u32)> {
    let at_once = costs.at_once.max(1);
    let (ready, far): (Vec<Candidate>, Vec<Candidate>) =
        candidates(bisection, costs).into_iter().partition(|candidate| candidate.ready_s <= 0.0);
    let best_of = |of: &[Candidate], batch| {
        let better =
            |one: &&Candidate, other: &&Candidate| one.at_best(batch, costs).total_cmp(&other.at_best(batch, costs));
        of.iter().max_by(better).copied()
    };
    // Another look after each batch costs nothing where the kernel is there, so the smallest is best.
    let near = best_of(&ready, at_once);
    if far.is_empty() {
        return near.map(|near| (near.commit, at_once));
    }
    // Among equally far nodes the one of which one trial tells most is the best for any batch, or close to it.
    let mut choices: Vec<(Candidate, Vec<u32>)> = near.map(|near| (near, vec![at_once])).into_iter().collect();
    let batches: Vec<u32> = std::iter::successors(Some(at_once), |&batch| batch.checked_mul(2))
        .take_while(|&batch| batch == at_once || batch <= LARGEST)
        .collect();
    for far in batches.iter().filter_map(|&batch| best_of(&far, batch)) {
        if choices.iter().all(|(known, _)| known.commit != far.commit) {
            choices.push((far, batches.clone()));
        }
    }
    let mut best: Option<(usize, u32, f64)> = None;
    for (candidate, batches) in choices {
        let sides = Sides::of(bisection, candidate.commit);
        for batch in batches {
            let told = candidate.chance * sides.nats(bisection, batch) / (candidate.ready_s + seconds(batch, costs));
            if best.is_none_or(|(_, _, most)| told > most) {
                best = Some((candidate.commit, batch, told));
            }
        }
    }
    best.map(|(commit, batch, _)| (commit, batch))
}

/// The information in one trial of the node of which one trial tells most, in nats; `None` if nothing tells anything.
pub(super) fn most_per_trial(bisection: &Bisection, costs: &Costs<'_>) -> Option<f64> {
    candidates(bisection, costs).into_iter().map(|candidate| candidate.nats).max_by(f64::total_cmp)
}

/// Wall time of a batch.
fn seconds(trials: u32, costs: &Costs<'_>) -> f64 {
    f64::from(trials.div_ceil(costs.at_once.max(1))) * costs.trial_s.max(f64::MIN_POSITIVE)
}

/// Every node that can be tried and tells something.
fn candidates(bisection: &Bisection, costs: &Costs<'_>) -> Vec<Candidate> {
    let weights: Vec<[f64; 3]> = bisection
        .posterior()
        .commits
        .iter()
        .zip(&bisection.class_of)
        .map(|(&probability, &class)| {
            let marginal = &bisection.classes[class].marginal;
            [probability, probability * marginal.old, probability * marginal.new]
        })
        .collect();
    let sums = bisection.history.sums(&weights);
    let all = sums[bisection.history.bad()];
    let none = bisection.posterior().none;
    let chances = bisection.skips.chances(&bisection.history);
    let candidate = |(commit, &[mass, old, new]): (usize, &[f64; 3])| {
        // Events and others of each side: without the change, with it, none.
        let sides = [(all[0] - mass, all[1] - old), (mass, new), (none, none * bisection.same)];
        let [mut event, mut other] = [[0.0; 3]; 2];
        for (side, (mass, events)) in sides.into_iter().enumerate() {
            event[side] = events.max(0.0);
            other[side] = (mass - events).max(0.0);
        }
        let chance = if bisection.tallies()[commit].trials > 0 { 1.0 } else { chances[commit] };
        let nats = chance * information(&[event, other]);
        (nats > NOTHING).then(|| Candidate { commit, ready_s: (costs.ready_s)(commit).max(0.0), chance, nats })
    };
    sums.iter().enumerate().filter(|(commit, _)| !bisection.skips.has(*commit)).filter_map(candidate).collect()
}

/// The rate of a node's trials, on each side.
struct Sides([Vec<f64>; 3]);

impl Sides {
    fn of(bisection: &Bisection, commit: usize) -> Self {
        let mut masses = vec![[0.0; 2]; bisection.classes.len()];
        for (change, &probability) in bisection.posterior().commits.iter().enumerate() {
            let with = usize::from(bisection.history.has(commit, change));
            masses[bisection.class_of[change]][with] += probability;
        }
        let grid = &bisection.grid;
        let (mut old, mut new) = (grid.nothing(), grid.nothing());
        for (class, masses) in bisection.classes.iter().zip(masses) {
            // What is all but impossible does not change the sum, and most classes are.
            if masses.iter().sum::<f64>() > 1e-6 {
                grid.spread(class.old, class.new, masses, [&mut old, &mut new]);
            }
        }
        Self([old, new, grid.spread_same(bisection.all(), bisection.posterior().none)])
    }

    /// What so many trials are expected to tell.
    fn nats(&self, bisection: &Bisection, trials: u32) -> f64 {
        let [old, new, same] = &self.0;
        information(&bisection.grid.events(trials, [old, new, same]))
    }
}

/// The mutual information, in nats, of rows and columns with these joint probabilities, which sum to about 1.
fn information(joint: &[[f64; 3]]) -> f64 {
    let mut columns = [0.0; 3];
    for row in joint {
        columns.iter_mut().zip(row).for_each(|(column, own)| *column += own);
    }
    let ln = |probability: f64| if probability > 0.0 { probability * probability.ln() } else { 0.0 };
    let rows: f64 = joint.iter().map(|row| ln(row.iter().sum())).sum();
    let each: f64 = joint.iter().flatten().copied().map(ln).sum();
    let columns: f64 = columns.into_iter().map(ln).sum();
    let total: f64 = joint.iter().flatten().sum();
    each - rows - columns + ln(total)
}
