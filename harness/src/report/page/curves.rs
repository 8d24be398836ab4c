//! Curves: along each parameter that is a time, for each channel of which the share changes.

use std::collections::BTreeSet;

use minijinja::Value;
use serde::Serialize;

use super::super::curve::{Curve, CurveOf};
use super::Room;
use crate::model::{Channel, ParamValue};
use crate::results::Summary;
use crate::scenario::duration;
use crate::text::shell_word;

/// Curves that are drawn, at most.
const MOST: usize = 12;

/// Bytes of one of them: what has more has more points than can be told apart.
const MOST_BYTES: usize = 64 << 10;

/// The curves of a run.
#[derive(Debug, Default, Serialize)]
pub(super) struct Curves {
    /// Pictures, each with the channel and scenario in its title.
    pub drawn: Vec<Value>,
    /// Channels that had the same share all along, a line for each scenario and parameter.
    pub flat: Vec<String>,
    /// Commands by which those are drawn that are not.
    pub left_out: Vec<String>,
}

/// The curves of all scenarios that sweep a time.
pub(super) fn curves(summary: &Summary, room: &mut Room) -> Curves {
    let mut curves = Curves::default();
    for (scenario, x) in times(summary) {
        let mut flat = Vec::new();
        for channel in summary.channels() {
            let of = CurveOf { scenario, x, channel, variants: &[] };
            let Ok(curve) = Curve::of(summary, &of, |_| true) else { continue };
            match level(&curve) {
                Level::Nothing => {}
                Level::Flat => flat.push(channel.name()),
                Level::Changes => {
                    let number = curves.drawn.len();
                    let picture = curve.picture().ok().map(|picture| picture.part(&format!("curve{number}-")));
                    let fits =
                        |picture: &String| number < MOST && picture.len() <= MOST_BYTES && room.take(picture.len());
                    match picture.filter(fits) {
                        Some(picture) => curves.drawn.push(Value::from_safe_string(picture)),
                        None => curves.left_out.push(command(summary, scenario, x, channel)),
                    }
                }
            }
        }
        if !flat.is_empty() {
            curves.flat.push(format!("{scenario} along {x}: no change in {}", flat.join(", ")));
        }
    }
    curves
}

/// Scenarios and their parameters that are times with more than one value, in the plan's order.
fn times(summary: &Summary) -> Vec<(&str, &str)> {
    let mut swept: Vec<((&str, &str), BTreeSet<&ParamValue>)> = Vec::new();
    for cell in &summary.cells {
        for (name, value) in &cell.key.params {
            let place = (cell.key.scenario.as_str(), name.as_str());
            match swept.iter_mut().find(|(known, _)| *known == place) {
                Some((_, values)) => drop(values.insert(value)),
                None => swept.push((place, BTreeSet::from([value]))),
            }
        }
    }
    let is_time = |value: &&ParamValue| matches!(value, ParamValue::Text(text) if duration(text).is_some());
    swept.retain(|(_, values)| values.len() > 1 && values.iter().all(is_time));
    swept.into_iter().map(|(place, _)| place).collect()
}

enum Level {
    /// Nothing counted.
    Nothing,
    /// All points of all lines have the same share.
    Flat,
    Changes,
}

fn level(curve: &Curve) -> Level {
    let points = curve.series.iter().flat_map(|series| &series.points);
    let mut shares = points.filter_map(|point| point.share.share());
    match shares.next() {
        None => Level::Nothing,
        // Whole trials: equal shares are equal numbers, or of so many that the eye does not tell.
        Some(first) if shares.all(|share| (share - first).abs() < 1e-9) => Level::Flat,
        Some(_) => Level::Changes,
    }
}

fn command(summary: &Summary, scenario: &str, x: &str, channel: Channel) -> String {
    let [run, scenario, x] = [summary.run_id.as_str(), scenario, x].map(shell_word);
    format!("harness curve {run} --scenario {scenario} --x {x} --channel {channel} --as svg")
}
