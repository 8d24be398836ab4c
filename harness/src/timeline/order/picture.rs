//! Orders as an SVG picture: a column for each variant, what moves in colour.

use std::fmt::Write as _;

use super::rows::{Row, moved_keys, times};
use super::text::VariantOrder;
use crate::svg::{Look, Picture, escaped};
use crate::text::clipped;

/// Pixels: the picture's least width, a column's, the space between two, the margin, and where the boxes begin.
const WIDTH: usize = 900;
const COLUMN: usize = 220;
const SPACE: usize = 48;
const MARGIN: usize = 24;
const TOP: usize = 104;
/// Pixels: a box's own height, and that of each line within.
const BOX: usize = 24;
const LINE: usize = 15;
/// Pixels: between two boxes.
const BETWEEN: usize = 6;

/// The steps that stop the other CPUs: what is before them and what behind is what orders differ in.
const STOPS: [&str; 2] = ["smp_send_stop", "crash_smp_send_stop"];

/// What it looks like.
pub const ORDERS_LOOK: Look = Look {
    kind: "orders",
    style: "\
    .stop { fill: #ffe3d6; stroke: #bc4c00; } .stop-way { stroke: #bc4c00; }
    .moved0 { fill: #ddf4ff; stroke: #0969da; stroke-width: 2; } .moved0-way { stroke: #0969da; }
    .moved1 { fill: #fbefff; stroke: #8250df; stroke-width: 2; } .moved1-way { stroke: #8250df; }
    .moved2 { fill: #dafbe1; stroke: #1a7f37; stroke-width: 2; } .moved2-way { stroke: #1a7f37; }
    .way { fill: none; stroke-width: 2; opacity: .6; } .in { font-size: 11px; fill: #57606a; } .name { font-size: 12px; }
",
};
/// Colours for steps that move; further ones begin anew.
const COLOURS: usize = 3;

/// A step that lies in no other, with those in it.
struct Block {
    name: String,
    /// How often it comes in succession.
    times: usize,
    within: Vec<String>,
    /// Its place among the column's blocks of this name: a step may come twice.
    place: usize,
    colour: String,
    y: usize,
}

/// The orders of variants as columns; steps that do not keep their place stand out, and so does the stop of the other
/// CPUs.
pub fn orders_picture(point: &str, variants: &[VariantOrder]) -> Picture {
    let columns = columns(variants);
    let number = variants.len().max(1);
    let width = WIDTH.max(2 * MARGIN + number * COLUMN + (number - 1) * SPACE);
    let column = (width - 2 * MARGIN - (number - 1) * SPACE) / number;
    let bottom = columns.iter().flatten().map(|block| block.y + block.height()).max().unwrap_or(TOP);
    let x = |index: usize| MARGIN + index * (column + SPACE);
    // Of the monospaced fonts that are asked for none is wider than 7.3 pixels at this size.
    let room = (column - 24) * 10 / 73;

    let mut body = String::new();
    let mut draw = |element: std::fmt::Arguments| {
        // Writing to a string does not fail.
        let _ = writeln!(body, "  {element}");
    };
    let title = format!("The order of the steps: {point}");
    draw(format_args!("<text class=\"b\" x=\"{MARGIN}\" y=\"34\" font-size=\"15\">{}</text>", escaped(&title)));
    for (index, variant) in variants.iter().enumerate() {
        let (x, name) = (x(index) + column / 2, escaped(&clipped(&variant.variant, room)));
        draw(format_args!("<text class=\"m mono b\" x=\"{x}\" y=\"72\">{name}</text>"));
        draw(format_args!("<text class=\"m s\" x=\"{x}\" y=\"90\">{}</text>", variant.share()));
    }
    for (index, pair) in columns.windows(2).enumerate() {
        let [left, right] = pair else { continue };
        let (from, to) = (x(index) + column, x(index + 1));
        for block in left.iter().filter(|block| !block.colour.is_empty()) {
            let Some(other) = right.iter().find(|other| other.is(block)) else { continue };
            let (y, other_y, middle, colour) = (block.y + BOX / 2, other.y + BOX / 2, from + SPACE / 2, &block.colour);
            draw(format_args!(
                "<path class=\"way {colour}-way\" d=\"M{from} {y}C{middle} {y} {middle} {other_y} {to} {other_y}\"/>"
            ));
        }
    }
    for (index, blocks) in columns.iter().enumerate() {
        let x = x(index);
        for block in blocks {
            let (y, height) = (block.y, block.height());
            let class = if block.colour.is_empty() { "step" } else { &block.colour };
            draw(format_args!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{column}\" height=\"{height}\" rx=\"5\"/>"
            ));
            let name = escaped(&clipped(&times(&block.name, block.times), room));
            draw(format_args!("<text class=\"mono name\" x=\"{}\" y=\"{}\">{name}</text>", x + 10, y + 16));
            for (index, line) in block.within.iter().enumerate() {
                let (y, line) = (y + BOX + index * LINE + 8, escaped(&clipped(line, room)));
                draw(format_args!(
                    "<text class=\"mono in\" x=\"{}\" y=\"{y}\" xml:space=\"preserve\">{line}</text>",
                    x + 10
                ));
            }
        }
    }
    let foot = "From top to bottom, as it was seen on real guests. Colour: the stop of the other CPUs, and what moves.";
    draw(format_args!("<text class=\"s\" x=\"{MARGIN}\" y=\"{}\">{foot}</text>", bottom + 26));
    let names: Vec<&str> = variants.iter().map(|variant| variant.variant.as_str()).collect();
    let description = format!("A column for each of the variants {}, with its steps in their order.", names.join(", "));
    Picture { look: ORDERS_LOOK, size: (width, bottom + 42), title, description, body }
}

impl Block {
    fn height(&self) -> usize {
        BOX + self.within.len() * LINE + if self.within.is_empty() { 0 } else { 2 }
    }

    /// Whether it is the same step in another column.
    fn is(&self, other: &Self) -> bool {
        (&self.name, self.place) == (&other.name, other.place)
    }
}

/// The blocks of each variant, coloured, at their places.
fn columns(variants: &[VariantOrder]) -> Vec<Vec<Block>> {
    let mut columns: Vec<Vec<Block>> = variants.iter().map(|variant| blocks(&variant.rows())).collect();
    let names: Vec<Vec<String>> =
        columns.iter().map(|blocks| blocks.iter().map(|block| block.name.clone()).collect()).collect();
    // The names of what moves, in the order of their first appearance.
    let mut moving: Vec<String> = Vec::new();
    for (name, moved) in names.iter().flatten().zip(moved_keys(&names).into_iter().flatten()) {
        if moved && !moving.contains(name) {
            moving.push(name.clone());
        }
    }
    for block in columns.iter_mut().flatten() {
        let colour =
            moving.iter().position(|name| *name == block.name).map(|index| format!("moved{}", index % COLOURS));
        let stop = STOPS.contains(&block.name.as_str()).then(|| "stop".to_owned());
        block.colour = stop.or(colour).unwrap_or_default();
    }
    columns
}

fn blocks(rows: &[Row]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut y = TOP;
    for row in rows.iter().filter(|row| !row.closes) {
        match blocks.last_mut() {
            Some(block) if row.depth > 0 => {
                let name = times(&row.name, row.times);
                block.within.push(format!("{:indent$}{name}", "", indent = 2 * row.depth.min(8)));
                y += LINE + if block.within.len() == 1 { 2 } else { 0 };
            }
            _ => {
                let place = blocks.iter().filter(|block| block.name == row.name).count();
                let name = row.name.clone();
                blocks.push(Block { name, times: row.times, within: Vec::new(), place, colour: String::new(), y });
                y += BOX + BETWEEN;
            }
        }
    }
    blocks
}
