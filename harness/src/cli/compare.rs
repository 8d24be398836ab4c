//! `harness compare`

use std::process::ExitCode;

use serde::Serialize;

use super::project::{project, results};
use super::{FOUND, Failure, Global, Output, order, print, print_json};
use crate::compare::{Column, Comparison, Evidence, Options, Side, compare};
use crate::report::{Format, compare_table};
use crate::timeline::{Difference, differences_text};

/// Compare two columns of cells.
///
/// Each side is `VARIANT` (of the latest run), `RUN`, or `RUN:VARIANT`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness compare stock kmsg-dump-before-stop")]
pub struct Arguments {
    /// What the candidate is compared with
    base: String,
    /// What may have got better or worse
    candidate: String,
    /// The false discovery rate over all cells below which a difference is a verdict
    #[arg(long, default_value_t = Options::default().alpha, value_name = "RATE")]
    alpha: f64,
    /// Shares that differ by less are the same
    #[arg(long, default_value_t = Options::default().margin, value_name = "SHARE")]
    margin: f64,
    /// Use figures that hold however often one looked: for runs that were prolonged or stopped because of what they
    /// showed [default: if one of the runs was made with --until]
    #[arg(long)]
    sequential: bool,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let results = results(global, &project(global)?);
    let base = Side::parse(&arguments.base)?.load(&results)?;
    let candidate = Side::parse(&arguments.candidate)?.load(&results)?;
    let sequential = arguments.sequential || base.sequential || candidate.sequential;
    let evidence = if sequential { Evidence::Sequential } else { Evidence::Fixed };
    let options = Options { alpha: arguments.alpha, margin: arguments.margin, evidence };
    let comparison = compare(&base.cells, &candidate.cells, options)?;
    let orders = differences(&base, &candidate)?;
    match global.format {
        Output::Json => print_json(&Shown { comparison: &comparison, orders: &orders })?,
        Output::Text => {
            let format = Format::Text { colour: false };
            let table = compare_table(&comparison, &base.to_string(), &candidate.to_string(), format);
            print(&(table + &differences_text(&orders)))?;
        }
    }
    Ok(if comparison.regressed() { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

/// What is shown: the channels' counts, and the order of steps where there are timelines.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    comparison: &'a Comparison,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    orders: &'a [Difference],
}

/// The orders of the points that both sides have timelines of.
fn differences(base: &Column, candidate: &Column) -> Result<Vec<Difference>, Failure> {
    let (base, candidate) = (order::read(base, |_| true)?, order::read(candidate, |_| true)?);
    let mut differences = Vec::new();
    for (point, base) in base {
        let other = candidate.iter().find(|(other, _)| *other == point).and_then(|(_, other)| other.order.as_ref());
        if let (Some(base), Some(candidate)) = (base.order, other) {
            differences.push(Difference::of(point, &base, candidate));
        }
    }
    Ok(differences)
}
