//! How a trial's faults lie against everything else that happens in its guest: timer ticks, and in virtual time the turns
//! that the vCPUs take.
//!
//! A template fixes all of that. Restored from it, every guest would do the same at the same time, and a hundred trials
//! would be one trial, a hundred times. So each trial draws where its faults lie, from its seed: one seed always draws
//! the same, and trials of one template differ as those of many do.

use std::time::Duration;

use crate::guest::Time;
use crate::scenario::{Firing, as_double, of_many, stream};

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interleaving {
    /// Where and when the faults are fired.
    pub firing: Firing,
    /// How long a vCPU's turn may last, in the guest's time; only in virtual time.
    pub turn: Option<Duration>,
}

/// In real time the firing is delayed by less than this, one tick at `CONFIG_HZ=250`: the delay decides at which phase of
/// the tick the faults come.
const TICK: Duration = Duration::from_millis(4);

/// In virtual time the firing is delayed by less than this, since waiting costs nothing there. It is the longest period in
/// QEMU's schedule: `TCG_KICK_PERIOD`, after which a vCPU that has not ended its turn is made to (QEMU:
/// `accel/tcg/tcg-accel-ops-rr.h`).
const KICK: Duration = Duration::from_millis(100);

/// The shortest and the longest limit that a trial may draw for its turns; all ratios are equally likely. Without a limit
/// QEMU lets a vCPU that does not pause run for up to 100 ms while the others stand still. Real CPUs run at the same time,
/// and short turns come closer to that, but cost more: a trial with a crash kernel took 2.6 s without a limit, 2.9 s with
/// 2 ms, 3.4 s with 800 us and 5.1 s with 200 us.
const TURNS: [Duration; 2] = [Duration::from_micros(250), Duration::from_millis(4)];

impl Interleaving {
    /// Draws it from a trial's seed, for a guest with `cpus` CPUs online.
    pub fn draw(seed: u64, cpus: u32, time: Time) -> Self {
        let stream = |key| stream(seed, "", key);
        let below = |key, end: Duration| {
            let us = u64::try_from(end.as_micros()).unwrap_or(u64::MAX);
            Duration::from_micros(of_many(stream(key), us))
        };
        let after = below("fire", if time == Time::Virtual { KICK } else { TICK });
        let cpu = u32::try_from(of_many(stream("fire on"), u64::from(cpus))).ok();
        let turn = (time == Time::Virtual).then(|| {
            let [shortest, longest] = TURNS;
            shortest.mul_f64((longest.as_secs_f64() / shortest.as_secs_f64()).powf(as_double(stream("turn"))))
        });
        Self { firing: Firing { cpu, after }, turn }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_draws_the_same() {
        let draw = |seed, time| Interleaving::draw(seed, 4, time);
        assert_eq!(draw(7, Time::Virtual), draw(7, Time::Virtual));
        assert_ne!(draw(7, Time::Virtual), draw(8, Time::Virtual));
        assert_eq!(draw(7, Time::Real).turn, None);
    }

    #[test]
    fn what_is_drawn_is_spread_over_all_that_is_possible() {
        for (time, end) in [(Time::Real, TICK), (Time::Virtual, KICK)] {
            let drawn: Vec<_> = (0..1000).map(|seed| Interleaving::draw(seed, 4, time)).collect();
            for cpu in 0..4 {
                let there = drawn.iter().filter(|drawn| drawn.firing.cpu == Some(cpu)).count();
                assert!((200..300).contains(&there), "CPU {cpu}: {there}");
            }
            for quarter in 0..4 {
                let there = drawn.iter().filter(|drawn| {
                    let after = drawn.firing.after;
                    (end / 4 * quarter..end / 4 * (quarter + 1)).contains(&after)
                });
                let there = there.count();
                assert!((200..300).contains(&there), "quarter {quarter}: {there}");
            }
            let [shortest, longest] = TURNS;
            assert!(drawn.iter().filter_map(|drawn| drawn.turn).all(|turn| (shortest..=longest).contains(&turn)));
        }
    }
}
