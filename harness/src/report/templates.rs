//! What lies between the templates of a cell, in words.

use super::Format;
use crate::compare::{ComparedCell, Comparison, Share};
use crate::model::{Channel, assignments};
use crate::results::{CellSummary, Counts, Summary};
use crate::stats::{BetweenTemplates, DIFFER_BELOW};

/// `ICC 0.21, p 0.002`
pub(super) fn figures(between: &BetweenTemplates) -> String {
    let p = if between.p < 0.001 { "p <0.001".to_owned() } else { format!("p {:.3}", between.p) };
    between.icc.map_or_else(|| p.clone(), |icc| format!("ICC {icc:.2}, {p}"))
}

/// Whether a variance is seen between them.
pub(super) fn vary(between: &BetweenTemplates) -> bool {
    between.icc.is_some_and(|icc| icc > 0.0)
}

/// A line for each channel of a cell whose templates differ by more than chance.
pub(super) fn differing(summary: &Summary) -> impl Iterator<Item = String> {
    let channels = summary.cells.iter().flat_map(|cell| cell.channels.iter().map(move |counted| (cell, counted)));
    let line = |(cell, (channel, counts)): (&CellSummary, (&Channel, &Counts))| {
        let between = counts.by_template().between()?;
        let point = format!("{} {}", cell.key.scenario, assignments(&cell.key.params));
        let (point, kernel) = (point.trim_end(), cell.key.kernel());
        let line = format!("templates differ: {point} {kernel} {channel}: {}", figures(&between));
        (vary(&between) && between.p < DIFFER_BELOW).then_some(line)
    };
    channels.filter_map(line)
}

/// Those; nothing if none does.
pub(super) fn that_differ(summary: &Summary, format: Format) -> String {
    let lines = differing(summary).map(|line| format!("{}{line}\n", format.item())).collect::<Vec<_>>().concat();
    if lines.is_empty() || format.item().is_empty() { lines } else { format!("\n{lines}") }
}

/// The notes on a comparison, a line each: each of which nothing is to be said is left out.
pub(super) fn notes(comparison: &Comparison) -> Vec<String> {
    let note = |text: &str| format!("note: {text}");
    let mut notes = Vec::new();
    for (side, of_side) in SIDES {
        let templates = || comparison.cells.iter().filter_map(|cell| of_side(cell).between_templates);
        if templates().any(|between| between.templates == 1) {
            notes.push(note(&format!(
                "{side} has one template: what its boot decided by chance is in every trial; run with --templates 4 or more"
            )));
        }
    }
    for cell in &comparison.cells {
        for (side, of_side) in SIDES {
            if let Some(between) = of_side(cell).between_templates.filter(vary) {
                let (point, channel, count) = (&cell.point, cell.channel, between.templates);
                notes.push(note(&format!("{point} {channel}: {side}'s {count} templates vary: {}", figures(&between))));
            }
        }
    }
    notes
}

/// What a cell has of one side.
type OfSide = fn(&ComparedCell) -> Share;

/// The sides by name.
const SIDES: [(&str, OfSide); 2] = [("base", |cell| cell.base), ("candidate", |cell| cell.candidate)];

/// `templates: 4 of base, 4 of candidate`, the most that a cell has; nothing if none is known.
pub(super) fn how_many(comparison: &Comparison) -> String {
    let most = SIDES.map(|(side, of_side)| {
        let templates = comparison.cells.iter().filter_map(|cell| of_side(cell).between_templates);
        templates.map(|between| between.templates).max().map(|most| format!("{most} of {side}"))
    });
    let known: Vec<String> = most.into_iter().flatten().collect();
    if known.is_empty() { String::new() } else { format!("Templates: {}.\n", known.join(", ")) }
}
