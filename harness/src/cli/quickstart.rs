//! `harness quickstart`

use std::process::ExitCode;
use std::time::Instant;

use super::options::TrialArguments;
use super::page::PageArguments;
use super::project::{catalogue, host_options, session_on};
use super::{Failure, Global, outcome};
use crate::preflight::{self, Status};
use crate::session::Request;
use crate::text::seconds;

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
    trials_as: TrialArguments,
}

/// The suite that is run.
const SUITE: &str = "quick";

pub async fn main(global: &Global, arguments: Arguments) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let catalogue = catalogue(global)?;
    let mut selection = catalogue.suite(SUITE)?.selection(&catalogue.known())?;
    if let Some(trials) = arguments.trials {
        selection.trials = trials;
    }
    eprintln!(
        "1/3 preflight: can this machine build kernels and crash guests?\n\
         On a fresh machine with 2 processors the whole takes about 10 minutes, a second time about 2."
    );
    let options = host_options(global, &catalogue.project);
    let mut report = preflight::check(&options).await;
    if report.status() == Status::Fail {
        report = preflight::mended(&options, report, arguments.yes).await.map_err(Failure::host)?;
    }
    if report.status() == Status::Fail {
        return Err(Failure::host(format!("this machine is not ready:\n{report}")));
    }
    for finding in report.findings.iter().filter(|finding| finding.status == Status::Warn) {
        eprintln!("    {}: {}", finding.title, finding.detail);
    }
    eprintln!("2/3 kernels, guests and trials: suite {SUITE}");
    let session = session_on(global, catalogue, arguments.trials_as.options(), &report).await?;
    let request = Request { selection: &selection, suite: Some(SUITE), shard: None, until: None };
    let outcome = session.run(request).await?;
    eprintln!("3/3 results, after {}", seconds(began.elapsed()));
    outcome::print(&outcome, global)?;
    PageArguments::among_the_results(&outcome.run).write(&outcome.run, None, global.format)?;
    // What the variants lose is what the suite is there to show, so it is no failure here.
    Ok(outcome::infra_code(&outcome))
}
