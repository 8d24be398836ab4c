//! Small pieces of sentences.

use std::time::Duration;

use crate::model::ends::EndsBy;
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

/// A sentence that begins with a capital letter.
pub(super) fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// That the guest ends so, behind `if`.
pub(super) const fn end(end: EndsBy) -> &'static str {
    match end {
        EndsBy::Panic => "it panics",
        EndsBy::Oops => "it panics for an oops",
        EndsBy::OopsInInterrupt => "it panics for an oops in an interrupt",
        EndsBy::OopsInIdle => "it panics for an oops of the idle task",
        EndsBy::OopsLimit => "it panics for too many oopses",
        EndsBy::Warning => "it panics for a warning",
        EndsBy::WarnLimit => "it panics for too many warnings",
        EndsBy::StackProtector => "its stack protector panics",
        EndsBy::RcuStall => "it panics for a stall of RCU",
        EndsBy::SoftLockup => "it panics for a soft lockup",
        EndsBy::HardLockup => "it panics for a hard lockup",
        EndsBy::HungTask => "it panics for a hung task",
        EndsBy::OutOfMemory => "it panics because memory has run out",
        EndsBy::InitDeath => "it panics because init has died",
        EndsBy::MachineCheck => "it panics for a machine check",
        EndsBy::Nmi => "it panics for an NMI",
        EndsBy::Reboot => "it restarts without a panic",
        EndsBy::PowerOff => "it switches its power off without a panic",
        EndsBy::Survives => "it is alive when its time is over",
    }
}
