//! `harness prune`

use std::fmt;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::project::{project, results};
use super::{Failure, Global, HOST, Output, print, print_json};
use crate::results::{self, Error, Run};
use crate::text::plural;

/// Remove runs that are not wanted any more.
///
/// A run that is being written is left alone, whatever is kept. Kernels and templates in the cache are not touched.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness prune --keep 30d --dry-run")]
pub struct Arguments {
    /// What is kept: so many of the newest runs, `20`, or those that began in the last days or hours, `30d`, `12h`
    #[arg(long, value_name = "N|TIME")]
    keep: Keep,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Newest(usize),
    Since(Duration),
}

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u32 = number.parse().map_err(|_| "it begins with a whole number, as in 20, 30d, 12h".to_owned())?;
        match unit {
            "" => Ok(Self::Newest(usize::try_from(number).unwrap_or(usize::MAX))),
            "d" => Ok(Self::Since(Duration::from_secs(u64::from(number) * 86_400))),
            "h" => Ok(Self::Since(Duration::from_secs(u64::from(number) * 3600))),
            _ => Err("it is a number of runs, or a time in days or hours, as in 20, 30d, 12h".to_owned()),
        }
    }
}

/// A run, and what became of it.
#[derive(Debug, Serialize)]
struct Pruned {
    run: String,
    bytes: u64,
    state: State,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "what", content = "why")]
enum State {
    Removed,
    WouldBeRemoved,
    /// Somebody writes to it.
    InUse,
    Failed(String),
}

impl fmt::Display for Pruned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, bytes, state } = self;
        let mib = bytes.div_ceil(1 << 20);
        match state {
            State::Removed => write!(f, "{run}  {mib} MiB removed"),
            State::WouldBeRemoved => write!(f, "{run}  {mib} MiB would be removed"),
            State::InUse => write!(f, "{run}  left alone: somebody writes to it"),
            State::Failed(why) => write!(f, "{run}  not removed: {why}"),
        }
    }
}

pub fn main(global: &Global, Arguments { keep, dry_run }: &Arguments) -> Result<ExitCode, Failure> {
    let mut runs = results::list(&results(global, &project(global)?))?;
    let of = runs.len();
    match *keep {
        Keep::Newest(newest) => runs.truncate(of.saturating_sub(newest)),
        Keep::Since(time) => {
            let since = SystemTime::now().checked_sub(time);
            // One whose name tells no time that there is began long ago.
            runs.retain(|run| since.is_some_and(|since| run.began().is_none_or(|began| began < since)));
        }
    }
    let pruned: Vec<Pruned> = runs.iter().map(|run| prune(run, *dry_run)).collect();
    match global.format {
        Output::Json => print_json(&pruned)?,
        Output::Text => {
            let lines: Vec<String> = pruned.iter().map(|pruned| format!("{pruned}\n")).collect();
            let lines = lines.concat();
            print(&format!(
                "{lines}kept: {} of {}\n",
                of - pruned.iter().filter(|one| one.gone()).count(),
                plural(of, "run")
            ))?;
        }
    }
    let failed = pruned.iter().any(|pruned| matches!(pruned.state, State::Failed(_)));
    Ok(if failed { ExitCode::from(HOST) } else { ExitCode::SUCCESS })
}

impl Pruned {
    /// Whether the run is not there any more, or would not be.
    fn gone(&self) -> bool {
        matches!(self.state, State::Removed | State::WouldBeRemoved)
    }
}

fn prune(run: &Run, dry_run: bool) -> Pruned {
    let bytes = run.bytes();
    let state = match if dry_run { run.is_idle() } else { run.remove() } {
        Ok(()) if dry_run => State::WouldBeRemoved,
        Ok(()) => State::Removed,
        Err(Error::Locked { .. }) => State::InUse,
        Err(error) => State::Failed(error.to_string()),
    };
    Pruned { run: run.id().to_owned(), bytes, state }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_a_number_of_runs_or_a_time() {
        let keep = |text: &str| text.parse::<Keep>();
        assert_eq!(keep("20"), Ok(Keep::Newest(20)));
        assert_eq!(keep("30d"), Ok(Keep::Since(Duration::from_secs(30 * 86_400))));
        assert_eq!(keep("12h"), Ok(Keep::Since(Duration::from_secs(12 * 3600))));
        for wrong in ["", "d", "-1", "1w", "1.5d", "99999999999"] {
            assert!(keep(wrong).is_err(), "{wrong}");
        }
    }
}
