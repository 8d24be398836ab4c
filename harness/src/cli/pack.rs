//! `harness pack`, and the parts of the harness's own that packages have.

use std::path::PathBuf;
use std::process::ExitCode;

use super::project::{catalogue, events, project};
use super::{Failure, Global, print};
use crate::session::{self, Cancellation};
use crate::{pack, parts};

/// Put all that a suite needs but QEMU into a file.
///
/// It has the suite's kernels, which are built, the guest's agent, the tracer, and the project's files. `harness run --pack
/// FILE` then needs neither a compiler nor a kernel's source.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness pack quick -o quick.pack\n  harness run --pack quick.pack")]
pub struct Arguments {
    /// The suite
    suite: String,
    /// The file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Build the guest's agent and the tracer for every QEMU, for a package of the harness.
#[derive(Debug, clap::Args)]
pub struct PartsArguments {
    /// Where to
    folder: PathBuf,
}

pub async fn main(global: &Global, arguments: Arguments) -> Result<ExitCode, Failure> {
    let (catalogue, events, cancellation) = (catalogue(global)?, events(), Cancellation::listen()?);
    let Arguments { suite, output } = arguments;
    let names = catalogue.suite(&suite)?.selection(&catalogue.known())?.kernels;
    let kernels = session::kernels_to_pack(&catalogue, &names, &events, &cancellation).await?;
    let (project, file) = (catalogue.project, output.clone());
    let writing = tokio::task::spawn_blocking(move || pack::write(&project, &suite, &kernels, &file));
    let bytes = cancellation.unless("the pack was being written", writing).await?.map_err(Failure::host)??;
    print(&format!("{}  {} MiB\n", output.display(), bytes >> 20))?;
    Ok(ExitCode::SUCCESS)
}

pub fn parts(global: &Global, arguments: &PartsArguments) -> Result<ExitCode, Failure> {
    let project = project(global)?;
    parts::build_all(&project, project.cache(), &arguments.folder).map_err(Failure::host)?;
    Ok(ExitCode::SUCCESS)
}
