//! A trial's timeline as an SVG picture.

use std::fmt::Write as _;

use super::view::{Entry, View, duration};
use crate::svg::{Look, Picture, escaped};
use crate::text::{clipped, milliseconds};

/// Pixels: an entry's height, where the entries and the lanes begin, a lane's width, the width of the console's lines.
const ROW: usize = 18;
const TOP: usize = 76;
const LEFT: usize = 112;
const LANE: usize = 190;
const CONSOLE: usize = 560;
/// Characters that have room in the console's column.
const CONSOLE_WIDTH: usize = 88;
/// How much further right what lies within a step stands.
const INDENT: usize = 10;

/// What it looks like.
pub const TIMELINE_LOOK: Look = Look {
    kind: "timeline",
    style: "\
    .line { font-size: 10px; } .halo { paint-order: stroke; stroke: #f6f8fa; stroke-width: 3px; } .span { fill: #0969da; opacity: .3; }
    .dot { fill: #0969da; } .gap { stroke: #bc4c00; stroke-dasharray: 2 4; } .gap-text { fill: #bc4c00; }
",
};

/// A lane for each CPU and the console's lines beside them, time from top to bottom. An entry takes the same height
/// however long it lasted; pauses are marked.
pub fn timeline_picture(view: &View) -> Picture {
    let (lanes, entries) = (view.lanes(), view.entries());
    let remarks = view.remarks();
    let bottom = TOP + entries.len() * ROW;
    let console = LEFT + lanes.len() * LANE;
    let size = (console + CONSOLE + 24, bottom + remarks.len() * ROW + 24);
    let y = |entry: usize| TOP + entry * ROW + ROW / 2;

    let mut body = format!("  <text class=\"b\" x=\"24\" y=\"32\">{}</text>\n", escaped(&view.title()));
    let mut draw = |element: std::fmt::Arguments| {
        // Writing to a string does not fail.
        let _ = writeln!(body, "  {element}");
    };
    draw(format_args!("<text class=\"s e\" x=\"{}\" y=\"60\">ms since firing</text>", LEFT - 8));
    draw(format_args!("<text class=\"s\" x=\"{console}\" y=\"60\">console, where the kernel stored it</text>"));
    for (cpu, lane) in &lanes {
        let x = LEFT + lane * LANE + 8;
        draw(format_args!("<text class=\"b\" x=\"{x}\" y=\"60\">CPU {cpu}</text>"));
        draw(format_args!("<path class=\"lane\" d=\"M{x} {TOP}V{bottom}\"/>"));
    }
    for (index, entry) in entries.iter().enumerate() {
        let (y, text_y) = (y(index), y(index) + 4);
        match entry {
            Entry::Step { ns, cpu, depth, label, end } => {
                let indent = (*depth).min(8) * INDENT;
                let x = LEFT + lanes.get(cpu).copied().unwrap_or(0) * LANE + 8 + indent;
                let time = milliseconds(*ns);
                draw(format_args!("<text class=\"s e mono\" x=\"{}\" y=\"{text_y}\">{time}</text>", LEFT - 8));
                if let Some(end) = end {
                    let height = (end - index) * ROW;
                    draw(format_args!(
                        "<rect class=\"span\" x=\"{}\" y=\"{y}\" width=\"6\" height=\"{height}\" rx=\"3\"/>",
                        x - 3
                    ));
                }
                draw(format_args!("<circle class=\"dot\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>"));
                let label = escaped(&clipped(label, 60));
                draw(format_args!(
                    "<text class=\"mono halo\" font-size=\"11\" x=\"{}\" y=\"{text_y}\">{label}</text>",
                    x + 8
                ));
            }
            Entry::Line(said) => {
                let said = escaped(&clipped(said, CONSOLE_WIDTH));
                draw(format_args!(
                    "<text class=\"s mono line\" x=\"{console}\" y=\"{text_y}\" xml:space=\"preserve\">{said}</text>"
                ));
            }
            Entry::Gap(ns) => {
                let pause = duration(*ns);
                draw(format_args!("<path class=\"gap\" d=\"M{LEFT} {y}H{console}\"/>"));
                draw(format_args!("<text class=\"s e gap-text\" x=\"{}\" y=\"{text_y}\">{pause}</text>", LEFT - 8));
            }
        }
    }
    for (index, remark) in remarks.iter().enumerate() {
        let (y, remark) = (bottom + (index + 1) * ROW, escaped(&clipped(remark, 160)));
        draw(format_args!("<text class=\"s\" x=\"24\" y=\"{y}\">not among them: {remark}</text>"));
    }
    let description = "What each CPU was seen doing, from top to bottom.".to_owned();
    Picture { look: TIMELINE_LOOK, size, title: view.title(), description, body }
}
