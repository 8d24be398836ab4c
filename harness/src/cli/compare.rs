//! `harness compare`

use std::process::ExitCode;

use serde::Serialize;

use super::project::{project, results};
use super::reports::MarkdownArguments;
use super::{FOUND, Failure, Global, Output, print, print_json};
use crate::compare::{Column, Comparison, Evidence, Options, SCHEMA_VERSION, Side, compare};
use crate::report::{Format, compare_table};
use crate::results::LATEST;
use crate::timeline::{Difference, differences_text, tallied};

/// Compare two columns of cells.
///
/// Each side is one variant's cells of one run: `VARIANT`, of the run that --run names; `RUN:VARIANT`; or `RUN` alone, if
/// that has one variant. A variant that the run has on several bases is `VARIANT@BASE`. A run is its id, `latest`, or the
/// path of its folder, with a `/`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  harness compare stock kmsg-dump-before-stop\n  \
                  harness compare --run 20261122-050607-00ab stock kmsg-dump-before-stop\n  \
                  harness compare stock@6.1 stock@6.12\n  harness compare baselines/november:stock latest:stock")]
pub struct Arguments {
    /// What the candidate is compared with: VARIANT, VARIANT@BASE, RUN:VARIANT or RUN
    base: String,
    /// What may have got better or worse: VARIANT, VARIANT@BASE, RUN:VARIANT or RUN
    candidate: String,
    /// The run of the sides that name none: its id, `latest`, or a path with a `/`
    #[arg(long, value_name = "RUN", default_value = LATEST)]
    run: String,
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
    #[command(flatten)]
    markdown: MarkdownArguments,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let results = results(global, &project(global)?);
    let base = Side::parse(&arguments.base)?.or_run(&arguments.run).load(&results)?;
    let candidate = Side::parse(&arguments.candidate)?.or_run(&arguments.run).load(&results)?;
    base.fits(&candidate)?;
    let sequential = arguments.sequential || base.sequential || candidate.sequential;
    let evidence = if sequential { Evidence::Sequential } else { Evidence::Fixed };
    let options = Options { alpha: arguments.alpha, margin: arguments.margin, evidence };
    let compared = Compared::of(&base, &candidate, options)?;
    if !arguments.markdown.write(|| Ok(compared.markdown(&base, &candidate)))? {
        compared.print(&base, &candidate, global)?;
    }
    Ok(if compared.comparison.regressed() { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

/// Two columns, compared.
pub struct Compared {
    /// The channels' counts.
    pub comparison: Comparison,
    /// The orders of the points that both sides have timelines of.
    pub orders: Vec<Difference>,
}

impl Compared {
    /// Compares both.
    pub fn of(base: &Column, candidate: &Column, options: Options) -> Result<Self, Failure> {
        let comparison = compare(&base.cells, &candidate.cells, options)?;
        Ok(Self { comparison, orders: differences(base, candidate)? })
    }

    /// Prints what came of it.
    pub fn print(&self, base: &Column, candidate: &Column, global: &Global) -> Result<(), Failure> {
        let Self { comparison, orders } = self;
        match global.format {
            Output::Json => print_json(&Shown { schema_version: SCHEMA_VERSION, comparison, orders }),
            Output::Text => {
                let table = compare_table(comparison, &base.to_string(), &candidate.to_string(), global.table());
                print(&(table + &differences_text(orders)))
            }
        }
    }

    fn markdown(&self, base: &Column, candidate: &Column) -> String {
        let Self { comparison, orders } = self;
        let table = compare_table(comparison, &base.to_string(), &candidate.to_string(), Format::Markdown);
        match differences_text(orders).trim() {
            "" => table,
            orders => format!("{table}\n```\n{orders}\n```\n"),
        }
    }
}

/// What is shown: the channels' counts, and the order of steps where there are timelines.
#[derive(Serialize)]
struct Shown<'a> {
    schema_version: u32,
    #[serde(flatten)]
    comparison: &'a Comparison,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    orders: &'a [Difference],
}

/// The orders of the points that both sides have timelines of.
fn differences(base: &Column, candidate: &Column) -> Result<Vec<Difference>, Failure> {
    let (base, candidate) = (tallied(base, |_| true)?, tallied(candidate, |_| true)?);
    let mut differences = Vec::new();
    for (point, base) in base {
        let other = candidate.iter().find(|(other, _)| *other == point).and_then(|(_, other)| other.order.as_ref());
        if let (Some(base), Some(candidate)) = (base.order, other) {
            differences.push(Difference::of(point, &base, candidate));
        }
    }
    Ok(differences)
}
