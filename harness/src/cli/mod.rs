//! The command line: one file a subcommand, each thin. Results go to standard output, progress and logs to standard
//! error.

mod bench;
mod bisect;
mod build;
mod catalogue;
mod check;
mod compare;
mod curve;
mod doctor;
mod explain;
mod explore;
mod generate;
mod history;
mod kcidb;
mod kconfig;
mod known;
mod ktap;
mod list;
mod mail;
mod merge;
mod new;
mod options;
mod order;
mod outcome;
mod pack;
mod page;
mod project;
mod quickstart;
mod read;
mod report;
mod reports;
mod run;
mod schedule;
mod timeline;
mod trial;
mod variant;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::embedded::Embedded;
use crate::failure::Failure;
use crate::reporter;

/// What is left of a kernel's log when the kernel dies, with what probability, and does a patch change it?
///
/// Builds kernels with patch variants, boots multi-vCPU guests, crashes them in ways a scenario describes, and compares
/// what pstore, kdump and the console kept.
#[derive(Debug, Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 nothing found; 1 a regression or failed expectation; 2 bad usage or bad input file; \
                  3 the harness or the host failed.\n\nExample:\n  harness quickstart"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

/// Options that every subcommand takes.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// The project: the folder with guest-kernel/ and scenarios/ [default: the nearest at or above this one, else the one
    /// inside the program]
    #[arg(long, global = true, value_name = "DIR", env = "HARNESS_PROJECT")]
    project: Option<PathBuf>,
    /// A pack in the project's place, which has its kernels as well
    #[arg(long, global = true, value_name = "FILE", env = "HARNESS_PACK")]
    pack: Option<PathBuf>,
    /// Where runs are kept [default: results/ in the project]
    #[arg(long, global = true, value_name = "DIR")]
    results: Option<PathBuf>,
    /// The QEMU to use [default: qemu-system-x86_64 in PATH]
    #[arg(long, global = true, value_name = "PATH", env = "HARNESS_QEMU")]
    qemu: Option<PathBuf>,
    /// How results are written to standard output
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    format: Output,
    /// The project inside the program
    #[arg(skip)]
    embedded: Option<Embedded>,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up this machine, build three orders of `panic()`, crash them, print what was left
    Quickstart(quickstart::Arguments),
    /// Check that this machine can build kernels and crash guests
    Doctor(doctor::Arguments),
    /// List variants, what can be set about them, bases, scenarios, suites or runs
    List(list::Arguments),
    /// Check the files that users write, for editors and CI
    Check(check::Arguments),
    /// Tell in plain English what a scenario does
    Explain(explain::Arguments),
    /// Build kernels
    Build(build::Arguments),
    /// Begin a scenario or a variant as a copy of another one
    New(new::Arguments),
    /// Put all that a suite needs but QEMU into a file
    Pack(pack::Arguments),
    /// Build the guest's agent and the tracer, for a package of the harness
    #[command(hide = true)]
    Parts(pack::PartsArguments),
    /// Tell what the harness needs of a kernel's configuration
    Kconfig(kconfig::Arguments),
    /// Make variants of patches
    Variant(variant::Arguments),
    /// Run a suite, or chosen scenarios on chosen variants
    Run(Box<run::Arguments>),
    /// Run one trial with its console shown, and keep everything
    Trial(trial::Arguments),
    /// Join the runs of a plan's shards into one
    Merge(merge::Arguments),
    /// Show what each CPU was seen doing in one trial
    Timeline(timeline::Arguments),
    /// Show in which order variants go through the steps of dying
    Order(order::Arguments),
    /// Show what a machine left when it died, whatever kept it
    Read(read::Arguments),
    /// Compare two columns of cells: did it get better or worse?
    Compare(compare::Arguments),
    /// Tell what is new in the last of many nights, and since when
    History(history::Arguments),
    /// Write and check lists of failures that are known
    Known(known::Arguments),
    /// Find which commit, patch or option lost your log, though by chance
    Bisect(Box<bisect::Arguments>),
    /// Find the order of steps on two CPUs that loses your log, and force it
    Explore(Box<explore::Arguments>),
    /// Show how often a scenario had the good outcome along a parameter of its sweep
    Curve(curve::Arguments),
    /// Report on a whole run: rank its variants, or write what other programs and people read
    Report(report::Arguments),
    /// Write docs/scenarios.md: what each scenario does and why, and what was measured of it
    Catalogue(catalogue::Arguments),
    /// Measure how fast trials are, beside the least that they could cost
    Bench(bench::Arguments),
    /// Print the JSON Schema of scenario files, of suites, or of lists of known failures
    Schema(generate::SchemaArguments),
    /// Print a completion script for a shell
    Completions(generate::CompletionArguments),
    /// Write the manual pages to a folder
    Man(generate::ManArguments),
}

/// Parses the command line, does what it says, and says how that went. `embedded`: the project inside the program.
pub fn main(embedded: Embedded) -> ExitCode {
    let filter = std::env::var("HARNESS_LOG").ok().and_then(|directives| directives.parse::<Targets>().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(tracing::Level::WARN));
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    tracing_subscriber::registry().with(log.with_filter(filter)).init();
    let mut cli = Cli::parse();
    cli.global.embedded = Some(embedded);
    // Guests are seen to by as many threads as there are processors; this one assigns trials, counts and reports them.
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report_failure(&Failure::host(format!("start the runtime: {error}"))),
    };
    match runtime.block_on(dispatch(cli)) {
        Ok(code) => code,
        Err(failure) => report_failure(&failure),
    }
}

/// The exit code of a run or a comparison that found something.
const FOUND: u8 = 1;
/// The exit code of input that cannot be used.
const BAD_INPUT: u8 = 2;
/// The exit code of a harness or a host that failed.
const HOST: u8 = 3;

/// Says on standard error why a subcommand failed; the exit code to end with.
fn report_failure(failure: &Failure) -> ExitCode {
    eprintln!("{}", reporter::error(failure));
    ExitCode::from(if failure.is_input() { BAD_INPUT } else { HOST })
}

async fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { command, global } = cli;
    match command {
        Command::Quickstart(arguments) => quickstart::main(&global, arguments).await,
        Command::Doctor(arguments) => doctor::main(&global, arguments).await,
        Command::List(arguments) => list::main(&global, &arguments),
        Command::Check(arguments) => check::main(&global, &arguments),
        Command::Explain(arguments) => explain::main(&global, &arguments),
        Command::Build(arguments) => build::main(&global, &arguments).await,
        Command::New(arguments) => new::main(&global, &arguments),
        Command::Pack(arguments) => pack::main(&global, arguments).await,
        Command::Parts(arguments) => pack::parts(&global, &arguments),
        Command::Kconfig(arguments) => kconfig::main(&global, &arguments),
        Command::Variant(arguments) => variant::main(&global, arguments),
        Command::Run(arguments) => run::main(&global, *arguments).await,
        Command::Trial(arguments) => trial::main(&global, arguments).await,
        Command::Merge(arguments) => merge::main(&global, &arguments),
        Command::Timeline(arguments) => timeline::main(&global, &arguments),
        Command::Order(arguments) => order::main(&global, &arguments),
        Command::Read(arguments) => read::main(&global, &arguments),
        Command::Compare(arguments) => compare::main(&global, &arguments),
        Command::History(arguments) => history::main(&global, &arguments),
        Command::Known(arguments) => known::main(&global, &arguments),
        Command::Bisect(arguments) => Box::pin(bisect::main(&global, *arguments)).await,
        Command::Explore(arguments) => Box::pin(explore::main(&global, *arguments)).await,
        Command::Curve(arguments) => curve::main(&global, &arguments),
        Command::Report(arguments) => report::main(&global, &arguments),
        Command::Catalogue(arguments) => catalogue::main(&global, &arguments),
        Command::Bench(arguments) => Box::pin(bench::main(&global, &arguments)).await,
        Command::Schema(arguments) => generate::schema(&arguments),
        Command::Completions(arguments) => Ok(generate::completions(&arguments, &mut Cli::command())),
        Command::Man(arguments) => generate::man(&arguments, Cli::command()),
    }
}

/// Writes results to standard output. A reader that has gone (`| head`) is no failure.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::host(format!("write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::host(format!("write the results: {e}")))?;
    print(&format!("{text}\n"))
}
