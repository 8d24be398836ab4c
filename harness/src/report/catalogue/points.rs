//! Points of a sweep in words.

use crate::model::{ParamValue, Params};
use crate::scenario::Parameter;

/// A parameter, and some of its values.
type Some<'a> = (&'a Parameter, Vec<&'a ParamValue>);

/// Which points these are of all that the parameters have: `` `hold` is 0ms or 100ms and `post_notifiers` is 0 ``;
/// nothing, if they are all.
pub(super) fn in_words(parameters: &[Parameter], chosen: &[&Params]) -> String {
    let parameters: Vec<&Parameter> = parameters.iter().collect();
    let clause = |clause: Vec<Some>| {
        let named = clause.into_iter().filter(|(parameter, values)| values.len() < parameter.values.len());
        named.map(|(parameter, values)| is_one_of(parameter, &values)).collect::<Vec<_>>().join(" and ")
    };
    clauses(&parameters, chosen).into_iter().map(clause).collect::<Vec<_>>().join("; or where ")
}

/// The points as sets of values of which every combination is meant.
fn clauses<'a>(parameters: &[&'a Parameter], chosen: &[&Params]) -> Vec<Vec<Some<'a>>> {
    let Some((first, rest)) = parameters.split_first() else { return vec![Vec::new()] };
    let together: Vec<Some> = parameters
        .iter()
        .map(|parameter| {
            let is_there = |value: &&ParamValue| chosen.iter().any(|point| point.get(&parameter.name) == Some(*value));
            (*parameter, parameter.values.iter().filter(is_there).collect())
        })
        .collect();
    let combinations = together.iter().map(|(_, values)| values.len()).product::<usize>();
    if combinations == chosen.len() {
        return vec![together];
    }
    // Values of the first parameter that stand beside the same of the others belong together.
    let mut groups: Vec<(Vec<&ParamValue>, Vec<Params>)> = Vec::new();
    for value in &first.values {
        let with_it = chosen.iter().filter(|point| point.get(&first.name) == Some(value));
        let others: Vec<Params> = with_it
            .map(|point| {
                let mut others = Params::clone(point);
                others.remove(&first.name);
                others
            })
            .collect();
        match groups.iter_mut().find(|(_, known)| *known == others) {
            _ if others.is_empty() => {}
            Some((values, _)) => values.push(value),
            None => groups.push((vec![value], others)),
        }
    }
    let of_group = |(values, others): (Vec<&'a ParamValue>, Vec<Params>)| {
        let within = clauses(rest, &others.iter().collect::<Vec<_>>());
        within.into_iter().map(move |clause| [vec![(*first, values.clone())], clause].concat())
    };
    groups.into_iter().flat_map(of_group).collect()
}

/// `` `hold` is 0ms, 100ms or 300ms ``; many in succession as `` `hold` is 100ms to 900ms ``.
fn is_one_of(parameter: &Parameter, values: &[&ParamValue]) -> String {
    let name = &parameter.name;
    let Parameter { values: all, .. } = parameter;
    let start = all.iter().position(|value| values.first() == Some(&value)).unwrap_or_default();
    let successive = all.iter().skip(start).zip(values).all(|(value, of)| value == *of);
    match values {
        [first, .., last] if successive && values.len() > FEW => format!("`{name}` is {first} to {last}"),
        [others @ .., last] if !others.is_empty() => format!("`{name}` is {} or {last}", joined(others)),
        _ => format!("`{name}` is {}", joined(values)),
    }
}

/// Up to this many values are named one by one.
const FEW: usize = 6;

/// `0ms, 100ms, 300ms`; of many the first two and the last.
pub(super) fn listed(values: &[ParamValue]) -> String {
    match values {
        [first, second, .., last] if values.len() > 2 * FEW => format!("{first}, {second}, … {last}"),
        _ => joined(&values.iter().collect::<Vec<_>>()),
    }
}

fn joined(values: &[&ParamValue]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
