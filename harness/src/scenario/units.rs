//! Durations and sizes: a whole number and a unit, `300ms`, `256MiB`. The unit is never guessed.

use std::time::Duration;

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
    let micros = quantity(text, &[("us", 1), ("ms", 1_000), ("s", 1_000_000)], hint)?;
    let duration = Duration::from_micros(micros);
    if duration > MAX_DURATION {
        return Err(BadQuantity { cause: format!("`{text}` is longer than an hour"), hint: hint.to_owned() });
    }
    Ok(duration)
}

/// `256MiB`, `1GiB`, in MiB.
pub(super) fn mebibytes(text: &str) -> Result<u64, BadQuantity> {
    quantity(text, &[("MiB", 1), ("GiB", 1024)], "a size is a whole number and one of the units MiB, GiB: `256MiB`")
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
    fn sizes_have_units() {
        assert_eq!(mebibytes("256MiB"), Ok(256));
        assert_eq!(mebibytes("2GiB"), Ok(2048));
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
        assert_eq!(mebibytes("256M").unwrap_err().cause, "`256M` has the unknown unit `M`");
    }
}
