//! Curves for spreadsheets, and for people at a terminal.

use std::fmt::Write as _;

use super::{Curve, CurvePoint, Series};
use crate::report::Format;
use crate::report::csv::field;
use crate::report::grid::{Grid, Tone};
use crate::stats::percent;

pub(super) fn csv(curve: &Curve) -> String {
    let mut text = "x,series,n,good,share,lo,hi\n".to_owned();
    for Series { name, points } in &curve.series {
        for CurvePoint { x, share, ci95 } in points {
            let part = share.share().map(|share| format!("{share:.4}")).unwrap_or_default();
            let (n, good, name) = (share.of(), share.hits(), field(name));
            // Writing to a string does not fail.
            let _ = writeln!(text, "{x},{name},{n},{good},{part},{:.4},{:.4}", ci95.lo, ci95.hi);
        }
    }
    text
}

pub(super) fn table(curve: &Curve) -> String {
    let names = curve.series.iter().map(|series| series.name.clone());
    let mut grid = Grid::new([String::new(), String::new()].into_iter().chain(names), 0);
    let mut values: Vec<f64> = curve.series.iter().flat_map(|series| &series.points).map(|point| point.x).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    for x in values {
        let figure = |series: &Series| match series.points.iter().find(|point| point.x.total_cmp(&x).is_eq()) {
            Some(CurvePoint { share, ci95, .. }) if share.of() > 0 => {
                format!("{}/{} [{}–{}]", share.hits(), share.of(), percent(ci95.lo), percent(ci95.hi))
            }
            Some(_) => "none counted".to_owned(),
            None => "-".to_owned(),
        };
        let figures = curve.series.iter().map(|series| (figure(series), Tone::Plain));
        grid.row(x.to_string(), [(String::new(), Tone::Plain)].into_iter().chain(figures).collect());
    }
    let Curve { scenario, channel, .. } = curve;
    let head = format!("{scenario}: {channel} {} against {}\n\n", channel.good(), curve.axis());
    head + &grid.render(Format::Text { colour: false })
        + "\nOf the trials that counted, with 95 % intervals in percent.\n"
}
