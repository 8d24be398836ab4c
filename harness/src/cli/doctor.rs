//! `harness doctor`, and the preflight of every command that starts guests.

use std::process::ExitCode;

use super::project::{host_options, project};
use super::{Failure, Global, HOST, Output, print, print_json};
use crate::guest::{Accelerator, Time};
use crate::preflight::{self, Consent, Finding, InstallError, Options, Report, Situation, Status};
use crate::session::machine;
use crate::tracer::{NoTracer, Tracer};

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
    let options = host_options(global, &project);
    let mut report = preflight::check(&options).await;
    if arguments.install && report.status() == Status::Fail {
        report = install(&options, report, arguments.yes).await?;
    }
    if let Ok((machine, _)) = machine(&report, Accelerator::Tcg, Time::Real) {
        report.findings.push(tracing(&Tracer::find(&project, project.cache(), &machine).await));
    }
    match global.format {
        Output::Json => print_json(&report)?,
        Output::Text => print(&format!("{}\n", report.to_string().trim_end()))?,
    }
    Ok(if report.status() == Status::Fail { ExitCode::from(HOST) } else { ExitCode::SUCCESS })
}

/// Whether guests can be traced. If not, that is only a warning: trials are run without timelines.
fn tracing(found: &Result<Tracer, NoTracer>) -> Finding {
    let (status, detail) = match found {
        Ok(tracer) => (Status::Ok, format!("QEMU loads the tracer; {} steps are looked for", tracer.set.steps.len())),
        Err(why) => (Status::Warn, format!("there will be no timelines: {why}")),
    };
    Finding { id: "tracing".to_owned(), title: "tracing".to_owned(), status, detail, mend: None, packages: Vec::new() }
}

/// Installs what failed because a package is missing, and checks again. What packages do not mend stays in the report.
pub async fn install(options: &Options, report: Report, yes: bool) -> Result<Report, Failure> {
    let consent = Situation::of_this_process(yes).consent();
    if consent == Consent::Given
        && let Some(plan) = preflight::plan(&options.host, &report)
    {
        eprintln!("installing what is missing:\n  {plan}");
    }
    match preflight::install(&options.host, &report, consent, preflight::ask_at_terminal).await {
        Ok(_) => Ok(preflight::check(options).await),
        Err(InstallError::NothingToInstall) => Ok(report),
        Err(error) => Err(Failure::host(error)),
    }
}
