//! How long a guest may be silent that is to say or do something: by what is seen of it meanwhile, and not by the clock on
//! the wall alone.

use std::time::{Duration, Instant};

use super::process::Waited;

/// It may take this many times as long in all, however much it prints.
const MOST: u32 = 10;

/// However little of the host's processors it gets, this share of the time counts.
const LEAST: f64 = 0.05;

/// The shortest wait, so that rounding does not make it many.
const SHORTEST: Duration = Duration::from_millis(10);

/// Begins when something is awaited.
#[derive(Debug, Clone, Copy)]
pub struct Silence {
    patience: Duration,
    began: Instant,
    waited: Option<Waited>,
}

/// What is seen of a guest at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// When.
    pub at: Instant,
    /// When it printed last.
    pub printed_at: Option<Instant>,
    /// What its vCPUs have got of the host's processors by now.
    pub waited: Option<Waited>,
}

impl Silence {
    /// It may be silent for as long as `patience`, not counting the time in which the host had no processor for it.
    pub const fn new(patience: Duration, first: Heard) -> Self {
        Self { patience, began: first.at, waited: first.waited }
    }

    /// How much longer it may be silent as things are; none if it has been for too long.
    pub fn left(&self, now: Heard) -> Option<Duration> {
        let starved = self.waited.zip(now.waited).map(|(then, now)| now.since(then).share()).unwrap_or_default();
        let got = (1.0 - starved).clamp(LEAST, 1.0);
        let passed = |since: Instant| now.at.saturating_duration_since(since).mul_f64(got);
        let alive = now.printed_at.map_or(self.began, |at| at.max(self.began));
        let quiet = self.patience.checked_sub(passed(alive))?;
        let all = (self.patience * MOST).checked_sub(passed(self.began))?;
        let left = quiet.min(all);
        (!left.is_zero()).then(|| left.div_f64(got).max(SHORTEST))
    }

    /// How long it has been awaited, in whole seconds.
    pub fn lasts(&self, now: Instant) -> Duration {
        Duration::from_secs(now.saturating_duration_since(self.began).as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(100);

    #[test]
    fn who_prints_is_waited_for_and_who_is_silent_is_not() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let heard = |now, printed: Option<u64>| Heard { at: at(now), printed_at: printed.map(at), waited: None };
        let silence = Silence::new(PATIENCE, heard(0, None));
        let left = |now, printed| silence.left(heard(now, printed)).map(|left| left.as_secs());
        assert_eq!(left(0, None), Some(100));
        assert_eq!(left(99, None), Some(1));
        assert_eq!(left(100, None), None, "it never said anything");
        assert_eq!(left(130, Some(90)), Some(60), "it goes on, however long it takes");
        assert_eq!(left(190, Some(90)), None);
        assert_eq!(left(980, Some(979)), Some(20), "not for ever");
        assert_eq!(left(1000, Some(1000)), None);
        assert_eq!(silence.lasts(at(130)), Duration::from_secs(130));
    }

    #[test]
    fn time_without_a_processor_does_not_count() {
        let began = Instant::now();
        let waited = |ran_ns, waited_ns| Some(Waited { ran_ns, waited_ns });
        let heard = |seconds, waited| Heard { at: began + Duration::from_secs(seconds), printed_at: None, waited };
        let silence = Silence::new(PATIENCE, heard(0, waited(7, 7)));
        let left = |waited| silence.left(heard(200, waited)).map(|left| left.as_secs());
        assert_eq!(left(waited(7 + 10, 7)), None, "it had all that it wanted");
        assert_eq!(left(waited(7 + 10, 7 + 30)), Some(200), "a quarter of 200 s: half of its patience");
        assert_eq!(left(waited(7, 7 + 30)), Some(1800), "no processor at all, and not for ever");
    }
}
