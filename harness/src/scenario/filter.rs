//! Which points of a sweep are meant: for some parameters, some of their values.

use std::collections::BTreeMap;

use crate::model::{ParamValue, Params};
use crate::yaml::{At, InputError, Source, UnknownName, visible};

use super::Parameter;
use super::scalar::{Between, Scalar, Values, Where};
use super::sweep::Quantity;

/// The points at which every named parameter has one of the values listed for it. The empty filter means every point;
/// a parameter which a scenario does not have matches none of its points.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PointFilter(BTreeMap<String, Vec<ParamValue>>);

impl PointFilter {
    /// Whether `point` is meant.
    pub fn matches(&self, point: &Params) -> bool {
        self.0.iter().all(|(name, values)| point.get(name).is_some_and(|value| values.contains(value)))
    }

    /// The filter `written` in `source`, for a scenario with these parameters.
    pub(crate) fn resolve(source: &Source, written: &Where, parameters: &[Parameter]) -> Result<Self, InputError> {
        let mut filter = BTreeMap::new();
        for (name, values) in &written.0 {
            let Some(parameter) = parameters.iter().find(|parameter| parameter.name == name.value) else {
                let known = parameters.iter().map(|parameter| parameter.name.as_str());
                return Err(source.unknown(name.mark, &UnknownName::new("parameter", &name.value, known)));
            };
            let chosen = match values {
                Values::List(values) => listed(source, name, values, parameter)?,
                Values::Range(range) => between(source, name, range, parameter)?,
                Values::All => parameter.values.clone(),
            };
            filter.insert(parameter.name.clone(), chosen);
        }
        Ok(Self(filter))
    }
}

fn listed(
    source: &Source,
    name: &At<String>,
    values: &[At<Scalar>],
    parameter: &Parameter,
) -> Result<Vec<ParamValue>, InputError> {
    if values.is_empty() {
        return Err(source.error(name.mark, format!("no value of `{}` is listed", parameter.name), None));
    }
    let known: Vec<String> = parameter.values.iter().map(ToString::to_string).collect();
    let mut chosen = Vec::new();
    for At { value: Scalar(value), mark } in values {
        let text = value.to_string();
        let Some(value) = parameter.values.iter().find(|known| known.to_string() == text) else {
            let known = known.iter().map(String::as_str);
            return Err(source.unknown(*mark, &UnknownName::new("value", text, known).of(&parameter.name)));
        };
        chosen.push(value.clone());
    }
    Ok(chosen)
}

/// Values that are neither numbers nor durations lie between none.
fn between(
    source: &Source,
    name: &At<String>,
    range: &Between,
    parameter: &Parameter,
) -> Result<Vec<ParamValue>, InputError> {
    let bound = |written: &Option<At<Scalar>>| -> Result<Option<Quantity>, InputError> {
        let Some(At { value: Scalar(value), mark }) = written else { return Ok(None) };
        Quantity::of(value).map(Some).ok_or_else(|| {
            let hint = "the ends of a range are whole numbers, or durations with their unit: `300ms`".to_owned();
            source.error(*mark, format!("`{}` cannot be the end of a range", visible(&value.to_string())), Some(hint))
        })
    };
    let (from, to) = (bound(&range.from)?, bound(&range.to)?);
    let inside = |value: &&ParamValue| {
        Quantity::of(value)
            .is_some_and(|value| from.is_none_or(|from| from.up_to(value)) && to.is_none_or(|to| value.up_to(to)))
    };
    let chosen: Vec<ParamValue> = parameter.values.iter().filter(inside).cloned().collect();
    if chosen.is_empty() {
        let known: Vec<String> = parameter.values.iter().map(ToString::to_string).collect();
        let hint = format!("known: {}", known.join(", "));
        return Err(source.error(name.mark, format!("no value of `{}` lies there", parameter.name), Some(hint)));
    }
    Ok(chosen)
}
