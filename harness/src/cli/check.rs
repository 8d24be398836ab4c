//! `harness check`

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::project::catalogue;
use super::{BAD_INPUT, Failure, Global, Output, print, print_json};
use crate::check::{self, Checked, Problem};
use crate::text::plural;

/// Check the files that users write, for editors and CI.
///
/// Scenarios, suites, variants, bases, axes and sets of probes: all of the project's, or those named, wherever they are.
/// Every problem is listed, with its line, and as a warning what may be one. Nothing is built or run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 no problem; 2 a problem, or bad usage.\n\nExamples:\n  harness check\n  \
                  harness check scenarios/panic-alone.yaml --format json")]
pub struct Arguments {
    /// The files [default: all of the project's]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let catalogue = catalogue(global)?;
    let Checked { files, problems, warnings } = match arguments.files.as_slice() {
        [] => check::project(&catalogue),
        files => check::files(&catalogue, files),
    };
    match global.format {
        Output::Json => {
            let problems: Vec<Problem> = problems.iter().map(Problem::from).collect();
            let warnings: Vec<Problem> = warnings.iter().map(Problem::from).collect();
            print_json(&json!({"files": files, "problems": problems, "warnings": warnings}))?;
        }
        Output::Text => {
            for problem in &problems {
                print(&format!("{problem}\n\n"))?;
            }
            for warning in &warnings {
                print(&format!("warning: {warning}\n\n"))?;
            }
            let (files, found) = (plural(files, "file"), plural(problems.len(), "problem"));
            print(&format!("{files} checked: {}\n", if problems.is_empty() { "no problem" } else { &found }))?;
        }
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(BAD_INPUT) })
}
