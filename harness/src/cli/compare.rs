//! `harness compare`

use std::process::ExitCode;

use super::context::{project, results};
use super::failure::FOUND;
use super::{Failure, Global, Output, print, print_json};
use crate::compare::{Evidence, Options, Side, compare};
use crate::report::{Format, compare_table};

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
    /// Use figures that hold however often one looked: for runs that were prolonged or stopped because of what they showed
    /// [default: if one of the runs was made with --until]
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
    match global.format {
        Output::Json => print_json(&comparison)?,
        Output::Text => print(&compare_table(
            &comparison,
            &base.to_string(),
            &candidate.to_string(),
            Format::Text { colour: false },
        ))?,
    }
    Ok(if comparison.regressed() { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}
