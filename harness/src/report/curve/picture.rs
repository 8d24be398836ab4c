//! Curves as an SVG picture: shares in percent, with whiskers for their intervals.

use std::fmt::Write as _;

use super::{Curve, CurveError, CurvePoint, Series};
use crate::svg::{Look, Picture, escaped};
use crate::text::clipped;

/// Pixels: the picture's width, and where the plot lies in it.
const WIDTH: usize = 760;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 736.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 344.0;
/// Pixels: where the legend begins, and a line of it; between the whiskers of two lines at one place; half a whisker's end.
const LEGEND: usize = 408;
const LINE: usize = 20;
const APART: f64 = 4.0;
const END: f64 = 3.0;
/// Pixels that the axis goes on beyond the first and the last point.
const ROOM: f64 = 24.0;
/// Characters of a name in the legend.
const NAME: usize = 90;

/// Colours with enough contrast on white that also differ for those who see few of them. Lines differ in their dashes
/// besides, so that one that lies below another is seen.
const COLOURS: [&str; 4] = ["#0969da", "#bc4c00", "#1a7f37", "#8250df"];
const DASHES: [&str; 4] = ["", "8 5", "2 4", "9 4 2 4"];
/// This many lines can be told apart.
const LINES: usize = 12;

/// The picture; an error, if there are more lines than can be told apart.
pub(super) fn draw(curve: &Curve) -> Result<Picture, CurveError> {
    let lines = curve.series.len();
    if lines > LINES {
        return Err(CurveError::TooMany { lines });
    }
    let scale = Scale::of(curve);
    let mut body = String::new();
    let mut draw = |element: std::fmt::Arguments| {
        // Writing to a string does not fail.
        let _ = writeln!(body, "  {element}");
    };
    let Curve { scenario, channel, .. } = curve;
    let title = format!("{scenario}: {channel} {} against {}", channel.good(), curve.x);
    draw(format_args!(
        "<text class=\"b\" x=\"24\" y=\"34\" font-size=\"15\">{}</text>",
        escaped(&clipped(&title, NAME))
    ));
    let (width, height) = (RIGHT - LEFT, BOTTOM - TOP);
    draw(format_args!("<rect class=\"step\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{width}\" height=\"{height}\"/>"));
    for percent in [0.0, 25.0, 50.0, 75.0, 100.0] {
        let y = y(percent / 100.0);
        draw(format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>"));
        draw(format_args!("<text class=\"s e\" x=\"{}\" y=\"{:.1}\">{percent} %</text>", LEFT - 8.0, y + 4.0));
    }
    for value in scale.ticks() {
        let x = scale.x(value);
        draw(format_args!("<path class=\"lane\" d=\"M{x:.1} {BOTTOM}v5\"/>"));
        draw(format_args!("<text class=\"s m\" x=\"{x:.1}\" y=\"{}\">{value}</text>", BOTTOM + 18.0));
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    draw(format_args!("<text class=\"s m\" x=\"{middle}\" y=\"{}\">{}</text>", BOTTOM + 36.0, escaped(&curve.axis())));
    for (index, series) in curve.series.iter().enumerate() {
        let (colour, dash) = look(index);
        let aside = aside(index, lines);
        let counted = || series.points.iter().filter(|point| point.share.of() > 0);
        let at = |point: &CurvePoint| scale.x(point.x) + aside;
        let way: Vec<String> =
            counted().filter_map(|point| Some(format!("{:.1} {:.1}", at(point), y(point.share.share()?)))).collect();
        draw(format_args!("<g stroke=\"{colour}\" fill=\"{colour}\">"));
        if way.len() > 1 {
            draw(format_args!("  <path class=\"way\" stroke-dasharray=\"{dash}\" d=\"M{}\"/>", way.join("L")));
        }
        for point in counted() {
            let (x, lo, hi) = (at(point), y(point.ci95.lo), y(point.ci95.hi));
            let (left, right) = (x - END, x + END);
            let ends = format!("M{left:.1} {hi:.1}H{right:.1}M{left:.1} {lo:.1}H{right:.1}");
            draw(format_args!("  <path class=\"whisker\" d=\"M{x:.1} {hi:.1}V{lo:.1}{ends}\"/>"));
            let Some(share) = point.share.share() else { continue };
            draw(format_args!("  <circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3.5\"/>", y(share)));
        }
        draw(format_args!("</g>"));
    }
    let mut bottom = LEGEND;
    for (index, Series { name, .. }) in curve.series.iter().enumerate() {
        let (colour, dash) = look(index);
        draw(format_args!(
            "<path class=\"way\" stroke=\"{colour}\" stroke-dasharray=\"{dash}\" d=\"M{LEFT} {}h40\"/>",
            bottom - 4
        ));
        draw(format_args!("<circle fill=\"{colour}\" cx=\"{}\" cy=\"{}\" r=\"3.5\"/>", LEFT + 20.0, bottom - 4));
        let name = escaped(&clipped(name, NAME));
        draw(format_args!("<text class=\"mono\" font-size=\"12\" x=\"{}\" y=\"{bottom}\">{name}</text>", LEFT + 52.0));
        bottom += LINE;
    }
    let foot = format!("{}; whiskers: 95 % intervals (Wilson).", counted(curve));
    draw(format_args!("<text class=\"s\" x=\"24\" y=\"{}\">{foot}</text>", bottom + 8));
    let description = format!(
        "The share of trials in which {channel} was {}, in percent, for each value of {}: a line each for {}.",
        channel.good(),
        curve.x,
        curve.series.iter().map(|series| series.name.as_str()).collect::<Vec<_>>().join(", ")
    );
    Ok(Picture { look: CURVE_LOOK, size: (WIDTH, bottom + 24), title, description, body })
}

/// What it looks like.
pub const CURVE_LOOK: Look = Look {
    kind: "curve",
    style: "\
    .grid { stroke: #d0d7de; } .way { fill: none; stroke-width: 2; } .whisker { fill: none; stroke-width: 1.2; opacity: .8; }
",
};

/// Colour and dashes of a line.
fn look(index: usize) -> (&'static str, &'static str) {
    (COLOURS[index % COLOURS.len()], DASHES[(index + index / COLOURS.len()) % DASHES.len()])
}

/// Pixels by which a line stands beside its place, so that whiskers do not hide each other.
fn aside(index: usize, lines: usize) -> f64 {
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    (count(index) - (count(lines) - 1.0) / 2.0) * APART
}

fn y(share: f64) -> f64 {
    BOTTOM - share * (BOTTOM - TOP)
}

/// How many trials a point has.
fn counted(curve: &Curve) -> String {
    let counts = || curve.series.iter().flat_map(|series| &series.points).map(|point| point.share.of());
    let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    if least == most { format!("{most} trials a point") } else { format!("{least} to {most} trials a point") }
}

/// From values of the parameter to pixels.
struct Scale {
    least: f64,
    most: f64,
}

impl Scale {
    fn of(curve: &Curve) -> Self {
        let values = || curve.series.iter().flat_map(|series| &series.points).map(|point| point.x);
        let (least, most) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        // One value alone stands in the middle, of an axis long enough to be told from it.
        let half = if least < most { 0.0 } else { (least.abs() / 2.0).max(1.0) };
        Self { least: least - half, most: most + half }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + ROOM + (value - self.least) / (self.most - self.least) * (RIGHT - LEFT - 2.0 * ROOM)
    }

    /// Round numbers, at most ten of them.
    fn ticks(&self) -> Vec<f64> {
        let span = self.most - self.least;
        let power = 10f64.powf((span / 10.0).log10().ceil());
        let step = [0.1, 0.2, 0.5, 1.0].map(|part| part * power).into_iter().find(|step| span / step <= 10.0);
        let step = step.unwrap_or(power);
        let first = (self.least / step).ceil();
        let tick = |number: f64| {
            // 3 times 0.1 is 0.30000000000000004.
            let value = (first + number) * step;
            format!("{value:.6}").parse().unwrap_or(value)
        };
        (0..=10).map(|number| tick(f64::from(number))).filter(|value| *value <= self.most).collect()
    }
}
