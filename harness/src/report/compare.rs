//! A comparison as a table.

use super::grid::{Grid, Tone};
use super::{Format, templates};
use crate::compare::{
    ComparedCell, ComparedSplat, Comparison, Evidence, LoggedBy, Point, Share, SkippedPoint, Verdict,
};
use crate::model::assignments;
use crate::stats::percent;

/// One row for each cell and channel, and whatever only one side has; `base` and `candidate` name the sides.
pub fn compare_table(comparison: &Comparison, base: &str, candidate: &str, format: Format) -> String {
    let header = ["scenario", "parameters", "channel", "base", "candidate", "difference, pp", "p", "verdict"];
    let mut grid = Grid::new(header, 0);
    for cell in &comparison.cells {
        let plain = [
            assignments(&cell.point.params),
            cell.channel.to_string(),
            share(cell.base),
            share(cell.candidate),
            difference_text(cell),
            p_adjusted_text(cell),
        ];
        let mut row: Vec<_> = plain.map(|text| (text, Tone::Plain)).into();
        row.push((verdict(cell), tone(cell.verdict)));
        grid.row(cell.point.scenario.clone(), row);
    }
    let item = format.item();
    let mut text = format!("{item}base: {base}\n{item}candidate: {candidate}\n\n{}\n", grid.render(format));
    let remarks = compare_remarks(comparison);
    text.extend(remarks.iter().map(|remark| format!("{item}{remark}\n")));
    if !remarks.is_empty() {
        text.push('\n');
    }
    let has = |channel| comparison.cells.iter().any(|cell| cell.channel == channel);
    text += "Saved";
    text += &super::of_others(has);
    text += ", of those that counted, with 95 % ";
    text += match comparison.evidence {
        Evidence::Fixed => "intervals; p: Boschloo's exact test, adjusted for all rows.\n",
        Evidence::Sequential => "confidence sequences; p adjusted for all rows. Both hold at any look.\n",
    };
    text += &templates::how_many(comparison);
    if comparison.cells.iter().any(|cell| cell.trials_to_decide.is_some()) {
        text += "undecided (n): n trials a side would decide it, if the shares stay what they are.\n";
    }
    text + &format!("{} (more trials needed).\n", verdicts_text(comparison))
}

/// `2 regressed, 1 improved, 9 same, 0 undecided`
pub(super) fn verdicts_text(comparison: &Comparison) -> String {
    let count = |verdict| comparison.cells.iter().filter(|cell| cell.verdict == verdict).count();
    let each = [Verdict::Regressed, Verdict::Improved, Verdict::Same, Verdict::Undecided];
    each.map(|verdict| format!("{} {verdict}", count(verdict))).join(", ")
}

/// What is to be said of a comparison besides its rows, a line each: points that are on one side only or were not run, reports
/// of the kernel's that one side logs more often, what lies between templates.
pub(super) fn compare_remarks(comparison: &Comparison) -> Vec<String> {
    let mut remarks = Vec::new();
    for (side, points) in [("base", &comparison.only_in_base), ("candidate", &comparison.only_in_candidate)] {
        remarks.extend(points.iter().map(|point: &Point| format!("only in {side}: {point}")));
    }
    remarks.extend(comparison.skipped.iter().map(not_run));
    remarks.extend(comparison.splats.iter().map(logged));
    remarks.extend(templates::notes(comparison));
    remarks
}

/// `skipped in candidate: logbuf hold=1ms (the kernel has no symbol logbuf_lock)`
fn not_run(SkippedPoint { point, base, candidate }: &SkippedPoint) -> String {
    let (sides, reasons) = match (base, candidate) {
        (Some(base), Some(candidate)) if base == candidate => ("both", base.clone()),
        (Some(base), Some(candidate)) => ("both", format!("base: {base}; candidate: {candidate}")),
        (Some(base), None) => ("base", base.clone()),
        (None, candidate) => ("candidate", candidate.clone().unwrap_or_default()),
    };
    format!("skipped in {sides}: {point} ({reasons})")
}

/// `regressed: panic-alone: 5 of 5 trials log "WARNING in foo", that base does not; p 0.008`
fn logged(splat: &ComparedSplat) -> String {
    let ComparedSplat { point, title, base, candidate, p_adjusted, verdict, .. } = splat;
    let trials = |LoggedBy { trials, of }: &LoggedBy| format!("{trials} of {of} trials");
    let what = match (base.trials, candidate.trials) {
        (0, _) if base.of > 0 => {
            format!("{} of candidate log \"{title}\", that base does not ({})", trials(candidate), trials(base))
        }
        (_, 0) if candidate.of > 0 => {
            format!("{} of base log \"{title}\", that candidate does not ({})", trials(base), trials(candidate))
        }
        _ => format!("{} of candidate log \"{title}\", and {} of base", trials(candidate), trials(base)),
    };
    format!("{verdict}: {point}: {what}; p {}", p_text(*p_adjusted))
}

/// `same`, or `undecided (35)`
fn verdict(cell: &ComparedCell) -> String {
    match cell.trials_to_decide {
        Some(trials) => format!("{} ({trials})", cell.verdict),
        None => cell.verdict.to_string(),
    }
}

/// `20/20 [84–100]`
pub(super) fn share(Share { n, saved, ci95, .. }: Share) -> String {
    if n == 0 {
        return "none counted".to_owned();
    }
    format!("{saved}/{n} [{}–{}]", percent(ci95.lo), percent(ci95.hi))
}

/// `-100 [-100, -77]`
pub(super) fn difference_text(cell: &ComparedCell) -> String {
    // Adding 0 makes a rounded -0 a +0.
    let points = |share: f64| format!("{:+.0}", (share * 100.0).round() + 0.0);
    let interval = cell.difference_ci95;
    cell.difference.map_or_else(
        || "-".to_owned(),
        |difference| format!("{} [{}, {}]", points(difference), points(interval.lo), points(interval.hi)),
    )
}

/// `<0.001`, adjusted for all rows
pub(super) fn p_adjusted_text(cell: &ComparedCell) -> String {
    match cell.p_adjusted {
        _ if cell.difference.is_none() => "-".to_owned(),
        p => p_text(p),
    }
}

fn p_text(p: f64) -> String {
    if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Regressed => Tone::Bad,
        Verdict::Improved => Tone::Good,
        Verdict::Same => Tone::Plain,
        Verdict::Undecided => Tone::Between,
    }
}
