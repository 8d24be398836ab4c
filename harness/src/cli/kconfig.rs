//! `harness kconfig`

use std::path::PathBuf;
use std::process::ExitCode;

use super::project::project;
use super::{BAD_INPUT, Failure, Global, Output, print, print_json};
use crate::kernel;
use crate::report::{lacking_text, required_text};

/// Tell what the harness needs of a kernel's configuration.
///
/// Where kernels are built by a configuration of yours (`--kconfig`) it goes over that.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes of --check: 0 it has all that is needed; 2 it lacks something, or bad usage.\n\nExamples:\n  \
                  harness kconfig --required > needed.config\n  harness kconfig --check /boot/config-6.12.48+deb13-amd64"
)]
#[group(required = true, multiple = false)]
pub struct Arguments {
    /// Print it as a fragment, with the reason of each option
    #[arg(long)]
    required: bool,
    /// Say what this configuration lacks of it
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let project = project(global)?;
    let Some(file) = &arguments.check else {
        let required = kernel::required(&project)?;
        match global.format {
            Output::Json => print_json(&required)?,
            Output::Text => print(&required_text(&required))?,
        }
        return Ok(ExitCode::SUCCESS);
    };
    let lacking = kernel::lacking(&project, file)?;
    match global.format {
        Output::Json => print_json(&lacking)?,
        Output::Text => print(&lacking_text(&file.display().to_string(), &lacking))?,
    }
    Ok(if lacking.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(BAD_INPUT) })
}
