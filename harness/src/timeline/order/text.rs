//! Orders as text. Writing to a string does not fail.

use std::fmt::Write as _;

use super::diff::{Change, Kind};
use super::difference::{Difference, Followed};
use super::rows::{Row, moved, rows};
use super::tally::Order;
use crate::text::clipped;
use crate::timeline::view::plain;

const WIDTH: usize = 120;
/// How many rows are shown before and after a difference.
const CONTEXT: usize = 2;

/// The order of a variant at one point of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariantOrder {
    /// The variant, as it is to be shown.
    pub variant: String,
    /// Its counted trials, with or without a timeline.
    pub counted: u32,
    /// Its order; `None` if none of its trials has a whole timeline.
    pub order: Option<Order>,
}

impl VariantOrder {
    /// `10 of 10 trials`
    pub(super) fn share(&self) -> String {
        match &self.order {
            Some(Order { followed, trials, .. }) => format!("{followed} of {trials} trials"),
            None => "no timelines".to_owned(),
        }
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let steps = self.order.as_ref().map_or(&[][..], |order| &order.steps);
        rows(steps.iter().map(|step| (Kind::Same, step)))
    }
}

/// The orders of variants side by side, and below what deviated from each. `point` is the scenario with its parameters.
pub fn orders_text(point: &str, variants: &[VariantOrder]) -> String {
    let columns: Vec<Vec<Row>> = variants.iter().map(VariantOrder::rows).collect();
    let moved = moved(&columns);
    let width = (WIDTH / variants.len().max(1)).max(20);
    let mut text = format!("{point}\n\n");
    line(&mut text, width, variants.iter().map(|column| format!("  {}", column.variant)));
    line(&mut text, width, variants.iter().map(|column| format!("  {}", column.share())));
    text += &"─".repeat(WIDTH.min(width * variants.len()));
    text.push('\n');
    for index in 0..columns.iter().map(Vec::len).max().unwrap_or(0) {
        line(
            &mut text,
            width,
            columns.iter().zip(&moved).map(|(rows, moved)| {
                let mark = if moved.get(index) == Some(&true) { "* " } else { "  " };
                rows.get(index).map_or(String::new(), |row| format!("{mark}{}", row.line()))
            }),
        );
    }
    if moved.iter().flatten().any(|moved| *moved) {
        text += "\n* elsewhere, or otherwise, in another column\n";
    }
    for VariantOrder { variant, counted, order } in variants {
        let Some(order) = order else { continue };
        let variant = plain(variant);
        let unknown = counted.saturating_sub(order.trials);
        if unknown > 0 {
            let _ = writeln!(
                text,
                "\n{variant}: {unknown} of {counted} counted trials have no timeline, or none that is whole"
            );
        }
        for deviation in &order.deviations {
            let (trials, example) = (deviation.trials, deviation.example);
            let _ = writeln!(
                text,
                "\n{variant}: {trials} of {} trials went differently, such as trial {example}:",
                order.trials
            );
            text += &changed(&deviation.changes);
        }
    }
    text
}

/// Where the orders of two sides differ; nothing if there is nothing to compare.
pub fn differences_text(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return String::new();
    }
    let mut text = "\nOrder of steps, by the timelines; - only in the base's, + only in the candidate's:\n".to_owned();
    for Difference { point, base, candidate, same, changes } in differences {
        let share = |Followed { trials, followed }: &Followed| format!("{followed} of {trials}");
        let verdict = if *same { "same order" } else { "not the same order" };
        let (base, candidate) = (share(base), share(candidate));
        let _ =
            writeln!(text, "{point}: {verdict} (followed in {base} trials of the base, {candidate} of the candidate)");
        text += &changed(changes);
    }
    text
}

/// What differs, with the rows around it.
fn changed(changes: &[Change]) -> String {
    let rows = rows(changes.iter().map(|change| (change.kind, &change.step)));
    let differs: Vec<usize> =
        rows.iter().enumerate().filter(|(_, row)| row.kind != Kind::Same).map(|(at, _)| at).collect();
    let near = |index: usize| differs.iter().any(|at| at.abs_diff(index) <= CONTEXT);
    let (mut text, mut left_out) = (String::new(), false);
    for (index, row) in rows.iter().enumerate() {
        if !near(index) {
            left_out = true;
            continue;
        }
        if std::mem::take(&mut left_out) && !text.is_empty() {
            text += "      …\n";
        }
        let sign = match row.kind {
            Kind::Same => ' ',
            Kind::Removed => '-',
            Kind::Added => '+',
        };
        text += clipped(&format!("    {sign} {}", row.line()), WIDTH).trim_end();
        text.push('\n');
    }
    text
}

/// A line of columns.
fn line(text: &mut String, width: usize, cells: impl Iterator<Item = String>) {
    let cells: Vec<String> = cells.map(|cell| format!("{:width$}", clipped(&plain(&cell), width - 1))).collect();
    text.push_str(cells.concat().trim_end());
    text.push('\n');
}
