//! Simulated bisections: what a rule finds in histories of which the truth is known, and how many trials it takes.
//!
//! The one place with randomness in this module; its generator is given, and so is its seed.

use std::fmt;

use serde::{Serialize, Serializer};

use super::templates::share_of;
use super::{Bisection, Conclusion, Costs, History, Next, Options, Tallies, Tally};
use harness_stats::next_hit;

/// A kind of history. Each way to go wrong is a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct World {
    /// Commits after the good end.
    pub commits: usize,
    /// How often the event comes up before the change and since, 0 to 1. Equal: there is no change.
    pub rates: [f64; 2],
    /// Commits that begin a stretch which does not build or does not boot, as a share of all.
    pub broken: f64,
    /// How many commits such a stretch has.
    pub broken_for: usize,
    /// Trials that do not count, as a share of all: missed, or failed by our fault.
    pub uncounted: f64,
    /// A second commit, anywhere, raises the rate to this.
    pub second: Option<f64>,
    /// The change is taken back at some later commit, and comes again at a still later one.
    pub again: bool,
    /// Every eight commits the last four come by a merge of a branch.
    pub merges: bool,
    /// Commits that change no byte of the kernel, as a share of all that are no merges and no cause.
    pub unchanged: f64,
    /// Each kernel's own rate differs from its side's by up to this share of it, whatever it touches.
    pub jitter: f64,
    /// The number of templates of each commit, and the correlation of two trials of one template. None: trials are
    /// independent.
    pub templates: Option<(u32, f64)>,
}

impl World {
    /// Nothing goes wrong.
    pub const fn plain(rates: [f64; 2]) -> Self {
        Self {
            commits: 128,
            rates,
            broken: 0.0,
            broken_for: 0,
            uncounted: 0.0,
            second: None,
            again: false,
            merges: false,
            unchanged: 0.0,
            jitter: 0.0,
            templates: None,
        }
    }
}

/// How a commit is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// As [`Bisection`] does it.
    Harness,
    /// As `git bisect` does it, with this many trials of each commit: one event, and it is bad.
    Halving(u32),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Harness => f.pad("harness"),
            Self::Halving(1) => f.pad("plain"),
            Self::Halving(trials) => f.pad(&format!("repeat-{trials}")),
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The result of a rule in one history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Whether it names a commit that raises the rate, or some of which one does and which nothing that builds tells apart;
    /// `None` if it names none.
    pub right: Option<bool>,
    /// Trials that it took, those that did not count included.
    pub trials: u32,
}

/// A history and its truth.
struct Truth {
    history: History,
    /// The rate of the event at each node.
    rates: Vec<f64>,
    broken: Vec<bool>,
    /// Of each node, the first one with the same kernel.
    kernels: Vec<usize>,
    /// The commits of which each raises the rate.
    causes: Vec<usize>,
}

impl Truth {
    fn of(world: &World, rng: &mut fastrand::Rng) -> Self {
        let history = if world.merges { merging(world.commits) } else { History::chain(world.commits) };
        let (last, nodes) = (world.commits, world.commits + 1);
        let first = rng.usize(1..=last);
        let mut causes = if world.rates[0] < world.rates[1] { vec![first] } else { Vec::new() };
        let mut taken_back = nodes..nodes;
        let second = world.second.map(|rate| (rng.usize(1..=last), rate));
        causes.extend(second.map(|(commit, _)| commit));
        if world.again && first + 2 <= last {
            let back = rng.usize(first + 1..last);
            taken_back = back..rng.usize(back + 1..=last);
            causes.push(taken_back.end);
        }
        let mut rates: Vec<f64> = (0..nodes)
            .map(|node| {
                let changed = history.has(node, first) && !taken_back.contains(&node);
                let rate = world.rates[usize::from(changed)];
                let rate = second
                    .filter(|(commit, _)| history.has(node, *commit))
                    .map_or(rate, |(_, second)| rate.max(second));
                rate * (1.0 + world.jitter * (rng.f64() * 2.0 - 1.0))
            })
            .collect();
        for rate in &mut rates {
            *rate = rate.clamp(0.0, 1.0);
        }
        let mut kernels: Vec<usize> = (0..nodes).collect();
        for node in 1..nodes {
            if world.unchanged > 0.0
                && let [parent] = history.parents(node)
                && !causes.contains(&node)
                && taken_back.start != node
                && rng.f64() < world.unchanged
            {
                (kernels[node], rates[node]) = (kernels[*parent], rates[*parent]);
            }
        }
        let mut broken = vec![false; nodes];
        for node in 1..last {
            if rng.f64() < world.broken {
                broken.iter_mut().take(last).skip(node).take(world.broken_for).for_each(|broken| *broken = true);
            }
        }
        Self { history, rates, broken, kernels, causes }
    }

    fn trials(&self, node: usize, trials: u32, uncounted: f64, rng: &mut fastrand::Rng) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..trials {
            if rng.f64() >= uncounted {
                tally.count(rng.f64() < self.rates[node]);
            }
        }
        tally
    }

    /// Further trials from templates in turn, each of which has a rate of its own, drawn from a beta distribution.
    fn alike(
        &self,
        node: usize,
        trials: u32,
        (templates, icc): (u32, f64),
        so_far: &mut Tallies,
        rng: &mut fastrand::Rng,
    ) -> Tallies {
        let mut more = Tallies::default();
        for _ in 0..trials {
            let template = (so_far.all().trials % templates.max(1)).to_string();
            let seen = so_far.templates.get(&template).copied().map(share_of).unwrap_or_default();
            let event = rng.f64() < next_hit(self.rates[node], icc, seen);
            so_far.count(event, Some(&template));
            more.count(event, Some(&template));
        }
        more
    }
}

/// Eight commits, of which the last four are on a branch that the eighth merges, and so on.
fn merging(commits: usize) -> History {
    let parents = |node: usize| match node {
        0 => Vec::new(),
        _ if node % 8 == 5 => vec![node - 5],
        _ if node.is_multiple_of(8) => vec![node - 4, node - 1],
        _ => vec![node - 1],
    };
    let mut parents: Vec<Vec<usize>> = (0..=commits).map(parents).collect();
    // A branch that the history ends in the middle of is merged by its last commit.
    if commits % 8 >= 5 {
        let before = commits - commits % 8 + 4;
        if let Some(last) = parents.last_mut() {
            last.push(before);
            last.sort_unstable();
        }
    }
    History::new(parents).unwrap_or_else(|_| History::chain(commits))
}

/// One bisection. Kernels are there, so trials are all that it takes, two side by side.
pub fn bisect(rule: Rule, world: &World, options: Options, rng: &mut fastrand::Rng) -> Answer {
    let truth = Truth::of(world, rng);
    match rule {
        Rule::Harness => by_harness(&truth, world, options, rng),
        Rule::Halving(trials) => by_halving(&truth, trials, rng),
    }
}

fn by_harness(truth: &Truth, world: &World, options: Options, rng: &mut fastrand::Rng) -> Answer {
    let nodes = truth.history.len();
    let mut bisection = Bisection::new(truth.history.clone(), vec![1.0; nodes], options);
    let costs = Costs { ready_s: &|_| 0.0, trial_s: 1.0, at_once: 2 };
    let mut taken = 0;
    let mut so_far = vec![Tallies::default(); nodes];
    // Of each kernel the first node that was built.
    let mut built: Vec<Option<usize>> = vec![None; nodes];
    loop {
        let (named, confident) = match bisection.next(&costs) {
            Next::Try { commit, .. } if truth.broken[commit] => {
                bisection.skip(commit);
                continue;
            }
            Next::Try { commit, trials } => {
                let first = *built[truth.kernels[commit]].get_or_insert(commit);
                if first != commit && bisection.same_kernel(commit, first) {
                    continue;
                }
                taken += trials;
                let tallies = match world.templates {
                    Some(templates) => truth.alike(commit, trials, templates, &mut so_far[commit], rng),
                    None => truth.trials(commit, trials, world.uncounted, rng).into(),
                };
                bisection.record(commit, tallies);
                continue;
            }
            Next::Done(Conclusion::Found { commit, .. }) => (vec![commit], true),
            Next::Done(Conclusion::Candidates { commits, .. }) => (commits, true),
            Next::Done(_) => (Vec::new(), false),
        };
        let right = confident.then(|| named.iter().any(|commit| truth.causes.contains(commit)));
        return Answer { right, trials: taken };
    }
}

fn by_halving(truth: &Truth, trials: u32, rng: &mut fastrand::Rng) -> Answer {
    let (mut good, mut bad) = (0, truth.history.len() - 1);
    let mut taken = 0;
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        let mut event = false;
        for _ in 0..trials {
            taken += 1;
            if truth.trials(middle, 1, 0.0, rng).events > 0 {
                event = true;
                break;
            }
        }
        *(if event { &mut bad } else { &mut good }) = middle;
    }
    Answer { right: Some(truth.causes.contains(&bad)), trials: taken }
}

/// The results of many bisections by one rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Row {
    /// The rule.
    pub rule: Rule,
    /// How often the event comes up before the change and since, 0 to 1.
    pub rates: [f64; 2],
    /// Commits between the ends, the bad one included.
    pub commits: usize,
    /// Bisections.
    pub runs: u32,
    /// The share of them that named the commit.
    pub right: f64,
    /// Trials of one, those at the ends included: their mean.
    pub mean_trials: f64,
    /// As many or fewer were enough in 95 % of them.
    pub p95_trials: u32,
    /// The share that named the right commit of those that named one: what the confidence promises.
    pub right_of_named: f64,
}

/// Many bisections.
pub fn row(rule: Rule, world: &World, options: Options, runs: u32, seed: u64) -> Row {
    let mut rng = fastrand::Rng::with_seed(seed);
    let answers: Vec<Answer> = (0..runs).map(|_| bisect(rule, world, options, &mut rng)).collect();
    let mut trials: Vec<u32> = answers.iter().map(|answer| answer.trials).collect();
    trials.sort_unstable();
    let share = |part: usize, of: usize| {
        #[expect(clippy::cast_precision_loss, reason = "counts of simulations")]
        let share = part as f64 / of.max(1) as f64;
        share
    };
    let right = answers.iter().filter(|answer| answer.right == Some(true)).count();
    let named = answers.iter().filter(|answer| answer.right.is_some()).count();
    Row {
        rule,
        rates: world.rates,
        commits: world.commits,
        runs,
        right: share(right, answers.len()),
        mean_trials: trials.iter().copied().map(f64::from).sum::<f64>() / f64::from(runs.max(1)),
        p95_trials: trials.get((trials.len() * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0),
        right_of_named: share(right, named),
    }
}
