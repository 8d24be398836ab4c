//! Which cells a run still needs trials of.

use std::collections::{BTreeMap, BTreeSet};

use super::pair::{Evidence, Options, Pair, Verdict, adjusted};
use super::reference::references;
use crate::model::{CellKey, Channel, KernelName};
use crate::results::{CellSummary, PlannedCell};
use crate::stats::Interval;

/// The cells of a plan that more trials may decide, in the plan's order. May be asked after every trial: whatever
/// `options` says, the evidence is sequential.
///
/// Kernels are compared with their [`references`], all at once: point by point, channel by channel, p-values adjusted over all
/// of it. Both cells of a pair are open while one of its channels is undecided.
///
/// A cell that has no other to be compared with is open while an expectation of it is neither shown nor refuted, by the
/// confidence sequence of its share; if nothing is expected of it, while on some channel the one of its good outcome is
/// wider than twice the margin.
///
/// A cell that is skipped is never open; one that would be compared with it is compared with none.
///
/// A cell of which no trial counted is open, so the caller needs a limit. A channel that trials were counted without is
/// not waited for.
pub fn open_cells(cells: &[CellSummary], planned: &[PlannedCell], options: Options) -> Vec<CellKey> {
    let options = Options { evidence: Evidence::Sequential, ..options };
    let summaries: BTreeMap<&CellKey, &CellSummary> = cells.iter().map(|cell| (&cell.key, cell)).collect();
    let seen = |key: &CellKey| summaries.get(key).map_or_else(|| CellSummary::empty(key.clone()), |&cell| cell.clone());
    let pairs = pairs(planned);
    let paired: BTreeSet<&CellKey> = pairs.iter().flat_map(|&(base, candidate)| [base, candidate]).collect();

    let mut open: BTreeSet<&CellKey> = undecided(&pairs, &seen, options);
    for cell in planned.iter().filter(|cell| is_run(cell) && !paired.contains(&cell.key)) {
        if alone_is_open(&seen(&cell.key), cell, options) {
            open.insert(&cell.key);
        }
    }
    planned.iter().map(|cell| &cell.key).filter(|key| open.contains(key)).cloned().collect()
}

/// The cells that are compared, as [`references`] says of their kernels.
fn pairs(planned: &[PlannedCell]) -> Vec<(&CellKey, &CellKey)> {
    let keys: BTreeSet<&CellKey> = planned.iter().filter(|cell| is_run(cell)).map(|cell| &cell.key).collect();
    let references: BTreeMap<KernelName, KernelName> =
        references(planned.iter().map(|cell| &cell.key)).into_iter().collect();
    let mut pairs = Vec::new();
    for PlannedCell { key, .. } in planned {
        let Some(KernelName { variant, base }) = references.get(&key.kernel()).cloned() else { continue };
        let other = CellKey { variant, base, ..key.clone() };
        if keys.contains(key) {
            pairs.extend(keys.get(&other).map(|&other| (other, key)));
        }
    }
    pairs
}

/// The cells of all pairs that are not decided on every channel.
fn undecided<'a>(
    pairs: &[(&'a CellKey, &'a CellKey)],
    seen: &impl Fn(&CellKey) -> CellSummary,
    options: Options,
) -> BTreeSet<&'a CellKey> {
    let mut open = BTreeSet::new();
    let (mut cells, mut family) = (Vec::new(), Vec::new());
    for &(base, candidate) in pairs {
        let sides = [seen(base), seen(candidate)];
        if sides.iter().any(nothing_counted) {
            open.extend([base, candidate]);
        }
        for channel in Channel::ALL {
            let [base_share, candidate_share] = sides.each_ref().map(|side| side.channel(channel).by_template());
            let pair = Pair { base: base_share, candidate: candidate_share };
            if pair.difference().is_some() {
                cells.push([base, candidate]);
                family.push(pair);
            }
        }
    }
    let p_values = adjusted(&family, options.evidence);
    for ((cells, pair), p_value) in cells.into_iter().zip(&family).zip(p_values) {
        if pair.verdict(p_value.unwrap_or(1.0), options) == Verdict::Undecided {
            open.extend(cells);
        }
    }
    open
}

/// Whether more trials may say something of a cell that is compared with none.
fn alone_is_open(seen: &CellSummary, planned: &PlannedCell, options: Options) -> bool {
    if nothing_counted(seen) {
        return true;
    }
    let interval = |channel, outcome| {
        let share = seen.channel(channel).of_by_template(|it| it == outcome);
        (share.pooled().of() > 0).then(|| options.evidence.share(&share))
    };
    if planned.expect.is_empty() {
        let mut measured = Channel::ALL.into_iter().filter_map(|channel| interval(channel, channel.good()));
        return measured.any(|Interval { lo, hi }| hi - lo > 2.0 * options.margin);
    }
    let mut expected = planned
        .expect
        .iter()
        .filter_map(|expected| Some((interval(expected.channel, expected.outcome)?, expected.at_least)));
    expected.any(|(Interval { lo, hi }, at_least)| lo < at_least && at_least <= hi)
}

fn is_run(cell: &PlannedCell) -> bool {
    cell.skipped.is_none()
}

/// Whether none of its trials counted.
fn nothing_counted(cell: &CellSummary) -> bool {
    cell.trials <= cell.missed.saturating_add(cell.infra_errors)
}
