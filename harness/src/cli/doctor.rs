//! `harness doctor`, and the preflight of every command that starts guests.

use std::process::ExitCode;

use super::project::{host_options, project};
use super::{Failure, Global, HOST, Output, print, print_json};
use crate::guest::{Accelerator, Time};
use crate::preflight::{self, Options, Status};
use crate::session::machine;
use crate::tracer::{Tracer, finding};

/// Check that this machine can build kernels and crash guests.
///
/// Programs are run, headers compiled, guests booted; each finding that is not in order comes with what mends it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness doctor --install")]
pub struct Arguments {
    /// Install what is missing, after saying what
    #[arg(long)]
    install: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub async fn main(global: &Global, arguments: Arguments) -> Result<ExitCode, Failure> {
    let project = project(global)?;
    let options = Options { looks_for_firmware: true, ..host_options(global, &project) };
    let mut report = preflight::check(&options).await;
    if arguments.install && report.status() != Status::Ok {
        report = preflight::mended(&options, report, arguments.yes).await.map_err(Failure::host)?;
    }
    if let Ok((machine, _)) = machine(&report, Accelerator::Tcg, Time::Real) {
        report.findings.push(finding(&Tracer::find(&project, project.cache(), &machine).await));
    }
    match global.format {
        Output::Json => print_json(&report)?,
        Output::Text => print(&format!("{}\n", report.to_string().trim_end()))?,
    }
    Ok(if report.status() == Status::Fail { ExitCode::from(HOST) } else { ExitCode::SUCCESS })
}
