//! `harness report`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::project::{project, results};
use super::reports::KnownArguments;
use super::{Failure, Global, Output, kcidb, ktap, mail, print, print_json};
use crate::compare::{Evidence, Options, rank};
use crate::report::{Format, ranking_csv, ranking_text};
use crate::results::{LATEST, Run, write_whole};
use crate::session::{Recorded, page_of};

/// Report on a whole run.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness report orders latest --as markdown > orders.md")]
pub struct Arguments {
    #[command(subcommand)]
    report: Report,
}

#[derive(Debug, clap::Subcommand)]
enum Report {
    /// Rank variants in each failure case, and tell which are dominated
    Orders(Orders),
    /// The run as the kernel's own form of test results, KTAP
    Ktap(ktap::Arguments),
    /// The run as a submission to `KernelCI`'s database
    Kcidb(kcidb::Arguments),
    /// A variant beside another, as a mail to a list
    Mail(mail::Arguments),
    /// Write a run as a page for a browser, one file
    Html(Html),
}

/// Write a run as a page for a browser, one file.
///
/// What failed comes first, with its figures, what the trials left that tell why, and how to see them again; then all cells at a
/// glance, comparisons, curves, what was not counted, and what went into the run. Nothing in it comes from elsewhere, and it is
/// complete without scripts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness report html latest -o report.html")]
struct Html {
    /// The run: its id, `latest`, or a path with a `/`
    #[arg(default_value = LATEST)]
    run: String,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    known: KnownArguments,
}

/// Rank variants in each failure case, and tell which are dominated.
///
/// In each case, by each channel and by whether guests ended, a variant ranks behind those that are shown to be better;
/// who is not shown to differ ties. Variants of one base are ranked together. The exit code is 0, whatever the ranks.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  harness report orders latest --variant stock --variant kmsg-dump-before-stop --as csv"
)]
struct Orders {
    /// The run: its id, `latest`, or a path with a `/`
    #[arg(default_value = LATEST)]
    run: String,
    /// Only this variant, NAME or NAME@BASE (repeatable); the first one is what the others are compared with [default:
    /// all of the run's]
    #[arg(long, value_name = "NAME")]
    variant: Vec<String>,
    /// The false discovery rate over all pairs below which one of them is better
    #[arg(long, default_value_t = Options::default().alpha, value_name = "RATE")]
    alpha: f64,
    /// Shares that differ by less are the same
    #[arg(long, default_value_t = Options::default().margin, value_name = "SHARE")]
    margin: f64,
    /// Write another form than --format knows
    #[arg(long = "as", value_enum, value_name = "FORM")]
    form: Option<Form>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Form {
    /// Tables for a page
    Markdown,
    /// Comma-separated values: a row for each case, channel and variant
    Csv,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let results = results(global, &project(global)?);
    match &arguments.report {
        Report::Orders(arguments) => orders(global, arguments, &results),
        Report::Ktap(arguments) => ktap::main(global, arguments),
        Report::Kcidb(arguments) => kcidb::main(global, arguments),
        Report::Mail(arguments) => mail::main(global, arguments),
        Report::Html(arguments) => html(arguments, &results),
    }
}

fn html(Html { run, output, known }: &Html, results: &Path) -> Result<ExitCode, Failure> {
    let page = page_of(&Recorded::read(Run::find(results, run)?, known.list()?)?)?;
    match output {
        Some(file) => write_whole(file, page.as_bytes())?,
        None => print(&page)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn orders(global: &Global, arguments: &Orders, results: &Path) -> Result<ExitCode, Failure> {
    let Orders { run, variant, alpha, margin, form } = arguments;
    let run = Run::find(results, run)?;
    // A summary kept alone, as a baseline, has nothing that says how it came about.
    let sequential = run.info().is_ok_and(|info| info.until.is_some());
    let evidence = if sequential { Evidence::Sequential } else { Evidence::Fixed };
    let ranking = rank(&run.summary()?, variant, Options { alpha: *alpha, margin: *margin, evidence })?;
    match (form, global.format) {
        (Some(Form::Markdown), _) => print(&ranking_text(&ranking, Format::Markdown))?,
        (Some(Form::Csv), _) => print(&ranking_csv(&ranking))?,
        (None, Output::Text) => print(&ranking_text(&ranking, global.table()))?,
        (None, Output::Json) => print_json(&ranking)?,
    }
    Ok(ExitCode::SUCCESS)
}
