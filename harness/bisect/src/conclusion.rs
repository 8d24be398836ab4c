//! The conclusion of a bisection.

use super::Tally;
use harness_stats::Interval;

/// How a bisection ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Conclusion {
    /// One commit brought the change.
    Found {
        /// Which.
        commit: usize,
        /// Its probability, at least what was asked for.
        confidence: f64,
        /// Without it.
        old: Rate,
        /// With it.
        new: Rate,
    },
    /// One of these did, and no commit that can be tried tells which.
    Candidates {
        /// The commits, the most probable first.
        commits: Vec<usize>,
        /// The probability that it is one of them, at least what was asked for.
        confidence: f64,
        /// Without any of them.
        old: Rate,
        /// With all of them.
        new: Rate,
    },
    /// No commit is probable enough.
    Indeterminate {
        /// Why no more is tried.
        why: Why,
        /// About how many more trials would decide; `None` if no number of them would, or far too many.
        trials_more: Option<u32>,
        /// The most probable commits with their probabilities, at most ten, the first above all.
        leading: Vec<(usize, f64)>,
        /// Without the first of them.
        old: Rate,
        /// With it.
        new: Rate,
    },
    /// The ends do not differ, or not in this direction.
    NoDifference {
        /// The good end, with Wilson's interval.
        good: (Tally, Interval),
        /// The bad end, with Wilson's interval.
        bad: (Tally, Interval),
        /// The event is clearly rarer at the bad end: good and bad may have been swapped.
        reversed: bool,
    },
    /// An end cannot be tried, so there is nothing to compare.
    EndSkipped {
        /// Whether it is the good end.
        good: bool,
    },
}

/// Why a bisection ended without a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// All trials that were allowed are spent.
    TrialsSpent,
    /// Nothing that can still be tried would tell more.
    NothingInforms,
    /// The trials are spent, and they contradict one change of one rate: commits on the same side of every change that
    /// could be meant have clearly different rates.
    NotOneChange,
}

/// How often the event came up on one side of a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// All trials of that side.
    pub tally: Tally,
    /// The mean of what the rate may be, 0 to 1.
    pub mean: f64,
    /// The credible interval (95 %) of the rate, by Jeffreys's prior.
    pub interval: Interval,
}

impl Rate {
    /// By Jeffreys's prior: density Beta(½, ½), for which the interval (equal tails; from 0 if the event never came up,
    /// to 1 if it always did) holds about 95 % whatever the rate. L. D. Brown, T. T. Cai, A. `DasGupta`, "Interval
    /// estimation for a binomial proportion", Statistical Science 16 (2001).
    pub(super) fn of(tally: Tally) -> Self {
        /// Steps of the integral; the interval's ends lie between two.
        const STEPS: u32 = 4096;
        let (events, others) = (f64::from(tally.events), f64::from(tally.trials - tally.events));
        let share = events / (events + others).max(1.0);
        // In the angle whose squared sine is the rate the prior is flat.
        let most = events * share.max(f64::MIN_POSITIVE).ln() + others * (1.0 - share).max(f64::MIN_POSITIVE).ln();
        let angle = |step: f64| step / f64::from(STEPS) * std::f64::consts::FRAC_PI_2;
        let rate = |step: f64| angle(step).sin().powi(2);
        let weights: Vec<f64> = (0..STEPS)
            .map(|step| {
                let rate = rate(f64::from(step) + 0.5);
                (events * rate.ln() + others * (-rate).ln_1p() - most).exp()
            })
            .collect();
        let all: f64 = weights.iter().sum();
        let quantile = |tail: f64| {
            let (mut sum, mut steps) = (0.0, 0.0);
            for weight in &weights {
                if sum + weight >= tail * all {
                    return rate(steps + (tail * all - sum) / weight);
                }
                sum += weight;
                steps += 1.0;
            }
            1.0
        };
        Self {
            tally,
            mean: (events + 0.5) / (events + others + 1.0),
            interval: Interval {
                lo: if tally.events == 0 { 0.0 } else { quantile(0.025) },
                hi: if tally.events == tally.trials { 1.0 } else { quantile(0.975) },
            },
        }
    }
}
