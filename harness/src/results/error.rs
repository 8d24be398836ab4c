//! What can go wrong with a run's folder.

use std::io;
use std::path::{Path, PathBuf};

/// Why there may be no timeline.
pub const NOT_TRACED: &str = "it was not traced, as under KVM, or this host cannot trace: `harness doctor` tells";

/// A run's folder could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done: `create`, `write`, `read`, …
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line of `trials.jsonl` is not a trial's record.
    #[error("{}:{line}: {cause}", path.display())]
    Line {
        /// The log.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong with it.
        cause: String,
    },
    /// A JSON file does not have its form.
    #[error("cannot read {}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        source: serde_json::Error,
    },
    /// Somebody else holds the run's lock.
    #[error("cannot open {}: another harness is writing to it", path.display())]
    Locked {
        /// The log.
        path: PathBuf,
    },
    /// The run was written in another form of the folder.
    #[error("cannot read {}: it has schema version {found}, and this harness reads version {known}", path.display())]
    Version {
        /// The `run.json`.
        path: PathBuf,
        /// The version it says it has.
        found: u32,
        /// The version this harness writes and reads.
        known: u32,
    },
    /// The two files that hold the counts differ.
    #[error("{} and trials.jsonl beside it do not give the same counts", path.display())]
    Disagree {
        /// The `summary.json`.
        path: PathBuf,
    },
    /// There is a folder, but no run in it.
    #[error("{} is not a run: it has neither run.json nor trials.jsonl nor summary.json", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// The run has no trial of this number.
    #[error("run {run} has no trial {trial}")]
    NoTrial {
        /// The run.
        run: String,
        /// The number.
        trial: u64,
        /// Where those are that it has.
        trials: PathBuf,
    },
    /// Nobody watched this trial.
    #[error("trial {trial} of run {run} has no timeline: there is no {}", path.display())]
    NoTimeline {
        /// The run.
        run: String,
        /// The trial.
        trial: u64,
        /// Where it would be.
        path: PathBuf,
    },
    /// No such run.
    #[error("there is no run {name} in {}", results.display())]
    NoRun {
        /// The name asked for.
        name: String,
        /// Where it was looked for.
        results: PathBuf,
        /// The newest runs that are there, newest first.
        there: Vec<String>,
    },
    /// No run at all.
    #[error("there are no runs in {}", results.display())]
    NoRuns {
        /// Where they were looked for.
        results: PathBuf,
    },
}

impl Error {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    pub(super) fn json(path: &Path) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Json { path: path.to_owned(), source }
    }

    /// What to do next, where there is something to say; to be shown as `hint: …`.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { doing: "read", .. } | Self::Json { .. } => None,
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("free some space there, or choose another folder with --results DIR".to_owned())
                }
                _ => Some("choose a folder that can be written to with --results DIR".to_owned()),
            },
            Self::Line { .. } => Some("only the last line may be incomplete; restore the file, or run again".to_owned()),
            Self::Locked { .. } => Some("wait until it has ended, or end it; a dead harness holds no lock".to_owned()),
            Self::Version { found, known, .. } if found > known => Some("read it with a newer harness".to_owned()),
            Self::Version { .. } => Some("read it with the harness that made it".to_owned()),
            Self::Disagree { .. } => Some(
                "the trials are the truth: remove summary.json to go by them, or trials.jsonl to go by the summary alone"
                    .to_owned(),
            ),
            Self::NoTrial { trials, .. } => {
                Some(format!("trials are numbered from 0; {} has those that were run", trials.display()))
            }
            Self::NoTimeline { .. } => Some(NOT_TRACED.to_owned()),
            Self::NotARun { .. } => Some("give the folder of one run, e.g. results/latest".to_owned()),
            Self::NoRun { there, .. } if !there.is_empty() => Some(format!("the newest there: {}", there.join(", "))),
            Self::NoRun { .. } | Self::NoRuns { .. } => {
                Some("`harness run` makes one; --results DIR looks elsewhere".to_owned())
            }
        }
    }
}
