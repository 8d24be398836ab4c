//! `harness quickstart`

use std::process::ExitCode;
use std::time::Instant;

use super::context::Context;
use super::execution::{self, New};
use super::progress::seconds;
use super::run::{self, How};
use super::{Failure, Global, doctor};
use crate::preflight::{self, Status};

/// Set up this machine, build three orders of `panic()`, crash them, print what was left.
///
/// What is missing is installed after saying what: at a terminal after asking, otherwise when run by root or with
/// --yes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness quickstart --yes")]
pub struct Arguments {
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
    /// Trials in each cell [default: the suite's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    trials: Option<u32>,
    #[command(flatten)]
    how: How,
}

/// The suite that is run.
const SUITE: &str = "quick";

pub async fn main(global: &Global, arguments: Arguments) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let context = Context::load(global)?;
    let mut selection = run::suite(&context, SUITE)?;
    if let Some(trials) = arguments.trials {
        selection.trials = trials;
    }
    eprintln!(
        "1/3 preflight: can this machine build kernels and crash guests?\n\
         On a fresh machine with 2 processors the whole takes about 10 minutes, a second time about 2."
    );
    let options = doctor::options(global)?;
    let mut report = preflight::check(&options).await;
    if report.status() == Status::Fail {
        report = doctor::install(&options, report, arguments.yes).await?;
    }
    if report.status() == Status::Fail {
        return Err(Failure::host(format!("this machine is not ready:\n{report}")));
    }
    for finding in report.findings.iter().filter(|finding| finding.status == Status::Warn) {
        eprintln!("    {}: {}", finding.title, finding.detail);
    }
    eprintln!("2/3 kernels, guests and trials: suite {SUITE}");
    let new = New {
        selection: &selection,
        suite: Some(SUITE),
        shard: None,
        until: None,
        how: &arguments.how,
        report: &report,
    };
    let done = execution::begin(&context, new).await?;
    eprintln!("3/3 results, after {}", seconds(began.elapsed()));
    done.print(global.format)?;
    // What the variants lose is what the suite is there to show, so it is no failure here.
    Ok(done.infra_code())
}
