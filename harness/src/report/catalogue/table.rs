//! What was measured of a scenario, as a table.

use std::fmt::Write as _;

use super::in_table;
use super::measured::{Measured, MeasuredCell};
use crate::model::{Channel, ParamValue, Params, assignments};
use crate::report::summary::NOT_THERE;
use crate::scenario::Scenario;
use crate::stats::{Proportion, percent, wilson};

/// A table has at most this many rows.
const ROWS: usize = 12;

/// A row: what it is of, and its figures.
type Row = (Params, Vec<String>);

/// The table of a scenario, with where it comes from below; or that there is none.
pub(super) fn measured(scenario: &Scenario, measured: &Measured) -> String {
    let cells: Vec<&MeasuredCell> = measured.cells.iter().filter(|cell| cell.scenario == scenario.name).collect();
    if cells.is_empty() {
        return "Not measured yet.\n".to_owned();
    }
    let has = |channel: &Channel| {
        Channel::OF_LOG.contains(channel) || cells.iter().any(|cell| cell.channels.contains_key(channel))
    };
    let channels: Vec<Channel> = Channel::ALL.into_iter().filter(has).collect();
    let points = scenario.points();
    let figures = |point: &Params| -> Vec<String> {
        let columns = channels.len() + 2;
        match cells.iter().find(|cell| cell.params == *point) {
            None => vec!["-".to_owned(); columns],
            Some(MeasuredCell { skipped: Some(_), .. }) => vec!["skipped".to_owned(); columns],
            Some(cell) => {
                let of_channels = channels.iter().map(|channel| match cell.channels.get(channel) {
                    None if channel.is_of_some_guests() => NOT_THERE.to_owned(),
                    counts => figure(counts.copied()),
                });
                of_channels.chain([cell.hung, cell.missed].map(|count| count.to_string())).collect()
            }
        }
    };
    let mut rows: Vec<Row> = points.iter().map(|point| (point.clone(), figures(point))).collect();
    if rows.len() > ROWS {
        rows = merged(scenario, rows);
    }
    let names: Vec<&str> = channels.iter().map(|channel| channel.name()).chain(["hung", "missed"]).collect();
    let mut text = format!("| | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    let left_out = rows.len().saturating_sub(ROWS);
    for (index, (point, figures)) in rows.iter().enumerate() {
        // Of too many the first and the last.
        if left_out == 0 || index < ROWS / 2 || index >= ROWS / 2 + left_out {
            let _ = writeln!(text, "| {} | {} |", in_table(&assignments(point)), figures.join(" | "));
        } else if index == ROWS / 2 {
            let _ = writeln!(text, "| … {left_out} more rows |{}", " |".repeat(names.len()));
        }
    }
    text + "\n" + &sources(&cells, measured)
}

/// Rows that differ in one parameter alone, are neighbours in it and have the same figures, as one.
fn merged(scenario: &Scenario, mut rows: Vec<Row>) -> Vec<Row> {
    let Some(swept) = scenario.parameters.iter().rev().max_by_key(|parameter| parameter.values.len()) else {
        return rows;
    };
    let others = |params: &Params| {
        let mut others = params.clone();
        others.remove(&swept.name);
        others
    };
    // Stable: the values of the swept one stay in their order.
    let all: Vec<Params> = rows.iter().map(|(params, _)| others(params)).collect();
    rows.sort_by_key(|(params, _)| all.iter().position(|known| *known == others(params)));
    let mut merged: Vec<(Row, ParamValue)> = Vec::new();
    for (params, figures) in rows {
        let Some(value) = params.get(&swept.name).cloned() else { continue };
        match merged.last_mut() {
            Some(((first, same), last)) if *same == figures && others(first) == others(&params) => *last = value,
            _ => merged.push(((params, figures), value)),
        }
    }
    let range = |((mut params, figures), last): (Row, ParamValue)| {
        if let Some(first) = params.get_mut(&swept.name).filter(|first| **first != last) {
            *first = ParamValue::Text(format!("{first}…{last}"));
        }
        (params, figures)
    };
    merged.into_iter().map(range).collect()
}

/// `20/20 [84–100]`
fn figure(seen: Option<Proportion>) -> String {
    let Some(seen) = seen.filter(|seen| seen.of() > 0) else { return "none counted".to_owned() };
    let interval = wilson(seen);
    format!("{}/{} [{}–{}]", seen.hits(), seen.of(), percent(interval.lo), percent(interval.hi))
}

/// When, on which kernel, by which QEMU; and why points were skipped, each reason once.
fn sources(cells: &[&MeasuredCell], measured: &Measured) -> String {
    let mut lines: Vec<String> = Vec::new();
    for cell in cells {
        let run = measured.runs.iter().find(|run| run.run == cell.run);
        let reason = cell.skipped.iter().map(|reason| format!("Skipped: {reason}."));
        for line in run.map(ToString::to_string).into_iter().chain(reason) {
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines.join("\n") + "\n"
}
