//! `harness explain`

use std::path::PathBuf;
use std::process::ExitCode;

use super::project::project;
use super::{Failure, Global, Output, print, print_json};
use crate::plan::{self, ParamFilter};
use crate::project::Project;
use crate::scenario::Scenario;
use crate::yaml::{self, UnknownName};

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
    let scenario = find(&project(global)?, &arguments.scenario)?;
    let points = plan::points(&scenario, &arguments.param)?;
    if let Some(explanation) = scenario.explain(&points, arguments.seed) {
        match global.format {
            Output::Text => print(&explanation.to_string())?,
            Output::Json => print_json(&explanation)?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The scenario called `name`. Nothing is wrong with it if something is with another file.
fn find(project: &Project, name: &str) -> Result<Scenario, Failure> {
    let files = yaml::files(&project.scenarios())?;
    let stem = |path: &PathBuf| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(path) = files.iter().find(|path| stem(path) == name) else {
        let known: Vec<String> = files.iter().map(stem).collect();
        return Err(UnknownName::new("scenario", name, known.iter().map(String::as_str)).into());
    };
    Ok(Scenario::load(path)?)
}
