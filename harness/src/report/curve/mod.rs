//! The share of the good outcome against a parameter of the sweep.
//!
//! ```text
//! Summary ─> Curve::of ─┬─> csv
//!                       ├─> text    a table
//!                       └─> picture
//! ```

mod picture;
#[cfg(test)]
mod tests;
mod text;

use std::collections::HashMap;

use serde::{Serialize, Serializer};

pub use self::picture::CURVE_LOOK;

use crate::model::assignments;
use crate::model::{CellKey, Channel, ParamValue, Params};
use crate::results::{CellSummary, Summary};
use crate::scenario;
use crate::stats::{Interval, Proportion};
use crate::svg::Picture;
use crate::yaml::UnknownName;

/// How a channel's share changes along a parameter: a line for each variant and combination of the other parameters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// The scenario.
    pub scenario: String,
    /// The parameter along which it goes.
    pub x: String,
    /// The unit of `x`: `ms`, or nothing.
    pub unit: &'static str,
    /// The channel.
    pub channel: Channel,
    /// The lines, in the plan's order.
    pub series: Vec<Series>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    /// Variant and values of the other parameters.
    pub name: String,
    /// By `x`. Points that were skipped or never run are not there.
    pub points: Vec<CurvePoint>,
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CurvePoint {
    /// The parameter's value: a number, or milliseconds.
    pub x: f64,
    /// Trials with the good outcome, of those that counted.
    #[serde(flatten, serialize_with = "counts")]
    pub share: Proportion,
    /// The Wilson interval (95 %) of the share.
    pub ci95: Interval,
}

/// What a curve is to be made of.
#[derive(Debug, Clone)]
pub struct CurveOf<'a> {
    /// The scenario.
    pub scenario: &'a str,
    /// The parameter.
    pub x: &'a str,
    /// The channel.
    pub channel: Channel,
    /// Which variants, `NAME` or `NAME@BASE`, in this order; all, in the plan's order, if none is named.
    pub variants: &'a [String],
}

/// Why there is no such curve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CurveError {
    /// A scenario, parameter or variant that is not there.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// The filters leave nothing.
    #[error("no cell of {scenario} that was asked for was run\n\nhint: choose other points with --param")]
    Nothing {
        /// The scenario.
        scenario: String,
    },
    /// What has no place on an axis.
    #[error(
        "`{x}` has the value `{value}`, which is neither a number nor a time like the others\n\n\
         hint: leave it out with --param, or choose another parameter"
    )]
    NoNumber {
        /// The parameter.
        x: String,
        /// Its value.
        value: String,
    },
    /// More than can be told apart.
    #[error("{lines} lines are too many for a picture\n\nhint: choose some with --variant and --param")]
    TooMany {
        /// How many.
        lines: usize,
    },
}

impl Curve {
    /// The curve of those cells that are `wanted`.
    pub fn of(summary: &Summary, of: &CurveOf, wanted: impl Fn(&CellKey) -> bool) -> Result<Self, CurveError> {
        let CurveOf { scenario, x, channel, variants } = *of;
        let cells: Vec<&CellSummary> = summary.cells.iter().filter(|cell| cell.key.scenario == scenario).collect();
        if cells.is_empty() {
            let known = names(summary.cells.iter().map(|cell| cell.key.scenario.clone()));
            return Err(unknown("scenario", scenario, &known).of(&summary.run_id).into());
        }
        let parameters = names(cells.iter().flat_map(|cell| cell.key.params.keys().cloned()));
        if !parameters.iter().any(|known| known == x) {
            return Err(unknown("parameter", x, &parameters).of(scenario).into());
        }
        for variant in variants {
            if !cells.iter().any(|cell| is(&cell.key, variant)) {
                let known = names(cells.iter().map(|cell| cell.key.variant.clone()));
                return Err(unknown("variant", variant, &known).of(&summary.run_id).into());
            }
        }
        let place = |cell: &CellSummary| variants.iter().position(|variant| is(&cell.key, variant));
        let mut cells: Vec<&CellSummary> = cells
            .into_iter()
            .filter(|cell| wanted(&cell.key) && cell.skipped.is_none())
            .filter(|cell| variants.is_empty() || place(cell).is_some())
            .collect();
        cells.sort_by_key(|cell| place(cell));

        let mut values = Vec::new();
        for cell in &cells {
            let Some(value) = cell.key.params.get(x) else { continue };
            values.push((value, number(value)));
        }
        let unit = values.first().and_then(|(_, number)| number.map(|(_, unit)| unit)).unwrap_or_default();
        for (value, number) in values {
            if number.is_none_or(|(_, of)| of != unit) {
                return Err(CurveError::NoNumber { x: x.to_owned(), value: value.to_string() });
            }
        }
        let several_bases = cells.iter().any(|cell| cell.key.base != cells[0].key.base);
        let mut series: Vec<Series> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for cell in &cells {
            let Some((at, _)) = cell.key.params.get(x).and_then(number) else { continue };
            let counts = cell.channel(channel);
            let share = counts.good();
            let name = line_name(&cell.key, x, several_bases);
            let place = *places.entry(name.clone()).or_insert(series.len());
            if place == series.len() {
                series.push(Series { name, points: Vec::new() });
            }
            series[place].points.push(CurvePoint { x: at, share, ci95: counts.ci95() });
        }
        if series.is_empty() {
            return Err(CurveError::Nothing { scenario: scenario.to_owned() });
        }
        for Series { points, .. } in &mut series {
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
        }
        Ok(Self { scenario: scenario.to_owned(), x: x.to_owned(), unit, channel, series })
    }

    /// Comma-separated values: `x,series,n,good,share,lo,hi`. Where nothing counted there is no share.
    pub fn csv(&self) -> String {
        text::csv(self)
    }

    /// A table for people: a row for each value of `x`, a column for each line.
    pub fn text(&self) -> String {
        text::table(self)
    }

    /// A picture; an error, if there are more lines than can be told apart.
    pub fn picture(&self) -> Result<Picture, CurveError> {
        picture::draw(self)
    }

    /// `hold, ms`
    fn axis(&self) -> String {
        if self.unit.is_empty() { self.x.clone() } else { format!("{}, {}", self.x, self.unit) }
    }
}

/// A value's place on the axis, and the unit; none if it has no place.
fn number(value: &ParamValue) -> Option<(f64, &'static str)> {
    match value {
        // Exact up to 2^53.
        #[expect(clippy::cast_precision_loss, reason = "a place on an axis")]
        ParamValue::Number(number) => Some((*number as f64, "")),
        ParamValue::Text(text) => Some((scenario::duration(text)?.as_secs_f64() * 1e3, "ms")),
    }
}

/// What tells this cell's line from the others: its variant, its base where there are several, the other parameters.
fn line_name(key: &CellKey, x: &str, several_bases: bool) -> String {
    let variant = if several_bases { format!("{}@{}", key.variant, key.base) } else { key.variant.clone() };
    let others: Params =
        key.params.iter().filter(|(name, _)| *name != x).map(|(n, v)| (n.clone(), v.clone())).collect();
    format!("{variant} {}", assignments(&others)).trim_end().to_owned()
}

fn is(key: &CellKey, variant: &str) -> bool {
    variant == key.variant
        || variant.strip_prefix(&*key.variant).and_then(|rest| rest.strip_prefix('@')) == Some(&*key.base)
}

fn unknown(kind: &'static str, name: &str, known: &[String]) -> UnknownName {
    UnknownName::new(kind, name, known.iter().map(String::as_str))
}

/// Each once, in the order of their first appearance.
fn names(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut names = Vec::new();
    for name in all {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn counts<S: Serializer>(share: &Proportion, to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Counts {
        n: u32,
        good: u32,
        share: Option<f64>,
    }
    Counts { n: share.of(), good: share.hits(), share: share.share() }.serialize(to)
}
