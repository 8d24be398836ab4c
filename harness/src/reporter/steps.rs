//! The progress of a task with a known number of steps.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::pace::Pace;
use crate::text::seconds;

/// The progress of a task, with a word on the current step.
pub struct Steps {
    what: String,
    bar: Option<ProgressBar>,
    began: Instant,
    /// When the current kind of steps began: the speed of others tells nothing about its own.
    since: Instant,
    pace: Pace,
    done: u64,
    of: u64,
}

impl Steps {
    /// Begins a task. The first step is shown at once.
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
        Self { what, bar, began: now, since: now, pace: Pace::default(), done: 0, of: 0 }
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
        if !self.pace.due(true) {
            return;
        }
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

    /// The task.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Ends the task with a line that stays.
    pub fn end(self, outcome: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!("{}: {outcome} ({})", self.what, seconds(self.began.elapsed()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_estimate_without_any_speed() {
        let mut progress = Steps::begin("trials");
        progress.at(0, 60, "");
        assert_eq!(progress.left(), None);
    }
}
