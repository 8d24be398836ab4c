//! The prefix that the kernel puts before each line of its log.
//!
//! Source: `info_print_prefix()` in `kernel/printk/printk.c`. The console shows `[    1.234567][    T1] text`; a kmsg
//! dump (hence pstore) shows the syslog level before it, `<6>[    1.234567][    T1] text`.

use std::fmt;

/// Who wrote a line: there only in kernels built with `CONFIG_PRINTK_CALLER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// `T<pid>`: in task context.
    Task(u32),
    /// `C<cpu>`: in interrupt or NMI context on that CPU.
    Cpu(u32),
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(pid) => write!(f, "T{pid}"),
            Self::Cpu(cpu) => write!(f, "C{cpu}"),
        }
    }
}

/// One line of a log. Whatever has no prefix (firmware, a boot loader, a torn line) is all message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// Facility times eight plus level, as `<6>` shows it.
    pub priority: Option<u16>,
    /// Microseconds of the kernel's own clock (`CONFIG_PRINTK_TIME`).
    pub micros: Option<u64>,
    /// Who wrote it.
    pub caller: Option<Caller>,
    /// What follows the prefix.
    pub message: &'a str,
}

impl<'a> Line<'a> {
    /// Reads one line, given without its line end.
    pub fn parse(line: &'a str) -> Self {
        let (priority, rest) = opt(line, priority);
        let (micros, rest) = opt(rest, timestamp);
        let (caller, rest) = opt(rest, caller);
        // With a time or a caller the prefix ends in one blank. A line torn in its prefix is not one with a prefix.
        let message = if micros.is_none() && caller.is_none() { Some(rest) } else { rest.strip_prefix(' ') };
        match message {
            Some(message) => Self { priority, micros, caller, message },
            None => Self { priority: None, micros: None, caller: None, message: line },
        }
    }
}

fn opt<T>(text: &str, parse: impl Fn(&str) -> Option<(T, &str)>) -> (Option<T>, &str) {
    parse(text).map_or((None, text), |(value, rest)| (Some(value), rest))
}

/// `<%u>`; the facility is at most 127 and the level at most 7.
fn priority(text: &str) -> Option<(u16, &str)> {
    let (number, rest) = text.strip_prefix('<')?.split_once('>')?;
    let value = digits(number)?.parse().ok().filter(|v| *v < 1024)?;
    Some((value, rest))
}

/// `[%5lu.%06lu]`
fn timestamp(text: &str) -> Option<(u64, &str)> {
    let (number, rest) = text.strip_prefix('[')?.split_once(']')?;
    let (seconds, micros) = number.trim_start_matches(' ').split_once('.')?;
    if micros.len() != 6 {
        return None;
    }
    let seconds: u64 = digits(seconds)?.parse().ok()?;
    let micros: u64 = digits(micros)?.parse().ok()?;
    Some((seconds.checked_mul(1_000_000)?.checked_add(micros)?, rest))
}

/// `[%6s]` of `T<pid>` or `C<cpu>`
fn caller(text: &str) -> Option<(Caller, &str)> {
    let (who, rest) = text.strip_prefix('[')?.split_once(']')?;
    let who = who.trim_start_matches(' ');
    let caller = if let Some(pid) = who.strip_prefix('T') {
        Caller::Task(digits(pid)?.parse().ok()?)
    } else {
        Caller::Cpu(digits(who.strip_prefix('C')?)?.parse().ok()?)
    };
    Some((caller, rest))
}

/// `text` if it is digits only: `parse` alone would also take a sign.
fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(priority: Option<u16>, micros: Option<u64>, caller: Option<Caller>, message: &str) -> Line<'_> {
        Line { priority, micros, caller, message }
    }

    #[test]
    fn prefixes_as_the_kernel_writes_them() {
        let t1 = Some(Caller::Task(1));
        for (text, want) in [
            ("[    1.234567][    T1] up", line(None, Some(1_234_567), t1, "up")),
            ("<6>[    1.234567][    T1] up", line(Some(6), Some(1_234_567), t1, "up")),
            ("<14>[12345.000001][   C12] up", line(Some(14), Some(12_345_000_001), Some(Caller::Cpu(12)), "up")),
            ("[    0.000000] Linux version", line(None, Some(0), None, "Linux version")),
            ("[    T0] no clock", line(None, None, Some(Caller::Task(0)), "no clock")),
            ("<4>neither", line(Some(4), None, None, "neither")),
            ("[    1.234567][T123456789]  two blanks", {
                line(None, Some(1_234_567), Some(Caller::Task(123_456_789)), " two blanks")
            }),
            ("[    2.000000] [    T1] blank between", line(None, Some(2_000_000), None, "[    T1] blank between")),
        ] {
            assert_eq!(Line::parse(text), want, "{text}");
        }
    }

    #[test]
    fn what_is_no_prefix_stays_message() {
        for text in [
            "",
            "SeaBIOS (version 1.16.2)",
            "[",
            "<>x",
            "<1024>x",
            "<-1>x",
            "[    1.2345][    T1] short",
            "[    1.+23456] sign",
            "[99999999999999999999.000000] huge",
            "[    X1] who",
            "[    T-1] sign",
            "[    1.234567]torn",
            "[    1.234567][    T1]",
        ] {
            assert_eq!(Line::parse(text), line(None, None, None, text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_line_keeps_its_message(text in "[<\\[]?[ 0-9.TC\\]>]{0,12}.*") {
            prop_assert!(text.ends_with(Line::parse(&text).message));
        }

        #[test]
        fn written_prefixes_are_read_back(level in 0u16..1024, sec in 0u64..10_000_000, us in 0u64..1_000_000, pid: u32) {
            let text = format!("<{level}>[{sec:5}.{us:06}][{:>6}] x y", format!("T{pid}"));
            let want = line(Some(level), Some(sec * 1_000_000 + us), Some(Caller::Task(pid)), "x y");
            prop_assert_eq!(Line::parse(&text), want);
        }
    }
}
