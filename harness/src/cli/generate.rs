//! What is made from the program's own definitions: schemas, completions, manual pages.

use std::path::PathBuf;
use std::process::ExitCode;

use super::{Failure, print_json};
use crate::{known, plan, scenario};

/// Which files' schema.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Scenario,
    Suite,
    Known,
}

/// Print the JSON Schema of scenario files, of suites, or of lists of known failures.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness schema scenario > scenario.schema.json")]
pub struct SchemaArguments {
    /// Of which files
    #[arg(value_enum, default_value = "scenario")]
    kind: Kind,
}

/// Print a completion script.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness completions bash > /etc/bash_completion.d/harness")]
pub struct CompletionArguments {
    /// For which shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Write the manual pages.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness man /usr/local/share/man/man1")]
pub struct ManArguments {
    /// Where to
    folder: PathBuf,
}

pub fn schema(arguments: &SchemaArguments) -> Result<ExitCode, Failure> {
    let schema = match arguments.kind {
        Kind::Scenario => scenario::schema(),
        Kind::Suite => plan::schema(),
        Kind::Known => known::schema(),
    };
    print_json(&schema)?;
    Ok(ExitCode::SUCCESS)
}

pub fn completions(arguments: &CompletionArguments, command: &mut clap::Command) -> ExitCode {
    clap_complete::generate(arguments.shell, command, "harness", &mut std::io::stdout());
    ExitCode::SUCCESS
}

pub fn man(arguments: &ManArguments, command: clap::Command) -> Result<ExitCode, Failure> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(command, folder))
        .map_err(|e| Failure::host(format!("write manual pages to {}: {e}", folder.display())))?;
    Ok(ExitCode::SUCCESS)
}
