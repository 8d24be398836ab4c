//! What can be wrong with a history.

use std::io;
use std::path::{Path, PathBuf};

/// A history cannot be read or written, or a run is none of its nights.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It was written by another harness, in another form.
    #[error("{}:{line}: the line has the form {found}, and this harness reads {known}", path.display())]
    Version {
        /// The history.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What it says.
        found: u32,
        /// What is known here.
        known: u32,
    },
    /// A part of a plan is no night.
    #[error("run {run} is shard {index} of {of}")]
    Shard {
        /// The run.
        run: String,
        /// From 1.
        index: u32,
        /// Of so many.
        of: u32,
    },
    /// A bisection tries commits as they tell most.
    #[error("run {run} is a bisection")]
    Bisection {
        /// The run.
        run: String,
    },
    /// With several bases in one night it is not clear which of them follows on those of another.
    #[error("run {run} has {variant} on the bases {one} and {other}")]
    Bases {
        /// The run.
        run: String,
        /// The variant.
        variant: String,
        /// A base.
        one: String,
        /// Another.
        other: String,
    },
}

impl Error {
    /// For `map_err`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path: path.clone(), source }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { .. } => None,
            Self::Version { .. } => Some(
                "nothing of the file was changed; read it with the harness that wrote it, or begin another".to_owned(),
            ),
            Self::Shard { .. } => Some("merge the shards, and take the merged run: harness merge".to_owned()),
            Self::Bisection { .. } => Some("a night is a run of harness run or harness merge".to_owned()),
            Self::Bases { .. } => Some("without --across-bases each base has a history of its own".to_owned()),
        }
    }

    /// Whether what was named cannot be used, rather than the host having failed.
    pub fn is_input(&self) -> bool {
        !matches!(self, Self::Io { source, .. } if source.kind() != io::ErrorKind::NotFound)
    }
}
