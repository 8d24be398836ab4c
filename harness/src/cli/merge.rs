//! `harness merge`

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use super::page::PageArguments;
use super::project::{project, results};
use super::reports::ReportArguments;
use super::{Failure, Global, outcome};
use crate::results::{MergeError, Parts, Run};
use crate::session::{Recorded, RunOutcome, command_line, write_reports};

/// Join the runs of a plan's shards into one.
///
/// They may come from several machines, but must be made from the same inputs. The result is a run like any other.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness merge shards/*/2*-*")]
pub struct Arguments {
    /// The runs: their folders, or their ids
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<String>,
    #[command(flatten)]
    reported: ReportArguments,
    #[command(flatten)]
    page: PageArguments,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let options = arguments.reported.options()?;
    let results = results(global, &project(global)?);
    let open = |name: &String| {
        let folder = Path::new(name);
        if folder.is_dir() { Run::open(folder) } else { Run::find(&results, name) }
    };
    let runs = arguments.runs.iter().map(open).collect::<Result<_, _>>().map_err(MergeError::Read)?;
    let parts = Parts::read(runs)?;
    let merged = parts.merge(&results, SystemTime::now(), command_line())?;
    let Recorded { summary, judged, known, .. } = write_reports(merged.run(), merged.info(), merged.place(), &options)?;
    let run = merged.publish()?;
    let (planned, finished) = (parts.planned(), parts.recorded());
    let merged = RunOutcome { run, summary, judged, known, planned, finished, failed: false };
    arguments.reported.tell(&merged, global)?;
    arguments.page.write(&merged.run, arguments.reported.known()?, global.format)?;
    if let Some(missing) = parts.missing_shards() {
        eprintln!("missing: {missing}");
    }
    Ok(outcome::exit_code(&merged))
}

impl From<MergeError> for Failure {
    /// Runs that do not belong together, or cannot be read: 2. The merged run cannot be written: 3.
    fn from(error: MergeError) -> Self {
        let hint = error.hint().map(|hint| format!("\n\nhint: {hint}")).unwrap_or_default();
        let message = format!("{error}{hint}");
        if matches!(error, MergeError::Write(_)) { Self::host(message) } else { Self::input(message) }
    }
}
