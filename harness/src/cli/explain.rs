//! `harness explain`

use std::process::ExitCode;

use super::project::catalogue;
use super::{Failure, Global, Output, print, print_json};
use crate::plan::{self, ParamFilter};
use crate::report::Explanation;

/// Tell in plain English what a scenario does.
///
/// What will happen on each CPU and when, what must meet for a trial to count, what is asserted and expected, and what
/// kernel it needs. Of a sweep the first point that is meant is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness explain panic-during-oops-dump --param hold=1500ms")]
pub struct Arguments {
    /// The scenario
    scenario: String,
    /// The value of a parameter (repeatable); the first point that has them all is told
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<ParamFilter>,
    /// The seed of a trial: tell what it draws, instead of from what it may
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let catalogue = catalogue(global)?;
    let scenario = catalogue.scenario(&arguments.scenario)?;
    let points = plan::points(scenario, &arguments.param)?;
    if let Some(explanation) = Explanation::of(scenario, &points, arguments.seed) {
        match global.format {
            Output::Text => print(&explanation.to_string())?,
            Output::Json => print_json(&explanation)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}
