//! Why a session or a subcommand could not do what it was asked to, and whether the input or the host is to blame.

use std::fmt::{self, Display};

use crate::compare;
use crate::firmware::FirmwareError;
use crate::kernel::KernelError;
use crate::plan::SelectError;
use crate::results;
use crate::run::RunError;
use crate::trial::GuestSourceError;
use crate::yaml::{InputError, LookupError, UnknownName};

/// Why something could not be done. The text begins with the cause; what to do next follows in a line of its own.
#[derive(Debug)]
pub struct Failure {
    is_input: bool,
    message: String,
}

impl Failure {
    /// The user's input cannot be used.
    pub fn input(message: impl Display) -> Self {
        Self { is_input: true, message: message.to_string() }
    }

    /// The harness or the host failed.
    pub fn host(message: impl Display) -> Self {
        Self { is_input: false, message: message.to_string() }
    }

    /// The harness or the host failed, and what to do next.
    pub fn hinted_host(error: impl Display, hint: Option<impl Display>) -> Self {
        Self::host(with_hint(error, hint))
    }

    /// Whether the user's input is to blame. A kernel that does not boot is input.
    pub fn is_input(&self) -> bool {
        self.is_input
    }

    /// The first line of the text, which names the cause.
    pub fn first_line(&self) -> String {
        self.message.lines().next().unwrap_or_default().to_owned()
    }

    /// A failure that left a run which can be resumed.
    #[must_use]
    pub fn resumable(self, run: &str) -> Self {
        self.resumable_by("run", run)
    }

    /// A failure that left a run which this subcommand can resume.
    #[must_use]
    pub fn resumable_by(mut self, subcommand: &str, run: &str) -> Self {
        use std::fmt::Write as _;
        // Writing to a string does not fail.
        let _ = write!(self.message, "\nhint: what was finished is kept; then: harness {subcommand} --resume {run}");
        self
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.trim_end())
    }
}

fn with_hint(error: impl Display, hint: Option<impl Display>) -> String {
    match hint {
        Some(hint) => format!("{error}\n\nhint: {hint}"),
        None => error.to_string(),
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Self {
        Self::input(error)
    }
}

impl From<UnknownName> for Failure {
    fn from(error: UnknownName) -> Self {
        Self::input(error)
    }
}

impl From<LookupError> for Failure {
    fn from(error: LookupError) -> Self {
        Self::input(error)
    }
}

impl From<SelectError> for Failure {
    fn from(error: SelectError) -> Self {
        Self::input(error)
    }
}

impl From<results::Error> for Failure {
    /// What a run does not have was asked for, or the host failed.
    fn from(error: results::Error) -> Self {
        use results::Error as Of;
        match error {
            Of::NoTrial { .. } | Of::NoTimeline { .. } => Self::input(with_hint(&error, error.hint())),
            _ => Self::hinted_host(&error, error.hint()),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Self::hinted_host(&error, error.hint())
    }
}

impl From<compare::Error> for Failure {
    fn from(error: compare::Error) -> Self {
        Self::input(with_hint(&error, error.hint()))
    }
}

impl From<KernelError> for Failure {
    /// What the user's files ask for cannot be built, or the host could not build it.
    fn from(error: KernelError) -> Self {
        use KernelError as Error;
        match error {
            Error::DiskFull { .. }
            | Error::ToolMissing { .. }
            | Error::Tool { .. }
            | Error::NoB4 { .. }
            | Error::NotFetched { .. }
            | Error::PackageMissing { .. }
            | Error::PackageNotFetched { .. }
            | Error::Io { .. }
            | Error::Cancelled => Self::host(error),
            _ => Self::input(error),
        }
    }
}

impl From<FirmwareError> for Failure {
    /// A scenario that asks for too much is input.
    fn from(error: FirmwareError) -> Self {
        let message = with_hint(&error, Some(error.hint()));
        if error.is_input() { Self::input(message) } else { Self::host(message) }
    }
}

impl From<GuestSourceError> for Failure {
    /// A kernel that does not boot is input; a file that cannot be written is the host's.
    fn from(error: GuestSourceError) -> Self {
        if error.is_input() { Self::input(error) } else { Self::host(error) }
    }
}
