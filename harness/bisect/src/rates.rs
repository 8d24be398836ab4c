//! What the counts on the two sides of a change say for it, the rates being unknown.
//!
//! Rates are points of a grid, so every integral is a sum and nothing is approximated but the prior itself. The points
//! lie evenly in the angle whose squared sine is the rate, in which the spread of a count does not depend on the rate
//! and Jeffreys's prior is flat; never and always are points of their own. The prior of the new rate is that one. That of the
//! old rate falls with the angle, to a fifth at the end: where it happens often nobody calls the commit good.

use std::f64::consts::FRAC_PI_2;

use super::Tally;
use harness_stats::xlogy;

/// The prior probability that the rate of one side is exactly never (the old one) or exactly always (the new one). Little:
/// with a quarter one event of a rate of 1 % decides too much, and of 500 simulated bisections from 1 to 10 % that called
/// themselves 95 % sure only 88 % were right.
const NEVER: f64 = 0.02;

/// The grid has at least this many points between never and always.
const POINTS: u32 = 64;

/// Rates, and their prior probabilities.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    points: Vec<Point>,
    /// The logarithm of the prior mass of all pairs in which the new rate is above the old one, before it is made 1.
    ln_pairs: f64,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    rate: f64,
    ln: f64,
    ln_rest: f64,
    old: f64,
    new: f64,
    same: f64,
}

/// Counts of independent trials that carry the same information as those that were run; not whole numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Weighed {
    trials: f64,
    events: f64,
}

impl Weighed {
    /// A tally of which each trial counts as `weight` independent ones.
    pub fn of(tally: Tally, weight: f64) -> Self {
        Self { trials: f64::from(tally.trials) * weight, events: f64::from(tally.events) * weight }
    }

    /// These too.
    pub fn add(&mut self, more: Self) {
        self.trials += more.trials;
        self.events += more.events;
    }
}

/// What the counts say if one change separates them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marginal {
    /// The logarithm of their probability, in this order.
    pub ln: f64,
    /// The mean of the old rate, given the counts.
    pub old: f64,
    /// The mean of the new rate.
    pub new: f64,
}

impl Grid {
    /// A grid on which no count of N trials falls between two points: neighbours are at most two standard
    /// deviations of it apart, at which the sum over the points is within 2 % of the integral.
    pub fn new(trials: u32) -> Self {
        let enough = FRAC_PI_2 * f64::from(trials).sqrt();
        let mut count = POINTS;
        while f64::from(count) < enough {
            count *= 2;
        }
        let angle = |number: u32| (f64::from(number) + 0.5) / f64::from(count) * FRAC_PI_2;
        let falling = |number: u32| (-angle(number)).exp();
        let all_falling: f64 = (0..count).map(falling).sum();
        let between = (1.0 - NEVER) / f64::from(count);
        let both = (1.0 - 2.0 * NEVER) / f64::from(count);
        let inner = (0..count).map(|number| {
            let (sine, cosine) = angle(number).sin_cos();
            let (rate, rest) = (sine * sine, cosine * cosine);
            let old = (1.0 - NEVER) * falling(number) / all_falling;
            Point { rate, ln: rate.ln(), ln_rest: rest.ln(), old, new: between, same: both }
        });
        let never = Point { rate: 0.0, ln: f64::NEG_INFINITY, ln_rest: 0.0, old: NEVER, new: 0.0, same: NEVER };
        let always = Point { rate: 1.0, ln: 0.0, ln_rest: f64::NEG_INFINITY, old: 0.0, new: NEVER, same: NEVER };
        let points: Vec<Point> = std::iter::once(never).chain(inner).chain(std::iter::once(always)).collect();
        let mut below = 0.0;
        let mut pairs = 0.0;
        for point in &points {
            pairs += point.new * below;
            below += point.old;
        }
        Self { points, ln_pairs: pairs.ln() }
    }

    /// Whether it is fine enough for N trials.
    pub fn is_for(&self, trials: u32) -> bool {
        let inner = f64::from(u32::try_from(self.points.len() - 2).unwrap_or(u32::MAX));
        inner >= FRAC_PI_2 * f64::from(trials).sqrt()
    }

    /// The counts on both sides of a change.
    pub fn one_change(&self, old: Weighed, new: Weighed) -> Marginal {
        let (of_old, of_new) = (Likelihood::of(old), Likelihood::of(new));
        let [mut below, mut below_rate, mut all, mut all_old, mut all_new] = [0.0; 5];
        for point in &self.points {
            let with = point.new * of_new.at(point);
            all += with * below;
            all_old += with * below_rate;
            all_new += with * below * point.rate;
            let without = point.old * of_old.at(point);
            below += without;
            below_rate += without * point.rate;
        }
        // With rates that are all but impossible in this order nothing is left of the sum, and the means do not matter.
        let mean = |sum: f64| if all > 0.0 { sum / all } else { 0.5 };
        Marginal {
            ln: all.ln() + of_old.ln_most + of_new.ln_most - self.ln_pairs,
            old: mean(all_old),
            new: mean(all_new),
        }
    }

    /// The counts if there is one rate: the logarithm of their probability, and the mean of the rate.
    pub fn one_rate(&self, tally: Weighed) -> (f64, f64) {
        let likelihood = Likelihood::of(tally);
        let weights = self.points.iter().map(|point| (point.same * likelihood.at(point), point.rate));
        let (all, rates) =
            weights.fold((0.0, 0.0), |(all, rates), (weight, rate)| (all + weight, rates + weight * rate));
        (all.ln() + likelihood.ln_most, rates / all)
    }

    /// Adds the probabilities of the old and of the new rate, given the counts, times `masses`.
    pub fn spread(&self, old: Weighed, new: Weighed, masses: [f64; 2], [into_old, into_new]: [&mut [f64]; 2]) {
        let (of_old, of_new) = (Likelihood::of(old), Likelihood::of(new));
        let without: Vec<f64> = self.points.iter().map(|point| point.old * of_old.at(point)).collect();
        let with: Vec<f64> = self.points.iter().map(|point| point.new * of_new.at(point)).collect();
        let mut below = 0.0;
        let under: Vec<f64> = without
            .iter()
            .map(|&own| {
                let before = below;
                below += own;
                before
            })
            .collect();
        let all: f64 = with.iter().zip(&under).map(|(with, under)| with * under).sum();
        if all <= 0.0 {
            return;
        }
        let mut above = 0.0;
        for (place, (with, without)) in with.iter().zip(&without).enumerate().rev() {
            into_old[place] += masses[0] * without * above / all;
            into_new[place] += masses[1] * with * under[place] / all;
            above += with;
        }
    }

    /// The probabilities of the one rate, given the counts, times `mass`.
    pub fn spread_same(&self, tally: Weighed, mass: f64) -> Vec<f64> {
        let likelihood = Likelihood::of(tally);
        let weights: Vec<f64> = self.points.iter().map(|point| point.same * likelihood.at(point)).collect();
        let all: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| mass * weight / all).collect()
    }

    /// No rate has any probability yet.
    pub fn nothing(&self) -> Vec<f64> {
        vec![0.0; self.points.len()]
    }

    /// The probability of each number of events in `trials` trials, 0 to `trials`, for each of some distributions of the
    /// rate. Up to 1000 trials, beyond which the smallest double is too large.
    pub fn events<const N: usize>(&self, trials: u32, spreads: [&[f64]; N]) -> Vec<[f64; N]> {
        let mut events = vec![[0.0; N]; trials as usize + 1];
        for (place, point) in self.points.iter().enumerate() {
            let masses = spreads.map(|spread| spread[place]);
            if masses.iter().all(|&mass| mass < 1e-12) {
                continue;
            }
            // From the end that is the likelier one, where the first term is not too small.
            let often = point.rate > 0.5;
            let (rate, ln_rest) = if often { (1.0 - point.rate, point.ln) } else { (point.rate, point.ln_rest) };
            let odds = rate / (1.0 - rate);
            let mut term = (f64::from(trials) * ln_rest).exp();
            for number in 0..=trials {
                let at = if often { trials - number } else { number };
                for (event, mass) in events[at as usize].iter_mut().zip(masses) {
                    *event += mass * term;
                }
                term *= odds * f64::from(trials - number) / f64::from(number + 1);
            }
        }
        events
    }
}

/// The probability of counts as a function of the rate, over its largest value.
struct Likelihood {
    events: f64,
    others: f64,
    ln_most: f64,
}

impl Likelihood {
    fn of(tally: Weighed) -> Self {
        let (events, others) = (tally.events, tally.trials - tally.events);
        let share = events / (events + others).max(1.0);
        let ln_most = xlogy(events, share.ln()) + xlogy(others, (-share).ln_1p());
        Self { events, others, ln_most }
    }

    fn at(&self, point: &Point) -> f64 {
        (xlogy(self.events, point.ln) + xlogy(self.others, point.ln_rest) - self.ln_most).exp()
    }
}
