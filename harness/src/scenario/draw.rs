//! A scenario at one point for one trial: what its seed draws.
//!
//! Every value has a stream of its own, so that one more actor changes nothing for the others: the first eight bytes of
//! the SHA-256 of `<seed> <actor> <key>`, as a little-endian number of 64 bits, divided by 2^64, are the fraction that it
//! is made from.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{Actor, Cpu, Instance, Span};

/// An instance with everything drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn<'a> {
    /// What it was drawn from.
    pub instance: &'a Instance,
    /// The actors, in the order of the instance.
    pub actors: Vec<Actor>,
    /// What it was drawn with.
    pub seed: u64,
}

impl Instance {
    /// What the trial with this seed is. One seed always draws the same.
    pub fn draw(&self, seed: u64) -> Drawn<'_> {
        let mut drawn: Vec<u32> = Vec::new();
        let actors = self.actors.iter().map(|actor| {
            let cpu = match &actor.cpu {
                Cpu::Number(cpu) => *cpu,
                // If it has a thread, it is on this one.
                Cpu::Any => 0,
                Cpu::AnyOf(cpus) => {
                    let free: Vec<u32> = cpus.iter().copied().filter(|cpu| !drawn.contains(cpu)).collect();
                    let cpu = of_many(stream(seed, &actor.name, "cpu"), free.len() as u64);
                    // That there are enough was checked when the scenario was read.
                    let cpu = usize::try_from(cpu).ok().and_then(|cpu| free.get(cpu)).copied().unwrap_or_default();
                    drawn.push(cpu);
                    cpu
                }
            };
            actor.map(cpu, |key, span| span.at(stream(seed, &actor.name, key)))
        });
        Drawn { actors: actors.collect(), instance: self, seed }
    }
}

impl Span {
    /// The time at a fraction of its distribution, of 2^64; in whole microseconds.
    fn at(&self, fraction: u64) -> Duration {
        match self {
            Self::Fixed(time) => *time,
            Self::Uniform { from, to } => {
                let many = u64::try_from(to.saturating_sub(*from).as_micros()).unwrap_or(u64::MAX).saturating_add(1);
                *from + Duration::from_micros(of_many(fraction, many))
            }
            Self::Exponential { mean } => {
                let time = mean.mul_f64(-(-as_double(fraction)).ln_1p()).min(self.longest());
                Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
            }
        }
    }
}

/// A fraction of 2^64 as a number from 0 to below 1: of its first 53 bits, or it might be rounded up to 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
pub(crate) fn as_double(fraction: u64) -> f64 {
    (fraction >> 11) as f64 / (1u64 << 53) as f64
}

/// Which of `many` things, from 0, lies at a fraction of 2^64.
pub(crate) fn of_many(fraction: u64, many: u64) -> u64 {
    u64::try_from((u128::from(fraction) * u128::from(many)) >> 64).unwrap_or_default()
}

/// A fraction of 2^64: what the stream of this name gives in the trial with this seed. No actor has an empty name.
pub(crate) fn stream(seed: u64, actor: &str, key: &str) -> u64 {
    let digest = Sha256::digest(format!("{seed} {actor} {key}"));
    digest.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
