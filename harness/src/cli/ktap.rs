//! `harness report ktap`

use std::process::ExitCode;

use super::project::{project, results};
use super::reports::KnownArguments;
use super::{Failure, Global, print};
use crate::report::ktap;
use crate::results::{LATEST, Run};
use crate::session::Recorded;

/// Write a run as KTAP, the kernel's own form of test results.
///
/// A subtest for each variant and scenario, in it a test for each cell and channel. `tools/testing/kunit/kunit.py parse` of a kernel's
/// source reads it. The exit code is 0, whatever the results.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  harness report ktap latest > run.ktap\n  linux/tools/testing/kunit/kunit.py parse $PWD/run.ktap"
)]
pub struct Arguments {
    /// The run: its id, `latest`, or a path with a `/`
    #[arg(default_value = LATEST)]
    run: String,
    #[command(flatten)]
    known: KnownArguments,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let run = Run::find(&results(global, &project(global)?), &arguments.run)?;
    print(&ktap(&Recorded::read(run, arguments.known.list()?)?.reported()))?;
    Ok(ExitCode::SUCCESS)
}
