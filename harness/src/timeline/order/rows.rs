//! Sequences as lines for people.

use std::collections::{BTreeMap, BTreeSet};

use super::diff::{Kind, common};
use super::steps::OrderStep;
use crate::timeline::spans::{Edge, Part, parts};
use crate::timeline::view::plain;

/// One line of a sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub kind: Kind,
    /// In how many steps it lies.
    pub depth: usize,
    pub text: String,
    /// How often it comes in succession.
    pub times: usize,
    /// Which step it is, whether it begins here or ends; by this it is found again in another sequence.
    pub name: String,
    /// The step ends here that began in a row above.
    pub closes: bool,
}

impl Row {
    /// With its indentation and its repetitions.
    pub fn line(&self) -> String {
        format!("{:indent$}{}", "", times(&self.text, self.times), indent = 2 * self.depth.min(8))
    }
}

/// `notifier x ×3`
pub(super) fn times(text: &str, times: usize) -> String {
    if times > 1 { format!("{text} ×{times}") } else { text.to_owned() }
}

/// A step that nothing lies in is one row; the same row in succession is one, with its number.
pub(super) fn rows<'a>(steps: impl IntoIterator<Item = (Kind, &'a OrderStep)>) -> Vec<Row> {
    let steps: Vec<(Kind, &OrderStep)> = steps.into_iter().collect();
    // A stop ends nothing and begins nothing, so it may well lie on the lane of the CPU that panics.
    let lane = |step: &'a OrderStep| if step.of_panic() { "" } else { step.on.as_str() };
    // What is on one side alone has ends of its own.
    let edge = |(kind, step): &(Kind, &'a OrderStep)| Edge {
        lane: (*kind as u8, lane(step)),
        step: step.step.as_str(),
        of: step.of.as_str(),
        edge: step.edge,
    };
    let parts = parts(steps.iter().map(edge));
    let mut rows: Vec<Row> = Vec::new();
    let mut depths = BTreeMap::<&str, usize>::new();
    let mut skip = None;
    for (index, ((kind, step), part)) in steps.iter().zip(parts).enumerate() {
        if skip == Some(index) {
            continue;
        }
        let (name, depth) = (plain(&step.name()), depths.entry(lane(step)).or_default());
        let mut row = Row { kind: *kind, depth: *depth, text: name.clone(), times: 1, name, closes: false };
        match part {
            Part::Begin { end } if end == index + 1 => skip = Some(end),
            Part::Begin { .. } => {
                *depth += 1;
                row.text += " {";
            }
            Part::End { .. } => {
                *depth = depth.saturating_sub(1);
                row = Row { depth: *depth, text: format!("}} {}", plain(&step.step)), closes: true, ..row };
            }
            Part::Tail => row = Row { text: format!("}} {}", row.text), closes: true, ..row },
            Part::Cut => row.text += " (not left)",
            Part::Point => {}
        }
        match rows.last_mut() {
            Some(last) if (last.kind, last.depth, &last.text) == (row.kind, row.depth, &row.text) => last.times += 1,
            _ => rows.push(row),
        }
    }
    rows
}

/// Which rows are not as in the first column; of the first one, as in some other. A step is taken with all that lies in
/// it, so that few steps move and not all those around them. Columns without rows are not looked at.
pub(super) fn moved(columns: &[Vec<Row>]) -> Vec<Vec<bool>> {
    let blocks: Vec<Vec<&[Row]>> = columns.iter().map(|rows| blocks(rows)).collect();
    let keys = |block: &&[Row]| block.iter().map(|row| (row.name.clone(), row.closes)).collect::<Vec<_>>();
    let moved = moved_keys(&blocks.iter().map(|blocks| blocks.iter().map(keys).collect()).collect::<Vec<_>>());
    let whole = |(block, moved): (&&[Row], bool)| std::iter::repeat_n(moved, block.len());
    blocks.iter().zip(moved).map(|(blocks, moved)| blocks.iter().zip(moved).flat_map(whole).collect()).collect()
}

/// Rows by the step that they lie in.
fn blocks(rows: &[Row]) -> Vec<&[Row]> {
    rows.chunk_by(|_, next| next.depth > 0 || next.closes).collect()
}

/// [`moved`] for columns of anything that can be compared.
pub(super) fn moved_keys<T: PartialEq>(columns: &[Vec<T>]) -> Vec<Vec<bool>> {
    let mut moved: Vec<Vec<bool>> = columns.iter().map(|column| vec![false; column.len()]).collect();
    let (Some((first, others)), Some((first_moved, others_moved))) = (columns.split_first(), moved.split_first_mut())
    else {
        return moved;
    };
    for (other, other_moved) in others.iter().zip(others_moved) {
        if first.is_empty() || other.is_empty() {
            continue;
        }
        let (in_first, in_other): (BTreeSet<usize>, BTreeSet<usize>) = common(first, other).into_iter().unzip();
        first_moved.iter_mut().enumerate().for_each(|(index, moved)| *moved |= !in_first.contains(&index));
        other_moved.iter_mut().enumerate().for_each(|(index, moved)| *moved = !in_other.contains(&index));
    }
    moved
}
