//! What evidence bets with: the probability of trials whose share is drawn from a mixture that was chosen beforehand.

use super::{Effective, Proportion};

/// The probability the mixture gives to "never", and to "always". Crashes are mostly like that: a channel keeps
/// everything or nothing, and these cases are then found after a handful of trials, at the cost of a factor of 2 a side
/// in the others.
const ALL_OR_NONE: f64 = 0.25;

/// The logarithm of the probability of one sequence with these counts, if the share is drawn from a mixture: 0 or 1,
/// each with probability ¼, else from Jeffreys's Beta(½, ½).
pub(super) fn ln_mixture(seen: Effective) -> f64 {
    let (hits, misses) = (seen.hits(), seen.misses());
    let ln_beta = libm::lgamma(hits + 0.5) + libm::lgamma(misses + 0.5) - libm::lgamma(hits + misses + 1.0);
    mixed(ln_beta, hits <= 0.0, misses <= 0.0)
}

/// `ln_beta`: the logarithm of B(hits + ½, misses + ½).
fn mixed(ln_beta: f64, never: bool, always: bool) -> f64 {
    // B(½, ½) = π
    let ln_between = ln_beta - std::f64::consts::PI.ln() + (1.0 - 2.0 * ALL_OR_NONE).ln();
    let ends = f64::from(u8::from(never) + u8::from(always)) * ALL_OR_NONE;
    // What lies between is never more than 1, so this does not overflow; nothing is lost if it underflows.
    if ends > 0.0 { (ends + ln_between.exp()).ln() } else { ln_between }
}

/// The same for whole counts up to a number, which is asked for again and again.
#[derive(Debug)]
pub(super) struct Mixture {
    /// ln Γ(k + ½)
    halves: Vec<f64>,
    /// ln Γ(k + 1)
    wholes: Vec<f64>,
}

impl Mixture {
    /// For counts of so many trials at most.
    pub(super) fn up_to(trials: u32) -> Self {
        let sums = |first: f64, offset: f64| {
            let mut sum = first;
            let mut sums = vec![sum];
            sums.extend((0..trials).map(|k| {
                sum += (f64::from(k) + offset).ln();
                sum
            }));
            sums
        };
        // Γ(½) = √π
        Self { halves: sums(std::f64::consts::PI.ln() / 2.0, 0.5), wholes: sums(0.0, 1.0) }
    }

    /// As [`ln_mixture`]. Of more trials than it was made for, by way of that.
    pub(super) fn ln(&self, seen: Proportion) -> f64 {
        let at = |sums: &[f64], count: u32| sums.get(count as usize).copied();
        let known = at(&self.halves, seen.hits()).zip(at(&self.halves, seen.misses())).zip(at(&self.wholes, seen.of()));
        match known {
            Some(((hits, misses), all)) => mixed(hits + misses - all, seen.hits() == 0, seen.misses() == 0),
            None => ln_mixture(seen.into()),
        }
    }
}
