//! Progress on standard error: bars at a terminal, plain lines elsewhere.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// Without a terminal a line is printed at most this often, besides the first and the last of a stage.
const PLAIN_INTERVAL: Duration = Duration::from_secs(15);

/// One stage's progress: a known number of steps, and a word on the current one.
pub struct Progress {
    what: String,
    bar: Option<ProgressBar>,
    began: Instant,
    /// When the current kind of steps began: the speed of others tells nothing about its own.
    since: Instant,
    said: Option<Instant>,
    done: u64,
    of: u64,
}

impl Progress {
    /// Begins a stage, and says so.
    pub fn begin(what: impl Into<String>) -> Self {
        let what = what.into();
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix:>24} {bar:30} {pos}/{len} {msg} {eta_precise:.dim} left")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(0).with_style(style).with_prefix(what.clone());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        let now = Instant::now();
        Self { what, bar, began: now, since: now, said: None, done: 0, of: 0 }
    }

    /// `done` of `of` steps; `message` is the current one's.
    pub fn at(&mut self, done: u64, of: u64, message: &str) {
        if done < self.done {
            self.since = Instant::now();
        }
        (self.done, self.of) = (done, of.max(done));
        if let Some(bar) = &self.bar {
            bar.set_length(self.of);
            bar.set_position(done);
            bar.set_message(message.to_owned());
            return;
        }
        if self.said.is_some_and(|said| said.elapsed() < PLAIN_INTERVAL) {
            return;
        }
        self.said = Some(Instant::now());
        let left = self.left().map(|left| format!(", about {} left", HumanDuration(left))).unwrap_or_default();
        let steps = if self.of > 1 { format!(" {done}/{}", self.of) } else { String::new() };
        eprintln!("{}:{steps} {message}{left}", self.what);
    }

    /// An estimate by the speed so far; none before there is enough of it.
    fn left(&self) -> Option<Duration> {
        let elapsed = self.since.elapsed();
        if self.done * 20 < self.of || self.of <= self.done || elapsed < Duration::from_secs(2) {
            return None;
        }
        let rest = u32::try_from(self.of - self.done).ok()?;
        let done = u32::try_from(self.done).ok()?;
        Some(elapsed / done * rest)
    }

    /// Ends the stage with a line that stays.
    pub fn end(self, outcome: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!("{}: {outcome} ({})", self.what, seconds(self.began.elapsed()));
    }
}

/// `3.2 s`, `4 min 10 s`
pub fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole >= 60 {
        format!("{} min {} s", whole / 60, whole % 60)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_to_read() {
        assert_eq!(seconds(Duration::from_millis(3240)), "3.2 s");
        assert_eq!(seconds(Duration::from_secs(250)), "4 min 10 s");
    }

    #[test]
    fn there_is_no_estimate_without_any_speed() {
        let mut progress = Progress::begin("trials");
        progress.at(0, 60, "");
        assert_eq!(progress.left(), None);
    }
}
