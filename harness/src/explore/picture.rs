//! Every pair of steps that was seen, coloured by what became of the log when they were forced the other way round.

use std::fmt::Write as _;

use super::findings::{Findings, Pair};
use crate::svg::{Look, Picture, escaped};
use crate::text::clipped;

/// Pixels: a cell, where the cells begin, what stands below them.
const CELL: usize = 14;
const LEFT: usize = 330;
const TOP: usize = 330;
const BELOW: usize = 60;
/// Characters of a moment.
const NAME: usize = 48;

/// What it looks like.
pub const MATRIX_LOOK: Look = Look {
    kind: "matrix",
    style: "\
    .cell { stroke: #d0d7de; } .saved { fill: #1a7f37; } .lost { fill: #cf222e; } .mixed { fill: #bf8700; } .left { fill: #fff; }
    .cannot { fill: url(#hatched); }
",
};

/// A row for each moment that another one is forced before, a column for each that is; none where that order is what was seen
/// anyway, or on one CPU.
pub fn matrix_picture(name: &str, findings: &Findings) -> Picture {
    let Findings { channel, moments, pairs, .. } = findings;
    let side = moments.len() * CELL;
    let title = format!("{name}: {channel}, by the order that was forced");
    let mut body = format!(
        "  <defs><pattern id=\"hatched\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><rect width=\"4\" height=\"4\" fill=\"#fff\"/>\
         <path d=\"M0 0V4\" stroke=\"#8c959f\"/></pattern></defs>\n  \
         <text class=\"b\" x=\"24\" y=\"34\" font-size=\"15\">{}</text>\n",
        escaped(&clipped(&title, 100))
    );
    let mut draw = |element: std::fmt::Arguments| {
        // Writing to a string does not fail.
        let _ = writeln!(body, "  {element}");
    };
    draw(format_args!("<text class=\"s e\" x=\"{}\" y=\"{}\">comes after ↓ … comes first →</text>", LEFT - 8, TOP - 8));
    for (number, moment) in moments.iter().enumerate() {
        let name = escaped(&clipped(&moment.to_string(), NAME));
        let at = number * CELL + CELL - 3;
        draw(format_args!("<text class=\"s e mono\" x=\"{}\" y=\"{}\">{name}</text>", LEFT - 8, TOP + at));
        let (x, y) = (LEFT + at, TOP - 8);
        draw(format_args!("<text class=\"s mono\" transform=\"translate({x} {y}) rotate(-90)\">{name}</text>"));
    }
    for pair in pairs {
        let (x, y) = (LEFT + pair.first * CELL, TOP + pair.then * CELL);
        let class = class(pair);
        let words = |number: usize| moments.get(number).map(ToString::to_string).unwrap_or_default();
        let (first, then) = (words(pair.first), words(pair.then));
        let what = escaped(&format!("{first} before {then}: {class}, {} of {}", pair.forced.lost, pair.forced.kept));
        draw(format_args!(
            "<rect class=\"cell {class}\" x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\"><title>{what}</title></rect>"
        ));
    }
    let legend = [
        ("saved", "saved"),
        ("mixed", "now and then"),
        ("lost", "lost"),
        ("cannot", "cannot be forced"),
        ("left", "not tried"),
    ];
    for (number, (class, words)) in legend.iter().enumerate() {
        let (x, y) = (24 + number * 150, TOP + side + 24);
        draw(format_args!("<rect class=\"cell {class}\" x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\"/>"));
        draw(format_args!("<text class=\"s\" x=\"{}\" y=\"{}\">{words}</text>", x + CELL + 6, y + CELL - 3));
    }
    let description =
        "Pairs of steps of two CPUs, each coloured by whether the log was lost when the one in the column was \
        forced before the one in the row."
            .to_owned();
    let size = ((LEFT + side + 24).max(24 + 150 * legend.len()), TOP + side + BELOW);
    Picture { look: MATRIX_LOOK, size, title, description, body }
}

fn class(Pair { forced, why_not, .. }: &Pair) -> &'static str {
    match (forced.kept, forced.lost, why_not) {
        (0, _, Some(_)) => "cannot",
        (0, _, None) => "left",
        (_, 0, _) => "saved",
        (kept, lost, _) if kept == lost => "lost",
        _ => "mixed",
    }
}
