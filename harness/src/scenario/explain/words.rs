//! Small pieces of sentences.

use std::time::Duration;

use crate::scenario::{Span, Stay};

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(items: &[String], last: &str) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

/// `371 us`, `2.371 ms`, `30 s`.
pub(super) fn time(time: Duration) -> String {
    let us = time.as_micros();
    match us {
        0 => "0 s".to_owned(),
        _ if us.is_multiple_of(1_000_000) => format!("{} s", us / 1_000_000),
        1..1000 => format!("{us} us"),
        _ => {
            let places = format!("{}.{:03}", us / 1000, us % 1000);
            format!("{} ms", places.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

/// `3 s`, `1 ms to 2 ms (drawn in each trial)`.
pub(super) fn span(span: &Span) -> String {
    match span {
        Span::Fixed(fixed) => time(*fixed),
        Span::Uniform { from, to } => format!("{} to {} (drawn in each trial)", time(*from), time(*to)),
        Span::Exponential { mean } => {
            format!("some {} (drawn in each trial, at most {})", time(*mean), time(span.longest()))
        }
    }
}

/// `for 3 s`, `for ever`.
pub(super) fn lasting(stay: &Stay<Span>) -> String {
    match stay {
        Stay::Forever => "for ever".to_owned(),
        Stay::For(time) => format!("for {}", span(time)),
    }
}

/// Whether it is fixed, and no time at all.
pub(super) const fn is_none(span: &Span) -> bool {
    matches!(span, Span::Fixed(Duration::ZERO))
}

/// The same with a capital letter.
pub(super) fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
