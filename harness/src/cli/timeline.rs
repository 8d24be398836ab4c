//! `harness timeline`

use std::process::ExitCode;

use serde_json::json;

use super::project::{project, results};
use super::{Failure, Global, Output, print, print_json};
use crate::evidence::{console, place_console};
use crate::results::Run;
use crate::timeline::{View, timeline_picture, timeline_text, timeline_trace};

/// More than is kept of a console.
const CONSOLE_BYTES: u32 = 4 << 20;

/// Show what each CPU was seen doing in one trial.
///
/// In text, every CPU has a column; times are milliseconds of the host's clock since the faults were fired. Lines of
/// the console stand where the kernel stored them in its log. `--format json` has every event, also those of
/// `--detail`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness timeline latest 0 --as svg > trial-0.svg")]
pub struct Arguments {
    /// The run: its id, `latest`, or a path with a `/`
    run: String,
    /// The trial's number in the run
    trial: u64,
    /// Show also what only tells how things went: messages stored, writes to the console, NMIs, watchdogs touched
    #[arg(long)]
    detail: bool,
    /// Write another form than --format knows
    #[arg(long = "as", value_enum, value_name = "FORM")]
    form: Option<Form>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    /// A picture
    Svg,
    /// Trace events, for <https://ui.perfetto.dev>
    Perfetto,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let run = Run::find(&results(global, &project(global)?), &arguments.run)?;
    let (trial, timeline) = run.traced(arguments.trial)?;
    let console = run.console_tail(trial.index, CONSOLE_BYTES)?.unwrap_or_default();
    let lines = place_console(&timeline, &console::decode(&console));
    let view = View { run_id: run.id(), trial: &trial, timeline: &timeline, lines: &lines, detail: arguments.detail };
    match (arguments.form, global.format) {
        (Some(Form::Svg), _) => print(&timeline_picture(&view).document())?,
        (Some(Form::Perfetto), _) => print_json(&timeline_trace(&view))?,
        (None, Output::Text) => print(&timeline_text(&view))?,
        (None, Output::Json) => {
            let console: Vec<_> = lines.iter().map(|line| json!({"before": line.before, "text": line.text})).collect();
            print_json(&json!({"run_id": run.id(), "trial": trial, "timeline": timeline, "console": console}))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
