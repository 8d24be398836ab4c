//! `harness history`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::project::{project, results};
use super::reports::{KnownArguments, MarkdownArguments};
use super::{FOUND, Failure, Global, Output, print, print_json};
use crate::history::{self, Builder, Line, Options, judge, lines_of};
use crate::report::{Format, history_csv, history_json, history_text};
use crate::results::Run;
use crate::session::Recorded;

/// Tell what is new in the last of many nights, and since when.
///
/// The nights are runs, or lie in a file to which each night's run is added. A cell's channel is `new` when the last night
/// showed that it keeps less than before, `worse` when it did so already, `known` from the next night on, `fixed`, `unsteady`, or has
/// `no data`. That anything is ever called new although nothing changed has a probability of 5 %, in all cells together and
/// however many nights there are. See docs/history.md.
///
/// Exit codes: 0 nothing is new; 1 something is new or worse; 2 and 3 as always.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  harness history results/2*-*\n  harness history --baseline nights.jsonl --add latest"
)]
pub struct Arguments {
    /// The runs, in any order: their ids, `latest`, or paths with a `/`
    #[arg(value_name = "RUN", required_unless_present = "baseline")]
    runs: Vec<String>,
    /// A file that has nights already, a line of JSON for each cell; it may not be there yet
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// A run that is added to that file first, unless it has it (repeatable)
    #[arg(long, value_name = "RUN", requires = "baseline")]
    add: Vec<String>,
    /// Take a variant's bases for one: where each night has another commit
    #[arg(long)]
    across_bases: bool,
    /// Only what is new or worse, for a mail
    #[arg(long)]
    new_only: bool,
    /// Write another form than --format knows
    #[arg(long = "as", value_enum, value_name = "FORM")]
    form: Option<Form>,
    #[command(flatten)]
    known: KnownArguments,
    #[command(flatten)]
    markdown: MarkdownArguments,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    /// Tables for a page
    Markdown,
    /// Comma-separated values: a row for each cell and channel
    Csv,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let nights = nights(global, arguments)?;
    let mut judged = judge(&nights, Options::default());
    if let Some(list) = arguments.known.list()? {
        judged.excuse(|cell, channel| list.entries.iter().any(|entry| entry.fits(cell, channel)));
    }
    let text = |format| history_text(&nights, &judged, arguments.new_only, format);
    if !arguments.markdown.write(|| Ok(text(Format::Markdown)))? {
        match (arguments.form, global.format) {
            (Some(Form::Markdown), _) => print(&text(Format::Markdown))?,
            (Some(Form::Csv), _) => print(&history_csv(&nights, &judged))?,
            (None, Output::Text) => print(&text(global.table()))?,
            (None, Output::Json) => print_json(&history_json(&nights, &judged))?,
        }
    }
    Ok(if judged.has_news() { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

/// The nights of the file, those that are added to it, and those of the runs.
fn nights(global: &Global, arguments: &Arguments) -> Result<history::History, Failure> {
    let mut builder = Builder::new(arguments.across_bases);
    let add_all = |builder: &mut Builder, lines: Vec<Line>| lines.into_iter().try_for_each(|line| builder.add(line));
    if let Some(path) = arguments.baseline.as_deref().filter(|path| arguments.add.is_empty() || path.exists()) {
        read_nights(path, &mut builder)?;
    }
    for name in &arguments.add {
        let lines = of_run(global, name)?;
        let path = arguments.baseline.as_deref().unwrap_or(Path::new(""));
        match lines.first() {
            Some(line) if builder.has(&line.run) => eprintln!("{} has run {} already", path.display(), line.run),
            _ => {
                history::append(path, &lines)?;
                add_all(&mut builder, lines)?;
            }
        }
    }
    for name in &arguments.runs {
        add_all(&mut builder, of_run(global, name)?)?;
    }
    if builder.twice() > 0 {
        eprintln!("{} cells of nights that were there already are left out", builder.twice());
    }
    Ok(builder.finish())
}

/// Reads a file of nights; lines that are none are told and left out.
pub fn read_nights(path: &Path, builder: &mut Builder) -> Result<(), Failure> {
    let mut refused = Ok(());
    let broken = history::read(path, |line| {
        if refused.is_ok() {
            refused = builder.add(line);
        }
    })?;
    for line in broken {
        eprintln!("left out: {line}");
    }
    Ok(refused?)
}

/// The lines of a run, of which it is said if trials are missing in it.
fn of_run(global: &Global, name: &str) -> Result<Vec<Line>, Failure> {
    let recorded = Recorded::read(Run::find(&results(global, &project(global)?), name)?, None)?;
    let lines = lines_of(&recorded.info, &recorded.summary, &recorded.judged)?;
    match lines.first() {
        None => eprintln!("run {name} has no cells that were run"),
        Some(line) if line.cut_short => eprintln!("run {} was cut short: the trials that it has are counted", line.run),
        Some(_) => {}
    }
    Ok(lines)
}

impl From<history::Error> for Failure {
    fn from(error: history::Error) -> Self {
        let hint = error.hint().map(|hint| format!("\n\nhint: {hint}")).unwrap_or_default();
        let message = format!("{error}{hint}");
        if error.is_input() { Self::input(message) } else { Self::host(message) }
    }
}
