//! The values of a sweep's parameters: listed, or at equal distances.

use super::file::File;
use super::scalar::{Scalar, Steps, Values};
use super::{check, units};
use crate::model::ParamValue;
use crate::yaml::{At, InputError, Source, visible};

/// A sweep beyond this is a mistake: at 100 trials a point it would run for weeks.
const MAX_POINTS: usize = 1024;

/// A parameter's values, with their places.
pub(super) type Swept<'a> = (&'a At<String>, Vec<At<Scalar>>);

/// One value for each parameter, in the order of the file.
pub(super) type Choice<'a> = Vec<(&'a str, &'a At<Scalar>)>;

/// Something that can be compared and counted up to: a whole number, or microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    Number(i64),
    Micros(i64),
}

impl Quantity {
    /// What a value is, if it is one.
    pub(super) fn of(value: &ParamValue) -> Option<Self> {
        match value {
            ParamValue::Number(number) => Some(Self::Number(*number)),
            ParamValue::Text(text) => {
                let micros = units::duration(text).ok()?.as_micros();
                Some(Self::Micros(i64::try_from(micros).ok()?))
            }
        }
    }

    /// Whether both are of one kind, and this is not the greater one.
    pub(super) fn up_to(self, other: Self) -> bool {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) | (Self::Micros(a), Self::Micros(b)) => a <= b,
            _ => false,
        }
    }
}

/// The parameters with all their values, each of them once, of a guest with `online` CPUs online.
pub(super) fn expand<'a>(source: &Source, file: &'a File, online: u32) -> Result<Vec<Swept<'a>>, InputError> {
    let mut parameters = Vec::new();
    for (name, written) in &file.params.0 {
        let values = match written {
            Values::List(values) => values.clone(),
            Values::Range(steps) => stepped(source, steps)?,
            Values::All => {
                let value = |cpu: u32| At { value: Scalar(ParamValue::Number(cpu.into())), mark: name.mark };
                (0..online).map(value).collect()
            }
        };
        if values.is_empty() {
            return Err(source.error(name.mark, format!("the parameter `{}` has no values", name.value), None));
        }
        let mut seen: Vec<&ParamValue> = Vec::new();
        for At { value: Scalar(value), mark } in &values {
            check::word(source, *mark, &value.to_string())?;
            if seen.iter().any(|earlier| same(earlier, value)) {
                let cause = format!("`{value}` is already a value of `{}`", name.value);
                return Err(source.error(*mark, cause, Some("each value makes cells of its own".to_owned())));
            }
            seen.push(value);
        }
        parameters.push((name, values));
    }
    Ok(parameters)
}

/// Whether two values would be the same thing under two names: `1s` and `1000ms`, `0` and `"0"`.
fn same(a: &ParamValue, b: &ParamValue) -> bool {
    let (a, b) = (a.to_string(), b.to_string());
    a == b || matches!((units::duration(&a), units::duration(&b)), (Ok(a), Ok(b)) if a == b)
}

/// From one end to the other, both included; durations in the largest unit of which step and beginning are multiples.
fn stepped(source: &Source, steps: &Steps) -> Result<Vec<At<Scalar>>, InputError> {
    let quantity = |At { value: Scalar(value), mark }: &At<Scalar>| {
        Quantity::of(value).ok_or_else(|| {
            let hint = "a range is of whole numbers, or of durations with their unit: `300ms`".to_owned();
            source.error(*mark, format!("`{}` cannot be counted up", visible(&value.to_string())), Some(hint))
        })
    };
    let ends = (quantity(&steps.from)?, quantity(&steps.to)?, quantity(&steps.step)?);
    let (from, to, step, unit) = match ends {
        (Quantity::Number(from), Quantity::Number(to), Quantity::Number(step)) => (from, to, step, None),
        (Quantity::Micros(from), Quantity::Micros(to), Quantity::Micros(step)) => {
            let whole = |micros: i64, unit: u64| u64::try_from(micros).is_ok_and(|micros| micros.is_multiple_of(unit));
            let unit = units::UNITS.iter().find(|(_, unit)| whole(from, *unit) && whole(step, *unit));
            (from, to, step, unit)
        }
        _ => {
            let hint = "give `from`, `to` and `step` in one way: all with a unit, or all without".to_owned();
            return Err(source.error(steps.step.mark, "the range has numbers and durations in it", Some(hint)));
        }
    };
    if step < 1 {
        return Err(source.error(steps.step.mark, "the range is never gone through by such steps", None));
    }
    if from > to {
        return Err(source.error(steps.to.mark, "the range ends before it begins", None));
    }
    let values = std::iter::successors(Some(from), |value| value.checked_add(step)).take_while(|value| *value <= to);
    let values: Vec<i64> = values.take(MAX_POINTS + 1).collect();
    if values.len() > MAX_POINTS {
        return Err(source.error(steps.step.mark, format!("the range has more than {MAX_POINTS} values"), None));
    }
    let written = |value: i64| match unit {
        Some((name, micros)) => ParamValue::Text(format!("{}{name}", value / i64::try_from(*micros).unwrap_or(1))),
        None => ParamValue::Number(value),
    };
    Ok(values.into_iter().map(|value| At { value: Scalar(written(value)), mark: steps.from.mark }).collect())
}

/// The cartesian product of the parameters' values, the last one varying fastest.
pub(super) fn choices<'a>(source: &Source, swept: &'a [Swept<'a>]) -> Result<Vec<Choice<'a>>, InputError> {
    let mut choices: Vec<Choice> = vec![Vec::new()];
    for (name, values) in swept {
        if choices.len().saturating_mul(values.len()) > MAX_POINTS {
            return Err(source.error(name.mark, format!("the sweep has more than {MAX_POINTS} points"), None));
        }
        choices = choices
            .iter()
            .flat_map(|choice| values.iter().map(|value| [choice.as_slice(), &[(name.as_str(), value)]].concat()))
            .collect();
    }
    Ok(choices)
}
