//! Why two columns could not be compared.

use crate::results;

/// Two columns could not be chosen or compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text names neither a run nor a variant.
    #[error("cannot read {text:?} as one side of a comparison")]
    Malformed {
        /// What was given.
        text: String,
    },
    /// The run has several variants, and none was chosen.
    #[error("cannot choose a variant: run {run} has {}", there.join(", "))]
    Ambiguous {
        /// The run.
        run: String,
        /// What fits.
        there: Vec<String>,
    },
    /// The run does not have that variant.
    #[error("run {run} has no variant {variant}; it has {}", there.join(", "))]
    NoVariant {
        /// The run.
        run: String,
        /// What was asked for.
        variant: String,
        /// What it has.
        there: Vec<String>,
        /// The newest other run that has it.
        elsewhere: Option<String>,
    },
    /// The run has no trial yet.
    #[error("run {run} has no trials to compare")]
    Empty {
        /// The run.
        run: String,
    },
    /// One side has the same point twice, so there is no telling which to compare.
    #[error("cannot compare: {cell} stands twice on one side")]
    Twice {
        /// The point.
        cell: String,
    },
    /// Guests of one side ran under TCG, and of the other under KVM.
    #[error("cannot compare: guests of run {} ran under {}, and of run {} under {}", one.0, one.1, other.0, other.1)]
    Accelerators {
        /// A run, and what executed its guests.
        one: (String, String),
        /// Likewise.
        other: (String, String),
    },
    /// The run could not be found or read.
    #[error(transparent)]
    Results(#[from] results::Error),
}

impl Error {
    /// What to do next, where there is something to say; to be shown as `hint: …`.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Malformed { .. } => {
                Some("give VARIANT (of the run that --run names), RUN:VARIANT, or RUN, e.g. latest:stock".to_owned())
            }
            Self::Ambiguous { run, there } => there.first().map(|variant| format!("name one, e.g. {run}:{variant}")),
            Self::NoVariant { variant, elsewhere, .. } => {
                elsewhere.as_ref().map(|run| format!("run {run} has it: {run}:{variant}"))
            }
            Self::Accelerators { .. } => {
                Some("run both with the same --accel: what takes how long is not alike".to_owned())
            }
            Self::Results(error) => error.hint(),
            Self::Empty { .. } | Self::Twice { .. } => None,
        }
    }
}
