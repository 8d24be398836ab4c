//! A guest's log as these tests need it.

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
