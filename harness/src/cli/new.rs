//! `harness new`

use std::process::ExitCode;

use super::project::project;
use super::{Failure, Global, print};
use crate::new::{Kind, make, own};

/// Begin a scenario or a variant as a copy of another one.
///
/// Without a project at or above this folder, a copy of the one inside the program is put here first.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness new scenario my-crash --from panic-during-oops-dump")]
pub struct Arguments {
    /// What
    #[arg(value_enum)]
    kind: Kind,
    /// Its name
    name: String,
    /// What it is a copy of [default: panic-alone, stock]
    #[arg(long, value_name = "NAME")]
    from: Option<String>,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let here = std::env::current_dir().map_err(|e| Failure::host(format!("find the current folder: {e}")))?;
    let Arguments { kind, name, from } = arguments;
    let project = own(project(global)?, &here)?;
    let file = make(&project, *kind, name, from.as_deref().unwrap_or(kind.model()))?;
    print(&format!("{}\n", file.display()))?;
    Ok(ExitCode::SUCCESS)
}
