//! A guest's log and its timeline as these tests need them.

use crate::model::timeline::{Event, StepEdge, Timeline};
use crate::verdict::witness;

/// The trial's nonce.
pub const NONCE: &str = "0123456789abcdef";
/// Another trial's.
pub const OTHER: &str = "fedcba9876543210";
/// Witness lines in each log.
pub const OF: u32 = 12;

/// A line as the console shows it, with its end.
pub fn printk(message: &str) -> String {
    format!("[    1.234567][    T1] {message}\n")
}

/// One witness line.
pub fn witness(number: u32) -> String {
    printk(&witness::line(NONCE, number, OF))
}

/// Some witness lines, one behind the other.
pub fn witnesses(numbers: impl IntoIterator<Item = u32>) -> String {
    numbers.into_iter().map(witness).collect()
}

/// All witness lines of another trial.
pub fn foreign() -> String {
    (1..=OF).map(|number| printk(&witness::line(OTHER, number, OF))).collect()
}

/// A panic's own line.
pub fn panic(text: &str) -> String {
    printk(&format!("Kernel panic - not syncing: {text}"))
}

/// The panic line of the trial's `panic` actor.
pub fn own_panic() -> String {
    panic(&format!("crashlab {NONCE}"))
}

/// Events a millisecond apart, the first one as the faults are fired.
pub fn timeline(events: &str) -> Timeline {
    let event = |(number, text): (i64, &str)| {
        let (what, cpu) = text.split_once('@').unwrap();
        let (what, edge) = what.strip_suffix(":end").map_or((what, StepEdge::Begin), |what| (what, StepEdge::End));
        let (step, of) = what.split_once('/').unwrap_or((what, ""));
        Event {
            ns: number * 1_000_000,
            cpu: cpu.parse().unwrap(),
            step: step.to_owned(),
            of: of.to_owned(),
            edge,
            detail: false,
        }
    };
    Timeline { cpus: 4, events: (0..).zip(events.split_whitespace()).map(event).collect(), ..Timeline::default() }
}
