//! Where a bisection's time went.

use std::time::Duration;

use serde_json::{Value, json};

use crate::text::seconds;

/// What it is taken to last until trials of a commit can begin, until that was measured: a build of what differs, a boot.
const READY: Duration = Duration::from_secs(20);
/// What a trial is taken to last, until that was measured.
const TRIAL: Duration = Duration::from_millis(500);

/// Wall-clock time by phase.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimeSpent {
    /// Building kernels, or finding them.
    pub builds: Duration,
    /// Booting guests that trials start from.
    pub guests: Duration,
    /// How many kernels that was.
    pub kernels: u32,
    /// Trials.
    pub trials: Duration,
    /// How many trials that was.
    pub trials_run: u32,
    /// All of it.
    pub all: Duration,
}

impl TimeSpent {
    /// What a kernel that is not there yet is likely to take.
    pub fn until_ready(&self) -> Duration {
        if self.kernels == 0 { READY } else { (self.builds + self.guests) / self.kernels }
    }

    /// What a trial takes, of those that run side by side.
    pub fn per_trial(&self) -> Duration {
        if self.trials_run == 0 { TRIAL } else { (self.trials / self.trials_run).max(Duration::from_millis(1)) }
    }

    fn rest(&self) -> Duration {
        self.all.saturating_sub(self.builds + self.guests + self.trials)
    }

    /// For programs, in seconds.
    pub fn json(&self) -> Value {
        json!({
            "all_s": self.all.as_secs_f64(), "builds_s": self.builds.as_secs_f64(), "guests_s": self.guests.as_secs_f64(),
            "kernels": self.kernels, "trials_s": self.trials.as_secs_f64(), "trials": self.trials_run,
        })
    }
}

impl std::fmt::Display for TimeSpent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { builds, guests, kernels, trials, trials_run, all } = self;
        write!(
            f,
            "{} in all: {} for {kernels} kernels, {} to boot them, {} for {trials_run} trials, {} for the rest",
            seconds(*all),
            seconds(*builds),
            seconds(*guests),
            seconds(*trials),
            seconds(self.rest())
        )
    }
}
