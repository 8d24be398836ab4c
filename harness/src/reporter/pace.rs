//! How often a line is printed where there is no terminal.

use std::time::{Duration, Instant};

/// Away from a terminal a line is printed at most this often.
const INTERVAL: Duration = Duration::from_secs(15);

/// Says when the next line is due.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    last: Option<Instant>,
}

impl Pace {
    /// Whether a line is due; if so, it is taken for printed. The first one is due if `first` says so.
    pub fn due(&mut self, first: bool) -> bool {
        let due = self.last.map_or(first, |last| last.elapsed() >= INTERVAL);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}
