//! What to try next: the trials that tell most of which commit it was, for the time they take.
//!
//! What one trial tells is, for each commit that may be the one (and for none), the divergence of its outcome if that one
//! is it from its outcome if it is any other, weighed with its probability: the extrinsic Jensen-Shannon divergence, the
//! expected gain in log odds. It is the mutual information while nothing is probable, and goes on to tell the most probable
//! one from its neighbours where that asks for one more look at the middle. M. Naghshvar, T. Javidi, M. Wigger, "Extrinsic
//! Jensen-Shannon divergence: applications to variable-length coding", IEEE Transactions on Information Theory 61 (2015).
//!
//! A batch for which a kernel is built tells the mutual information between its number of events and on which side of the
//! change the commit lies (with it, without it, or there is none), the rates being as uncertain as they are.

use super::Costs;
use super::bisection::Bisection;
use harness_stats::xlogy;

/// No batch is larger, unless more run side by side: by then a commit has told which side it is on, or never will.
const LARGEST: u32 = 256;

/// Less information in one trial, in nats, is none.
const NOTHING: f64 = 1e-9;

/// Beside what is less probable than this, "any other" is everything.
const LEADING: f64 = 0.02;

/// A node that may be tried.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    commit: usize,
    ready_s: f64,
    /// The chance that it can be tried at all, times what a further trial of it counts for.
    chance: f64,
    /// The mutual information between the outcome of one trial and which commit it is, in nats, times the chance.
    nats: f64,
    /// The divergence of the module's description, in nats, times the chance.
    ejs: f64,
}

impl Candidate {
    /// What N trials would tell per second if each told as much as the first.
    fn at_best(&self, trials: u32, costs: &Costs<'_>) -> f64 {
        self.ejs * f64::from(trials) / (self.ready_s + seconds(trials, costs))
    }
}

/// The node and number of trials that tell most per second; `None` if nothing tells anything.
pub(super) fn best(bisection: &Bisection, costs: &Costs<'_>) -> Option<(usize, u32)> {
    let at_once = costs.at_once.max(1);
    let (ready, far): (Vec<Candidate>, Vec<Candidate>) =
        candidates(bisection, costs).into_iter().partition(|candidate| candidate.ready_s <= 0.0);
    // Another look after each batch costs nothing where the kernel is there, so the smallest is best. Its few trials tell
    // about as much each as the first.
    let mut best: Option<(usize, u32, f64)> = best_of(&ready, at_once, costs).map(|near| {
        let trials = f64::from(at_once);
        (near.commit, at_once, near.nats * trials / seconds(at_once, costs))
    });
    // Among equally far nodes the one of which one trial tells most is the best for any batch, or close to it.
    let batches: Vec<u32> = std::iter::successors(Some(at_once), |&batch| batch.checked_mul(2))
        .take_while(|&batch| batch == at_once || batch <= LARGEST)
        .collect();
    let mut choices: Vec<Candidate> = Vec::new();
    for far in batches.iter().filter_map(|&batch| best_of(&far, batch, costs)) {
        if choices.iter().all(|known| known.commit != far.commit) {
            choices.push(far);
        }
    }
    for candidate in choices {
        let sides = Sides::of(bisection, candidate.commit);
        for &batch in &batches {
            let told = candidate.chance * sides.nats(bisection, batch) / (candidate.ready_s + seconds(batch, costs));
            if best.is_none_or(|(_, _, most)| told > most) {
                best = Some((candidate.commit, batch, told));
            }
        }
    }
    best.map(|(commit, batch, _)| (commit, batch))
}

/// The node of those that are there which tells most, the trials of it that run side by side, and what one of them is
/// expected to add to the log odds of what is probable.
pub(super) fn best_ready(bisection: &Bisection, costs: &Costs<'_>) -> Option<(usize, u32, f64)> {
    let mut ready = candidates(bisection, costs);
    ready.retain(|candidate| candidate.ready_s <= 0.0);
    let at_once = costs.at_once.max(1);
    best_of(&ready, at_once, costs).map(|best| (best.commit, at_once, best.ejs))
}

/// The candidate of which such a batch tells most per second.
fn best_of(candidates: &[Candidate], batch: u32, costs: &Costs<'_>) -> Option<Candidate> {
    let told = |candidate: &Candidate| candidate.at_best(batch, costs);
    candidates.iter().max_by(|one, other| told(one).total_cmp(&told(other))).copied()
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
    let posterior = bisection.posterior();
    let marginal = |change: usize| &bisection.classes[bisection.class_of[change]].marginal;
    // By commit, if it is the one: events without and with it, and the doubt about an outcome.
    let weights: Vec<[f64; 4]> = posterior
        .commits
        .iter()
        .enumerate()
        .map(|(change, &probability)| {
            let of = marginal(change);
            [of.old, of.new, binary_entropy(of.old), binary_entropy(of.new)].map(|value| probability * value)
        })
        .collect();
    let leading: Vec<(usize, f64)> =
        posterior.commits.iter().copied().enumerate().filter(|&(_, probability)| probability > LEADING).collect();
    let sums = bisection.history.sums(&weights);
    let all = sums[bisection.history.bad()];
    let (none, same) = (posterior.none, bisection.same);
    let chances = bisection.skips.chances(&bisection.history);
    let candidate = |(commit, sum): (usize, &[f64; 4])| {
        let event = (all[0] - sum[0] + sum[1] + none * same).clamp(0.0, 1.0);
        let left = all[2] - sum[2] + sum[3] + none * binary_entropy(same);
        // Where templates differ, n trials count for n over the design effect, and one more for the derivative of that,
        // about one over its square. Otherwise trials that no longer tell anything would be chosen for ever.
        let counts = bisection.weights[commit].powi(2);
        let chance = counts * if bisection.tallies()[commit].trials > 0 { 1.0 } else { chances[commit] };
        let nats = chance * (binary_entropy(event) - left);
        let more = |probability: f64, own: f64| {
            let others = ((event - probability * own) / (1.0 - probability)).clamp(0.0, 1.0);
            probability * (divergence(own, others) - divergence(own, event)).max(0.0)
        };
        let own =
            |change| if bisection.history.has(commit, change) { marginal(change).new } else { marginal(change).old };
        let of_leading: f64 = leading.iter().map(|&(change, probability)| more(probability, own(change))).sum();
        let ejs = nats + chance * (of_leading + if none > LEADING { more(none, same) } else { 0.0 });
        let ready_s = (costs.ready_s)(commit).max(0.0);
        (nats > NOTHING).then_some(Candidate { commit, ready_s, chance, nats, ejs })
    };
    sums.iter().enumerate().filter(|(commit, _)| bisection.is_tried(*commit)).filter_map(candidate).collect()
}

/// The entropy of an outcome of this probability, in nats.
fn binary_entropy(probability: f64) -> f64 {
    -(xlogy(probability, probability.ln()) + xlogy(1.0 - probability, (-probability).ln_1p()))
}

/// How far an outcome of probability `of` is from one of probability `from` (Kullback and Leibler), in nats.
fn divergence(of: f64, from: f64) -> f64 {
    /// So that what seems impossible by rounding is not.
    const LEAST: f64 = 1e-9;
    let from = from.clamp(LEAST, 1.0 - LEAST);
    -binary_entropy(of) - xlogy(of, from.ln()) - xlogy(1.0 - of, (-from).ln_1p())
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
                grid.spread(class.weighed[0], class.weighed[1], masses, [&mut old, &mut new]);
            }
        }
        Self([old, new, grid.spread_same(bisection.weighed, bisection.posterior().none)])
    }

    /// What N trials are expected to tell.
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
    let ln = |probability: f64| xlogy(probability, probability.ln());
    let rows: f64 = joint.iter().map(|row| ln(row.iter().sum())).sum();
    let each: f64 = joint.iter().flatten().copied().map(ln).sum();
    let columns: f64 = columns.into_iter().map(ln).sum();
    let total: f64 = joint.iter().flatten().sum();
    each - rows - columns + ln(total)
}
