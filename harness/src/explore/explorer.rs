//! The search itself: which trials it wants next, and what it takes from them.

use std::collections::{BTreeMap, BTreeSet};

use super::causes::causes;
use super::findings::{Coverage, Findings, Forced, Pair};
use super::moments::{Moment, Moments, sequence};
use crate::model::schedule::{Held, Hold, HoldOutcome, LONGEST_HOLD, Schedule, Trigger};
use crate::model::timeline::Timeline;
use crate::model::{Channel, TrialOutcome};

/// Trials that are let run as they come.
const LEARNT: u32 = 6;

/// Trials of an order that is the smallest cause of a loss.
const SURE: u32 = 5;

/// Of each found cause, so many further orders are forced at a time.
const DEEPER: usize = 24;

/// A trial that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What it is to follow; none: it is let run as it comes.
    pub schedule: Option<Schedule>,
    /// Which stage of the search wants it.
    pub stage: Stage,
}

/// The stages of a search, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Trials as they come.
    Learn,
    /// A CPU is held at each moment, to see what the others come to.
    Hold,
    /// Each order that can be forced is.
    Force,
    /// Orders that are causes are forced again.
    Confirm,
    /// Orders are forced on top of those that are causes.
    Deepen,
    /// It has nothing more to ask.
    Done,
}

/// What was seen of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// How it ended.
    pub outcome: TrialOutcome,
    /// What its CPUs did, if that was recorded.
    pub timeline: Option<Timeline>,
    /// What became of its holds.
    pub holds: Vec<Held>,
}

/// The search on one kernel.
#[derive(Debug, Clone)]
pub struct Explorer {
    cast: Vec<(String, Option<u32>)>,
    /// The channel that is looked at.
    channel: Channel,
    /// Whether orders are forced on top of others.
    deepens: bool,
    stage: Stage,
    learnt: Vec<Timeline>,
    /// How often the log was lost in trials as they come.
    as_it_comes: Forced,
    moments: Moments,
    /// Of each moment, what was seen while its CPU was held there.
    held: BTreeMap<usize, Row>,
    /// What became of each pair that was forced.
    pairs: BTreeMap<(usize, usize), Forced>,
    /// What became of pairs that were forced on top of others.
    deeper: BTreeMap<[(usize, usize); 2], Forced>,
}

/// What was seen while a CPU was held at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Row {
    /// The moments that others came to.
    reached: BTreeSet<usize>,
    /// Why nothing is known of it, if nothing is.
    unknown: Option<HoldOutcome>,
}

impl Explorer {
    /// One that looks at a channel. `cast`: the scenario's actors with their CPUs.
    pub fn new(cast: Vec<(String, Option<u32>)>, channel: Channel, deepens: bool) -> Self {
        Self {
            cast,
            channel,
            deepens,
            stage: Stage::Learn,
            learnt: Vec::new(),
            as_it_comes: Forced::default(),
            moments: Moments::default(),
            held: BTreeMap::new(),
            pairs: BTreeMap::new(),
            deeper: BTreeMap::new(),
        }
    }

    /// The trials that it wants next, all of which it is then told of, in this order; none: it is done.
    pub fn ask(&mut self) -> Vec<Asked> {
        loop {
            let wanted = self.wanted();
            if !wanted.is_empty() || self.stage == Stage::Done {
                let stage = self.stage;
                return wanted.into_iter().map(|schedule| Asked { schedule, stage }).collect();
            }
            self.stage = match self.stage {
                Stage::Learn => Stage::Hold,
                Stage::Hold => Stage::Force,
                Stage::Force => Stage::Confirm,
                Stage::Confirm if self.deepens => Stage::Deepen,
                Stage::Confirm | Stage::Deepen | Stage::Done => Stage::Done,
            };
            if self.stage == Stage::Hold {
                self.moments = Moments::of(&self.learnt, &self.cast);
            }
        }
    }

    /// What the stage still wants.
    fn wanted(&self) -> Vec<Option<Schedule>> {
        match self.stage {
            Stage::Learn if self.as_it_comes.trials == 0 => vec![None; usize::try_from(LEARNT).unwrap_or(1)],
            Stage::Hold => {
                let firsts: BTreeSet<usize> = self.moments.pairs().map(|(a, _)| a).collect();
                firsts.into_iter().filter(|a| !self.held.contains_key(a)).map(|a| Some(self.hold(a))).collect()
            }
            Stage::Force => {
                let mut left: Vec<_> = self.feasible().filter(|pair| !self.pairs.contains_key(pair)).collect();
                left.sort_by_key(|pair| self.promise(*pair));
                left.into_iter().map(|pair| Some(self.force(&[pair]))).collect()
            }
            Stage::Confirm => {
                let representatives: BTreeSet<(usize, usize)> =
                    causes(&self.moments, &self.pairs).iter().map(|cause| cause.smallest).collect();
                let missing = |pair: &(usize, usize)| {
                    let trials = self.pairs.get(pair).map_or(0, |forced| forced.trials);
                    usize::try_from(SURE.saturating_sub(trials)).unwrap_or(0)
                };
                let trials = representatives.iter().flat_map(|pair| vec![Some(self.force(&[*pair])); missing(pair)]);
                trials.collect()
            }
            Stage::Deepen => self.deepen().map(|pairs| Some(self.force(&pairs))).collect(),
            Stage::Learn | Stage::Done => Vec::new(),
        }
    }

    /// What it is told of a trial that it has asked for.
    pub fn record(&mut self, asked: &Asked, seen: Seen) {
        let loss = self.loss(&seen.outcome);
        match (&asked.schedule, asked.stage) {
            (None, _) => {
                self.as_it_comes.add(loss, None, 0);
                self.learnt.extend(seen.timeline);
            }
            (Some(schedule), Stage::Hold) => {
                let Some(a) = self.find(schedule.holds.first().map(|hold| &hold.at)) else { return };
                let row = self.row(&seen);
                self.held.insert(a, row);
            }
            (Some(schedule), _) => {
                let pair = |hold: &Hold| Some((self.find(Some(&hold.at))?, self.find(hold.until.as_ref())?));
                let pairs: Vec<(usize, usize)> = schedule.holds.iter().filter_map(pair).collect();
                let not_kept = Held::not_kept(&seen.holds).map(|held| held.outcome);
                let lasted = seen.holds.iter().filter_map(|held| held.lasted_ns).fold(0, u64::saturating_add);
                let forced = match pairs.as_slice() {
                    [pair] => self.pairs.entry(*pair).or_default(),
                    [first, then] => self.deeper.entry([*first, *then]).or_default(),
                    _ => return,
                };
                forced.add(loss, not_kept, lasted);
            }
        }
    }

    /// A short name for what was asked for: `12-before-3` by the numbers of the moments, `held-3`.
    pub fn name(&self, schedule: &Schedule) -> Option<String> {
        let number = |trigger: Option<&Trigger>| Some(self.find(trigger)? + 1);
        let hold = |hold: &Hold| {
            let a = number(Some(&hold.at))?;
            Some(number(hold.until.as_ref()).map_or_else(|| format!("held-{a}"), |b| format!("{b}-before-{a}")))
        };
        let names: Vec<String> = schedule.holds.iter().map(hold).collect::<Option<_>>()?;
        Some(names.join(","))
    }

    /// Whether the log was lost; none if the trial does not say.
    fn loss(&self, outcome: &TrialOutcome) -> Option<bool> {
        let TrialOutcome::Counted { channels, .. } = outcome else { return None };
        channels.get(&self.channel).map(|verdict| verdict.outcome != self.channel.good())
    }

    fn find(&self, trigger: Option<&Trigger>) -> Option<usize> {
        let trigger = trigger?;
        self.moments.all.iter().position(|moment| moment.trigger() == *trigger)
    }

    /// What the others came to while a CPU was held, in a trial of the stage [`Stage::Hold`].
    fn row(&self, seen: &Seen) -> Row {
        let (Some(timeline), Some(held)) = (&seen.timeline, seen.holds.first()) else {
            return Row { unknown: Some(HoldOutcome::NotReached), ..Row::default() };
        };
        // One that it ended first held for good.
        if !matches!(held.outcome, HoldOutcome::Over | HoldOutcome::Ended) {
            return Row { unknown: Some(held.outcome), ..Row::default() };
        }
        let [began, ended] = held.before;
        let meanwhile = sequence(timeline, &self.cast).into_iter().filter(|(at, _)| (began..ended).contains(at));
        Row { reached: meanwhile.filter_map(|(_, moment)| self.moments.find(&moment)).collect(), unknown: None }
    }

    /// Holds the CPU of a moment there, for as long as one may.
    fn hold(&self, a: usize) -> Schedule {
        let at = self.moments.all.get(a).map(Moment::trigger);
        Schedule { holds: at.into_iter().map(|at| Hold { at, until: None, at_most: LONGEST_HOLD }).collect() }
    }

    /// Forces the second of each pair before the first.
    fn force(&self, pairs: &[(usize, usize)]) -> Schedule {
        let trigger = |moment: usize| self.moments.all.get(moment).map(Moment::trigger);
        let hold = |(a, b): &(usize, usize)| Some(Hold { at: trigger(*a)?, until: trigger(*b), at_most: LONGEST_HOLD });
        Schedule { holds: pairs.iter().filter_map(hold).collect() }
    }

    /// The pairs that can be forced: the other CPU was seen to come to `b` while that of `a` was held before it.
    fn feasible(&self) -> impl Iterator<Item = (usize, usize)> {
        self.moments.pairs().filter(|(a, b)| self.held.get(a).is_some_and(|row| row.reached.contains(b)))
    }

    /// How promising it is to force a pair, the least number first. What is lost when one moment comes too early is lost mostly
    /// when later ones do as well, so the latest of each row says most, and then the earliest.
    fn promise(&self, (a, b): (usize, usize)) -> (usize, usize, usize) {
        let role = |moment: usize| self.moments.all.get(moment).map(|moment| &moment.role);
        let row = self.held.get(&a).into_iter().flat_map(|row| &row.reached).filter(|other| role(**other) == role(b));
        let (mut later, mut earlier) = (0, 0);
        for other in row {
            later += usize::from(*other > b);
            earlier += usize::from(*other < b);
        }
        let place = if later == 0 {
            0
        } else if earlier == 0 {
            1
        } else {
            2
        };
        (place, a, b)
    }

    /// Pairs to be forced on top of causes: once `a` may go on, the other CPU is held in turn until that one has come further.
    /// The nearest first.
    fn deepen(&self) -> impl Iterator<Item = [(usize, usize); 2]> {
        let mut further = Vec::new();
        let role = |moment: usize| self.moments.all.get(moment).map(|moment| &moment.role);
        for first in causes(&self.moments, &self.pairs).iter().map(|cause| cause.smallest) {
            let (a, b) = first;
            let feasible =
                self.feasible().filter(|(c, d)| *c > b && *d > a && role(*c) == role(b) && role(*d) == role(a));
            further.extend(feasible.map(|then| (then.0 - b + then.1 - a, [first, then])));
        }
        further.sort_unstable();
        let done = self.deeper.len();
        let left = further.into_iter().map(|(_, pairs)| pairs).filter(|pairs| !self.deeper.contains_key(pairs));
        left.take(DEEPER.saturating_sub(done)).collect::<Vec<_>>().into_iter()
    }

    /// How it stands.
    pub fn findings(&self) -> Findings {
        let mut coverage = Coverage::default();
        let mut pairs = Vec::new();
        for (a, b) in self.moments.pairs() {
            coverage.seen += 1;
            let row = self.held.get(&a);
            let forced = self.pairs.get(&(a, b));
            let why_not = match (row, forced) {
                (None, _) => None,
                (Some(Row { unknown: Some(why), .. }), _) => Some(*why),
                (Some(row), _) if !row.reached.contains(&b) => Some(HoldOutcome::Bound),
                (Some(_), Some(forced)) => forced.why_not(),
                (Some(_), None) => None,
            };
            match (forced.map_or(0, |forced| forced.kept), why_not) {
                (1.., _) => coverage.forced += 1,
                (0, Some(why)) => *coverage.infeasible.entry(why).or_insert(0) += 1,
                (0, None) => coverage.left += 1,
            }
            pairs.push(Pair { first: b, then: a, forced: forced.cloned().unwrap_or_default(), why_not });
        }
        let deeper = self.deeper.iter().filter(|(_, forced)| forced.kept > 0);
        Findings {
            channel: self.channel,
            moments: self.moments.all.clone(),
            as_it_comes: self.as_it_comes.clone(),
            coverage,
            causes: causes(&self.moments, &self.pairs)
                .into_iter()
                .map(|region| {
                    let smallest = self.pairs.get(&region.smallest).cloned().unwrap_or_default();
                    let schedule = self.force(&[region.smallest]);
                    region.told(&self.moments, smallest, schedule)
                })
                .collect(),
            deeper: deeper.map(|(pairs, forced)| (self.force(pairs), forced.clone())).collect(),
            pairs,
        }
    }
}
