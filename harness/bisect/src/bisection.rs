//! The state of a bisection.

use super::rates::{Grid, Marginal, Weighed};
use super::skips::Skips;
use super::templates::weights;
use super::{Conclusion, Costs, History, Next, Options, Posterior, Rate, Tallies, Tally, Why, choice};
use harness_stats::{Proportion, wilson, xlogy};

/// The prior probability that no commit brought a change.
const NONE: f64 = 0.1;

/// Builds between the ends are worth their time once "none" is less probable than this. Of 800 simulated bisections whose
/// ends do not differ a quarter came so far, and one in a hundred to a commit.
const SPEND: f64 = 0.05;

/// Ends seem to differ while "none" is less probable than this.
const SEEM_TO_DIFFER: f64 = 0.5;

/// A commit that is probable enough is confirmed up to this probability, if that takes no more than about [`FEW`] trials, or
/// [`TRIFLE`] of those so far.
const SURE: f64 = 0.99;

/// Trials that a confirmation may always take.
const FEW: f64 = 6.0;

/// The share of the trials so far that a confirmation may take as well: a rare event takes many.
const TRIFLE: f64 = 0.15;

/// Trials of each end, at least, before anything is said of them: a prior alone should not.
const LEAST_ENDS: u32 = 5;

/// The commits of which no trial so far told one from another; those that cannot be the one are apart.
#[derive(Debug, Clone)]
pub(super) struct Class {
    /// One of them.
    pub member: usize,
    /// The probability of all of them together, before any trial.
    pub prior: f64,
    pub old: Tally,
    pub new: Tally,
    /// Both tallies, by the number of independent trials that would tell as much.
    pub weighed: [Weighed; 2],
    pub marginal: Marginal,
}

/// A search for the commit that made the event more frequent. See the module.
#[derive(Debug, Clone)]
pub struct Bisection {
    pub(super) history: History,
    prior: Vec<f64>,
    options: Options,
    tallies: Vec<Tally>,
    by_template: Vec<Tallies>,
    /// Of each node, the one of the same kernel whose trials are all of that kernel's; itself where no other is known to have it.
    same_as: Vec<usize>,
    /// What a trial of each node counts for.
    pub(super) weights: Vec<f64>,
    /// All trials, as independent ones.
    pub(super) weighed: Weighed,
    pub(super) skips: Skips,
    pub(super) grid: Grid,
    /// The class of each node.
    pub(super) class_of: Vec<usize>,
    pub(super) classes: Vec<Class>,
    /// The rate if no commit brought a change: its mean.
    pub(super) same: f64,
    pub(super) posterior: Posterior,
}

impl Bisection {
    /// A bisection before its first trial. `prior` weighs the nodes as culprits: one weight each, that of the good end
    /// is not used. Weights that are missing, negative or not finite count as 0; if none is left, all weigh the same.
    pub fn new(history: History, prior: Vec<f64>, options: Options) -> Self {
        let nodes = history.len();
        let mut prior: Vec<f64> =
            prior.into_iter().map(|weight| if weight.is_finite() { weight.max(0.0) } else { 0.0 }).collect();
        prior.resize(nodes, 0.0);
        prior[0] = 0.0;
        if prior.iter().sum::<f64>() <= 0.0 {
            prior[1..].fill(1.0);
        }
        let mut bisection = Self {
            skips: Skips::none(&history),
            prior,
            options,
            tallies: vec![Tally::default(); nodes],
            by_template: vec![Tallies::default(); nodes],
            same_as: (0..nodes).collect(),
            weights: vec![1.0; nodes],
            weighed: Weighed::default(),
            grid: Grid::new(0),
            class_of: vec![0; nodes],
            classes: Vec::new(),
            same: 0.5,
            posterior: Posterior { commits: vec![0.0; nodes], none: NONE },
            history,
        };
        bisection.share_out();
        bisection
    }

    /// Adds trials of a node that counted.
    pub fn record(&mut self, commit: usize, more: impl Into<Tallies>) {
        let more = more.into();
        let tally = more.all();
        if tally.trials == 0 {
            return;
        }
        let commit = self.same_as[commit];
        if self.tallies[commit].trials == 0 {
            self.split(commit);
        }
        self.tallies[commit].add(tally);
        self.by_template[commit].add(more);
        let all = self.all();
        if !self.grid.is_for(all.trials) {
            self.grid = Grid::new(all.trials);
        }
        self.weigh();
    }

    /// A node that cannot be tried: it does not build, does not boot, or its trials never count. What was counted of it
    /// stays; it is not tried again.
    pub fn skip(&mut self, commit: usize) {
        let kernel = self.same_as[commit];
        for commit in (0..self.history.len()).filter(|&commit| self.same_as[commit] == kernel) {
            self.skips.add(&self.history, commit);
        }
    }

    /// A node has the same kernel, byte for byte, as another one. The trials of one are those of the other too, and of the two only
    /// one is tried from now on: the other one, unless this one is an end. No commit that only one of them contains can have made a
    /// difference: of such commits nothing is left, and the rest share what they had, as if the range had been without them from
    /// the beginning. Returns whether that was not known.
    pub fn same_kernel(&mut self, commit: usize, other: usize) -> bool {
        let (one, other) = (self.same_as[commit], self.same_as[other]);
        if one == other {
            return false;
        }
        let ends = [0, self.history.bad()];
        let kept = ends.into_iter().find(|end| [one, other].contains(end)).unwrap_or(other);
        let gone = if kept == one { other } else { one };
        self.same_as.iter_mut().filter(|of| **of == gone).for_each(|of| *of = kept);
        for change in 1..self.history.len() {
            if self.history.has(one, change) != self.history.has(other, change) {
                self.prior[change] = 0.0;
            }
        }
        let (tally, by_template) =
            (std::mem::take(&mut self.tallies[gone]), std::mem::take(&mut self.by_template[gone]));
        self.tallies[kept].add(tally);
        self.by_template[kept].add(by_template);
        if self.skips.has(one) || self.skips.has(other) {
            self.skip(kept);
        }
        self.share_out();
        true
    }

    /// Whether trials of a node are taken; those of any other of the same kernel are trials of this one.
    pub(super) fn is_tried(&self, commit: usize) -> bool {
        self.same_as[commit] == commit && !self.skips.has(commit)
    }

    /// What is known so far.
    pub fn posterior(&self) -> &Posterior {
        &self.posterior
    }

    /// What contains what.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The trials of each node that counted.
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// What to do next. Nothing changes until the answer is recorded.
    pub fn next(&self, costs: &Costs<'_>) -> Next {
        if self.skips.has(0) || self.skips.has(self.history.bad()) {
            return Next::Done(Conclusion::EndSkipped { good: self.skips.has(0) });
        }
        let left = self.options.at_most.saturating_sub(self.all().trials);
        if self.prior.iter().all(|&prior| prior <= 0.0) {
            return Next::Done(self.no_difference());
        }
        if !self.has_begun() {
            return self.next_end(left, costs);
        }
        if let Some((found, confidence)) = self.found() {
            return match self.confirming(confidence, costs) {
                Some((commit, trials)) if left > 0 => Next::Try { commit, trials: trials.min(left) },
                _ => Next::Done(found),
            };
        }
        if self.posterior.none >= self.options.confidence {
            return Next::Done(self.no_difference());
        }
        if left == 0 {
            let why = if self.is_contradicted() { Why::NotOneChange } else { Why::TrialsSpent };
            return Next::Done(self.indeterminate(why, costs));
        }
        match choice::best(self, costs) {
            Some((commit, trials)) => Next::Try { commit, trials: trials.min(left) },
            None => Next::Done(self.indeterminate(Why::NothingInforms, costs)),
        }
    }

    /// About how many more trials decide, by what the best next one tells; `None` if that cannot be said or is absurdly
    /// many. For people who wait: it is the mean of a quantity that varies a lot.
    pub fn trials_left(&self, costs: &Costs<'_>) -> Option<u32> {
        /// More is no figure to plan with.
        const MANY: f64 = 100_000.0;
        let best = choice::most_per_trial(self, costs)?;
        let confidence = self.options.confidence;
        let doubt = entropy(confidence) + entropy(1.0 - confidence);
        let now: f64 = self.groups().into_iter().map(entropy).sum::<f64>() + entropy(self.posterior.none);
        let trials = ((now - doubt) / best).ceil().max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 1 to what is many")]
        (trials <= MANY).then_some(trials as u32)
    }

    /// All trials that counted.
    pub(super) fn all(&self) -> Tally {
        let mut all = Tally::default();
        self.tallies.iter().for_each(|&tally| all.add(tally));
        all
    }

    /// Shares out what is not "none" among the commits that can be the one, by their weights, and sorts them anew.
    fn share_out(&mut self) {
        let total: f64 = self.prior.iter().sum();
        if total > 0.0 {
            self.prior.iter_mut().for_each(|prior| *prior *= (1.0 - NONE) / total);
        }
        let possible = |change: &usize| self.prior[*change] > 0.0;
        let nothing = Weighed::default();
        let class = |member| Class {
            member,
            prior: 0.0,
            old: Tally::default(),
            new: Tally::default(),
            weighed: [nothing; 2],
            marginal: self.grid.one_change(nothing, nothing),
        };
        let bad = self.history.bad();
        let changes = || 1..self.history.len();
        let impossible = changes().rfind(|change| !possible(change));
        self.classes = [changes().rfind(possible).or(Some(bad)), impossible].into_iter().flatten().map(class).collect();
        self.class_of = (0..=bad).map(|change| usize::from(change > 0 && !possible(&change))).collect();
        for node in self.tried() {
            self.split(node);
        }
        self.weigh();
    }

    /// The nodes of which there are trials.
    fn tried(&self) -> Vec<usize> {
        (0..self.tallies.len()).filter(|&node| self.tallies[node].trials > 0).collect()
    }

    /// Trials of a node are about to tell its contents from the rest.
    fn split(&mut self, commit: usize) {
        let mut halves: Vec<Option<usize>> = vec![None; self.classes.len()];
        let has_member: Vec<bool> = self.classes.iter().map(|class| self.history.has(commit, class.member)).collect();
        for change in 1..self.history.len() {
            let of = self.class_of[change];
            if self.prior[change] <= 0.0 || self.history.has(commit, change) == has_member[of] {
                continue;
            }
            let half = *halves[of].get_or_insert_with(|| {
                self.classes.push(Class { member: change, prior: 0.0, ..self.classes[of].clone() });
                self.classes.len() - 1
            });
            self.class_of[change] = half;
        }
        self.classes.iter_mut().for_each(|class| class.prior = 0.0);
        for change in 1..self.history.len() {
            self.classes[self.class_of[change]].prior += self.prior[change];
        }
    }

    /// Makes the posterior of the counts.
    fn weigh(&mut self) {
        self.weights = weights(&self.by_template);
        let tried = self.tried();
        let mut classes = std::mem::take(&mut self.classes);
        for class in &mut classes {
            (class.old, class.new, class.weighed) = Default::default();
            for &node in &tried {
                let has = self.history.has(node, class.member);
                let side = if has { &mut class.new } else { &mut class.old };
                side.add(self.tallies[node]);
                class.weighed[usize::from(has)].add(self.weighed(node));
            }
            class.marginal = self.grid.one_change(class.weighed[0], class.weighed[1]);
        }
        self.classes = classes;
        self.weighed = Weighed::default();
        for node in tried {
            self.weighed.add(self.weighed(node));
        }
        let (ln_same, same) = self.grid.one_rate(self.weighed);
        self.same = same;
        let ln_none = NONE.ln() + ln_same;
        let most = self.classes.iter().map(|class| class.prior.ln() + class.marginal.ln).fold(ln_none, f64::max);
        let none = (ln_none - most).exp();
        // Counts that a commit which cannot be the one would explain far better than the others must not be infinity times 0.
        let likelihood = |class: &Class| if class.prior > 0.0 { (class.marginal.ln - most).exp() } else { 0.0 };
        let classes: Vec<f64> = self.classes.iter().map(likelihood).collect();
        let total = none + self.classes.iter().zip(&classes).map(|(class, weight)| class.prior * weight).sum::<f64>();
        self.posterior.none = none / total;
        for (change, probability) in self.posterior.commits.iter_mut().enumerate().skip(1) {
            *probability = self.prior[change] * classes[self.class_of[change]] / total;
        }
    }

    /// The trials of a node, as independent ones.
    fn weighed(&self, node: usize) -> Weighed {
        Weighed::of(self.tallies[node], self.weights[node])
    }

    /// Whether the ends have been seen to differ enough for trials between them. Once there are any, there is no way back:
    /// they tell of "none" as well.
    fn has_begun(&self) -> bool {
        let bad_end = self.history.bad();
        let ends = self.tallies[0].trials.min(self.tallies[bad_end].trials);
        let between = self.tallies[1..bad_end].iter().any(|tally| tally.trials > 0);
        between || (self.posterior.none <= SPEND && ends >= LEAST_ENDS)
    }

    /// Trials at the ends alone, until they clearly differ.
    fn next_end(&self, left: u32, costs: &Costs<'_>) -> Next {
        let bad_end = self.history.bad();
        let (good, bad) = (self.tallies[0], self.tallies[bad_end]);
        let tried = good.trials.min(bad.trials);
        let told = tried >= LEAST_ENDS && self.reversed().max(self.posterior.none) >= self.options.confidence;
        // Ends that seem to differ are tried on: a few events in hundreds of trials are what something seldom looks like.
        let enough = tried >= self.options.at_most_ends && self.posterior.none > SEEM_TO_DIFFER;
        if told || enough {
            return Next::Done(self.no_difference());
        }
        if left == 0 {
            return Next::Done(self.indeterminate(Why::TrialsSpent, costs));
        }
        let commit = if good.trials <= bad.trials { 0 } else { bad_end };
        Next::Try { commit, trials: costs.at_once.max(1).min(left) }
    }

    fn no_difference(&self) -> Conclusion {
        let (good, bad) = (self.tallies[0], self.tallies[self.history.bad()]);
        Conclusion::NoDifference {
            good: (good, interval(good)),
            bad: (bad, interval(bad)),
            reversed: self.reversed() > 0.5,
        }
    }

    /// The next trials of a commit that is there, if about a few of them make what is this probable sure.
    fn confirming(&self, confidence: f64, costs: &Costs<'_>) -> Option<(usize, u32)> {
        let ln_odds = |probability: f64| (probability / (1.0 - probability)).ln();
        let missing = ln_odds(SURE) - ln_odds(confidence);
        if missing <= 0.0 {
            return None;
        }
        let (commit, trials, apart) = choice::best_ready(self, costs)?;
        let few = FEW.max(TRIFLE * f64::from(self.all().trials));
        (missing <= few * apart).then_some((commit, trials))
    }

    /// The probability that the event is rarer at the bad end, by the ends alone: against "more frequent" and "equal",
    /// which have their usual prior probabilities, and as improbable beforehand as "equal".
    fn reversed(&self) -> f64 {
        let (good, bad) = (self.weighed(0), self.weighed(self.history.bad()));
        let mut both = good;
        both.add(bad);
        let forward = (1.0 - NONE).ln() + self.grid.one_change(good, bad).ln;
        let backward = NONE.ln() + self.grid.one_change(bad, good).ln;
        let none = NONE.ln() + self.grid.one_rate(both).0;
        1.0 / (1.0 + (forward - backward).exp() + (none - backward).exp())
    }

    /// The commit, or those that nothing tells apart, if they are probable enough; and how probable they are.
    fn found(&self) -> Option<(Conclusion, f64)> {
        let groups = self.groups();
        let (group, &confidence) = groups.iter().enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other))?;
        if confidence < self.options.confidence {
            return None;
        }
        let mut commits: Vec<usize> = (1..self.history.len())
            .filter(|&commit| self.skips.group(commit) == group && self.prior[commit] > 0.0)
            .collect();
        commits.sort_by(|&one, &other| self.posterior.commits[other].total_cmp(&self.posterior.commits[one]));
        let &commit = commits.first()?;
        let (old, new) = self.rates(commit);
        let alone = self.posterior.commits[commit];
        Some(if alone >= self.options.confidence {
            (Conclusion::Found { commit, confidence: alone, old, new }, alone)
        } else {
            (Conclusion::Candidates { commits, confidence, old, new }, confidence)
        })
    }

    /// By the number of a group: the probability that one of the commits which nothing tells apart is the one.
    fn groups(&self) -> Vec<f64> {
        let mut groups = vec![0.0; self.history.len()];
        for (commit, probability) in self.posterior.commits.iter().enumerate() {
            groups[self.skips.group(commit)] += probability;
        }
        groups
    }

    fn indeterminate(&self, why: Why, costs: &Costs<'_>) -> Conclusion {
        let possible = |(commit, _): &(usize, f64)| self.prior[*commit] > 0.0;
        let mut leading: Vec<(usize, f64)> =
            self.posterior.commits.iter().copied().enumerate().filter(possible).collect();
        leading.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        leading.truncate(10);
        let (old, new) = self.rates(leading.first().map_or(self.history.bad(), |&(commit, _)| commit));
        let trials_more = match why {
            Why::TrialsSpent => self.trials_left(costs),
            Why::NothingInforms | Why::NotOneChange => None,
        };
        Conclusion::Indeterminate { why, trials_more, leading, old, new }
    }

    /// Whether a rate of its own for each commit explains the counts far better than any one change.
    fn is_contradicted(&self) -> bool {
        /// ln 100.
        const CLEARLY: f64 = 4.6;
        let own: f64 = self.tried().into_iter().map(|node| self.grid.one_rate(self.weighed(node)).0).sum();
        let classes = self.classes.iter().filter(|class| class.prior > 0.0);
        let changes = classes.map(|class| class.marginal.ln).fold(f64::NEG_INFINITY, f64::max);
        own - changes > CLEARLY
    }

    /// The rates without and with a commit.
    fn rates(&self, commit: usize) -> (Rate, Rate) {
        let class = &self.classes[self.class_of[commit]];
        (Rate::of(class.old), Rate::of(class.new))
    }
}

impl Tallies {
    /// These trials too.
    fn add(&mut self, more: Self) {
        self.apart.add(more.apart);
        for (template, tally) in more.templates {
            self.templates.entry(template).or_default().add(tally);
        }
    }
}

fn interval(tally: Tally) -> harness_stats::Interval {
    wilson(Proportion::new(tally.events, tally.trials).expect("never more events than trials"))
}

/// What a possibility of this probability adds to the doubt, in nats.
fn entropy(probability: f64) -> f64 {
    -xlogy(probability, probability.ln())
}
