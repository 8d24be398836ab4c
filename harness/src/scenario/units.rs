//! Durations and sizes: a whole number and a unit, `300ms`, `256MiB`. The unit is never guessed. And what a duration may
//! be drawn from.

use std::time::Duration;

use super::Span;

/// The units of time with their microseconds, the largest first.
pub(super) const UNITS: [(&str, u64); 3] = [("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// Longer than any trial; also keeps sums of durations far from overflowing.
const MAX_DURATION: Duration = Duration::from_secs(3600);

/// Why a text is no quantity, and what one looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadQuantity {
    pub cause: String,
    pub hint: String,
}

/// `300ms`, `50us`, `30s`: at most an hour.
pub(super) fn duration(text: &str) -> Result<Duration, BadQuantity> {
    let hint = "a duration is a whole number and one of the units us, ms, s: `300ms`";
    let micros = quantity(text, &UNITS, hint)?;
    let duration = Duration::from_micros(micros);
    if duration > MAX_DURATION {
        return Err(BadQuantity { cause: format!("`{text}` is longer than an hour"), hint: hint.to_owned() });
    }
    Ok(duration)
}

/// `300ms`, `uniform(0ms,10ms)`, `exponential(5ms)`.
pub(super) fn span(text: &str) -> Result<Span, BadQuantity> {
    let bad = |cause: String| BadQuantity {
        cause,
        hint: "a duration is drawn from `uniform(0ms,10ms)`, both ends included, or `exponential(5ms)`, by its mean; \
               between braces a text with a comma in it is quoted"
            .to_owned(),
    };
    let Some((distribution, rest)) = text.split_once('(') else { return duration(text).map(Span::Fixed) };
    let shown = text.escape_debug();
    let inner = rest.strip_suffix(')').ok_or_else(|| bad(format!("`{shown}` has no `)` at its end")))?;
    match (distribution, inner.split_once(',')) {
        ("uniform", Some((from, to))) => match (duration(from)?, duration(to)?) {
            (from, to) if from < to => Ok(Span::Uniform { from, to }),
            _ => Err(bad(format!("`{shown}` has nothing between its ends"))),
        },
        ("exponential", None) => match duration(inner)? {
            mean if mean.is_zero() => Err(bad(format!("`{shown}` has no mean"))),
            mean if mean > MAX_DURATION / Span::CLIP => Err(bad(format!("`{shown}` may be more than an hour"))),
            mean => Ok(Span::Exponential { mean }),
        },
        _ => Err(bad(format!("`{shown}` is no distribution"))),
    }
}

/// `+1h`, `-30d`, in seconds: at most ten years.
pub(super) fn clock_change(text: &str) -> Result<i64, BadQuantity> {
    let hint = "a clock is set forward or back by a whole number and one of the units s, min, h, d: `+1h`, `-30d`";
    let bad = |cause: String| BadQuantity { cause, hint: hint.to_owned() };
    let shown = text.escape_debug();
    let (sign, rest) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(rest), _) => (1, rest),
        (None, Some(rest)) => (-1, rest),
        (None, None) => return Err(bad(format!("`{shown}` does not begin with `+` or `-`"))),
    };
    let seconds = quantity(rest, &[("s", 1), ("min", 60), ("h", 3600), ("d", 86_400)], hint)?;
    let seconds = i64::try_from(seconds).ok().filter(|seconds| *seconds <= 3650 * 86_400);
    seconds.map(|seconds| sign * seconds).ok_or_else(|| bad(format!("`{shown}` is more than ten years")))
}

/// `256MiB`, `1GiB`, in MiB.
pub(super) fn mebibytes(text: &str) -> Result<u64, BadQuantity> {
    quantity(text, &[("MiB", 1), ("GiB", 1024)], "a size is a whole number and one of the units MiB, GiB: `256MiB`")
}

/// `64KiB`, `1MiB`, in KiB.
pub(super) fn kibibytes(text: &str) -> Result<u64, BadQuantity> {
    quantity(text, &[("KiB", 1), ("MiB", 1024)], "a size is a whole number and one of the units KiB, MiB: `64KiB`")
}

fn quantity(text: &str, units: &[(&str, u64)], hint: &str) -> Result<u64, BadQuantity> {
    let bad = |cause: String| BadQuantity { cause, hint: hint.to_owned() };
    let shown = text.escape_debug();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(bad(format!("`{shown}` does not begin with a whole number")));
    }
    if unit.is_empty() {
        return Err(bad(format!("`{shown}` has no unit")));
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(bad(format!("`{shown}` has the unknown unit `{}`", unit.escape_debug())));
    };
    let number: Option<u64> = number.parse().ok();
    number.and_then(|n| n.checked_mul(*factor)).ok_or_else(|| bad(format!("`{shown}` is too large")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("0ms"), Ok(Duration::ZERO));
        assert_eq!(duration("50us"), Ok(Duration::from_micros(50)));
        assert_eq!(duration("700ms"), Ok(Duration::from_millis(700)));
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
    }

    #[test]
    fn durations_may_be_drawn() {
        let ms = Duration::from_millis;
        assert_eq!(span("5ms"), Ok(Span::Fixed(ms(5))));
        assert_eq!(span("uniform(0ms,10ms)"), Ok(Span::Uniform { from: ms(0), to: ms(10) }));
        assert_eq!(span("exponential(5ms)"), Ok(Span::Exponential { mean: ms(5) }));
        let cause = |text| span(text).unwrap_err().cause;
        assert_eq!(cause("uniform(10ms,10ms)"), "`uniform(10ms,10ms)` has nothing between its ends");
        assert_eq!(cause("uniform(0ms"), "`uniform(0ms` has no `)` at its end");
        assert_eq!(cause("uniform(5ms)"), "`uniform(5ms)` is no distribution");
        assert_eq!(cause("exponential(0s)"), "`exponential(0s)` has no mean");
        assert_eq!(cause("exponential(1000s)"), "`exponential(1000s)` may be more than an hour");
        assert_eq!(cause("exponential(1)"), "`1` has no unit");
        assert_eq!(cause("normal(1s,2s)"), "`normal(1s,2s)` is no distribution");
        assert_eq!(cause("soon"), "`soon` does not begin with a whole number");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(mebibytes("256MiB"), Ok(256));
        assert_eq!(mebibytes("2GiB"), Ok(2048));
        assert_eq!(kibibytes("0KiB"), Ok(0));
        assert_eq!(kibibytes("1MiB"), Ok(1024));
    }

    #[test]
    fn whatever_has_no_unit_or_a_strange_one_is_refused() {
        let cause = |text| duration(text).unwrap_err().cause;
        assert_eq!(cause("300"), "`300` has no unit");
        assert_eq!(cause("300 ms"), "`300 ms` has the unknown unit ` ms`");
        assert_eq!(cause("300Ms"), "`300Ms` has the unknown unit `Ms`");
        assert_eq!(cause("1m"), "`1m` has the unknown unit `m`");
        assert_eq!(cause("0.5s"), "`0.5s` has the unknown unit `.5s`");
        assert_eq!(cause("-1s"), "`-1s` does not begin with a whole number");
        assert_eq!(cause(""), "`` does not begin with a whole number");
        assert_eq!(cause("3601s"), "`3601s` is longer than an hour");
        assert_eq!(cause("18446744073709551615s"), "`18446744073709551615s` is too large");
        assert_eq!(cause("99999999999999999999us"), "`99999999999999999999us` is too large");
        assert_eq!(mebibytes("256MB").unwrap_err().cause, "`256MB` has the unknown unit `MB`");
        assert_eq!(kibibytes("1GiB").unwrap_err().cause, "`1GiB` has the unknown unit `GiB`");
        assert_eq!(mebibytes("256M").unwrap_err().cause, "`256M` has the unknown unit `M`");
    }
}
