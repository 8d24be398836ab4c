//! `harness known`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::history::read_nights;
use super::project::{project, results};
use super::{FOUND, Failure, Global, print};
use crate::history::{Builder, History};
use crate::known::{Entry, KnownList, Left, New, appended, entries_of};
use crate::results::{LATEST, Run};
use crate::session::Recorded;
use crate::text::plural;
use crate::yaml::{InputError, Problems};

/// Write and check lists of failures that are known, for `--known` of run, merge, history and report.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  harness known add --from latest --link https://bugs.example.org/17\n  harness run --suite quick --known known.yaml"
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Add what failed in a run and is not known yet, as it was measured
    Add(Add),
    /// Tell what is to be done about a list: 1 if there is anything
    Check(Check),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness known add --from latest --link https://bugs.example.org/17")]
struct Add {
    /// The run: its id, `latest`, or a path with a `/`
    #[arg(long, value_name = "RUN", default_value = LATEST)]
    from: String,
    /// Where more is said of it
    #[arg(long, value_name = "URL")]
    link: String,
    /// The last day on which it is known, as in 2027-01-01
    #[arg(long, value_name = "DAY")]
    until: Option<String>,
    /// What else there is to say
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The list, which is made if there is none
    #[arg(long, value_name = "FILE", default_value = "known.yaml")]
    known: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness known check known.yaml --run latest --baseline nights.jsonl")]
struct Check {
    /// The list
    #[arg(default_value = "known.yaml")]
    known: PathBuf,
    /// The run by which it is checked: its id, `latest`, or a path with a `/`
    #[arg(long, value_name = "RUN", default_value = LATEST)]
    run: String,
    /// Nights, by which it is told for how many of them a failure was none
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        Command::Add(arguments) => add(global, arguments),
        Command::Check(arguments) => check(global, arguments),
    }
}

fn load(path: &Path) -> Result<KnownList, InputError> {
    KnownList::load(path).map_err(Problems::into_first)
}

fn read(global: &Global, run: &str, list: Option<KnownList>) -> Result<Recorded, Failure> {
    Recorded::read(Run::find(&results(global, &project(global)?), run)?, list)
}

fn add(global: &Global, arguments: &Add) -> Result<ExitCode, Failure> {
    let path = &arguments.known;
    let list = path.exists().then(|| load(path)).transpose()?;
    let recorded = read(global, &arguments.from, list.clone())?;
    let new = New { link: &arguments.link, until: arguments.until.as_deref(), note: arguments.note.as_deref() };
    let findings = recorded.known.as_ref().map(|known| known.findings.clone()).unwrap_or_default();
    let entries = entries_of(&recorded.info, &recorded.summary, &recorded.judged, &findings, &new);
    if !entries.is_empty() {
        let text = appended(list.as_ref(), &entries, path).map_err(Problems::into_first)?;
        let failed = |error| Failure::host(format!("write {}: {error}", path.display()));
        std::fs::write(path, text).map_err(failed)?;
    }
    print(&format!("{}: {} added\n", path.display(), entries.len()))?;
    Ok(ExitCode::SUCCESS)
}

fn check(global: &Global, arguments: &Check) -> Result<ExitCode, Failure> {
    let recorded = read(global, &arguments.run, Some(load(&arguments.known)?))?;
    let Some(known) = &recorded.known else { return Ok(ExitCode::SUCCESS) };
    let nights = arguments.baseline.as_deref().map(nights).transpose()?;
    let mut said = Vec::new();
    for (place, entry) in known.list.entries.iter().enumerate() {
        let left = known.findings.left.iter().find(|(of, _)| *of == place).map(|(_, left)| *left);
        let met = nights.as_ref().map_or(0, |nights| nights_met(nights, entry));
        let cause = match (left, met) {
            (Some(Left::FitsNothing), _) => format!("it fits no cell of run {}", recorded.run.id()),
            (Some(Left::NothingExpected), _) => {
                "nothing is expected of that channel in any cell that it fits".to_owned()
            }
            (Some(Left::Expired), _) => "its last day is past".to_owned(),
            (Some(Left::Passes), 0) => format!("it passes in run {}: remove it?", recorded.run.id()),
            (Some(Left::Passes), met) => format!("it passes, for {} by now: remove it?", plural(met, "night")),
            (None, met) if met >= MET => format!("it has been met for {}: remove it?", plural(met, "night")),
            (None, _) => continue,
        };
        said.push(known.list.at(entry, cause).to_string());
    }
    if said.is_empty() {
        print(&format!("{}: nothing is to be done\n", known.list.path().display()))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!("{}\n", said.join("\n\n")))?;
    Ok(ExitCode::from(FOUND))
}

/// Nights in a row in which a failure was none that are worth a word.
const MET: usize = 7;

fn nights(path: &Path) -> Result<History, Failure> {
    let mut builder = Builder::default();
    read_nights(path, &mut builder)?;
    Ok(builder.finish())
}

/// For how many of the last nights all that an entry fits was met.
fn nights_met(history: &History, entry: &Entry) -> usize {
    let failed = |channel| {
        history
            .cells
            .iter()
            .filter(move |cell| entry.fits(&cell.key, channel))
            .filter_map(move |cell| cell.failed.get(&channel))
    };
    (0..history.nights.len())
        .rev()
        .take_while(|&night| {
            let mut of_night = failed(entry.channel).filter_map(|nights| *nights.get(night)?).peekable();
            of_night.peek().is_some() && of_night.all(|failed| !failed)
        })
        .count()
}
