//! A trial's timeline as text of 120 columns.

use super::view::{Entry, View, duration};
use crate::text::{clipped, milliseconds};

const WIDTH: usize = 120;
/// Where the lanes begin.
const LANES_AT: usize = 13;
/// A lane narrower than this has no room for its heading.
const HEADING: usize = 8;

/// A column for each CPU, milliseconds since firing at the left, the console's lines between.
pub fn timeline_text(view: &View) -> String {
    let lanes = view.lanes();
    let width = ((WIDTH - LANES_AT) / lanes.len().max(1)).max(1);
    let mut text = view.title();
    text += "\n\n";
    if width >= HEADING {
        let heading: Vec<String> = lanes.keys().map(|cpu| format!("{:width$}", format!("CPU {cpu}"))).collect();
        line(&mut text, &format!("{:>10}   {}", "ms", heading.concat()));
    } else {
        line(&mut text, &format!("{:>10}   CPU", "ms"));
    }
    for entry in view.entries() {
        line(
            &mut text,
            &match entry {
                Entry::Step { ns, cpu, depth, label, .. } => {
                    let label = if width >= HEADING { label } else { format!("{cpu}: {label}") };
                    let label = clipped(&format!("{:indent$}{label}", "", indent = 2 * depth.min(8)), WIDTH - LANES_AT);
                    // Nothing else stands on this line: what is too long for the last lanes begins further left.
                    let right = WIDTH - LANES_AT - label.chars().count();
                    let at = lanes.get(&cpu).map_or(0, |lane| lane.saturating_mul(width)).min(right);
                    format!("{:>10}   {:at$}{label}", milliseconds(ns), "")
                }
                Entry::Line(said) => format!("{:>10} | {said}", ""),
                Entry::Gap(ns) => format!("{:>10} … {} …", "", duration(ns)),
            },
        );
    }
    let remarks = view.remarks();
    if !remarks.is_empty() {
        text += "\nNot among them:\n";
        for remark in remarks {
            line(&mut text, &format!("  {remark}"));
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    text.push_str(clipped(line, WIDTH).trim_end());
    text.push('\n');
}
