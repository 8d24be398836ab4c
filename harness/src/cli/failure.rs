//! How a subcommand fails: which exit code, and what is said.

use std::fmt::Display;
use std::process::ExitCode;

use crate::compare;
use crate::kernel::KernelError;
use crate::plan::SelectError;
use crate::results;
use crate::trial::StageError;
use crate::yaml::{InputError, UnknownName};

/// Exit code of a run or a comparison that found something.
pub const FOUND: u8 = 1;
const BAD_INPUT: u8 = 2;
const HOST: u8 = 3;

/// Why a subcommand could not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// What the user gave cannot be used.
    pub fn input(message: impl Display) -> Self {
        Self { code: BAD_INPUT, message: message.to_string() }
    }

    /// The harness or the host failed.
    pub fn host(message: impl Display) -> Self {
        Self { code: HOST, message: message.to_string() }
    }

    /// The exit code of a harness or a host that failed.
    pub fn host_code() -> ExitCode {
        ExitCode::from(HOST)
    }

    /// The exit code of input that cannot be used.
    pub fn input_code() -> ExitCode {
        ExitCode::from(BAD_INPUT)
    }

    /// Whether it is what the user gave, a kernel that does not boot included.
    pub fn is_input(&self) -> bool {
        self.code == BAD_INPUT
    }

    /// What it says first, without what may be done about it.
    pub fn first_line(&self) -> String {
        self.message.lines().next().unwrap_or_default().to_owned()
    }

    /// Says it on standard error; the exit code to end with.
    pub fn report(self) -> ExitCode {
        eprintln!("error: {}", self.message.trim_end());
        ExitCode::from(self.code)
    }

    /// The harness or the host failed, and what to do next.
    pub fn hinted_host(error: impl Display, hint: Option<impl Display>) -> Self {
        Self::hinted(HOST, error, hint)
    }

    /// The same failure of a run that can be gone on with.
    #[must_use]
    pub fn resumable(self, run: &str) -> Self {
        self.resumable_by("run", run)
    }

    /// The same failure of what that subcommand can go on with.
    #[must_use]
    pub fn resumable_by(mut self, subcommand: &str, run: &str) -> Self {
        use std::fmt::Write as _;
        // Writing to a string does not fail.
        let _ = write!(self.message, "\nhint: what was finished is kept; then: harness {subcommand} --resume {run}");
        self
    }

    fn hinted(code: u8, error: impl Display, hint: Option<impl Display>) -> Self {
        let message = match hint {
            Some(hint) => format!("{error}\n\nhint: {hint}"),
            None => error.to_string(),
        };
        Self { code, message }
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

impl From<SelectError> for Failure {
    fn from(error: SelectError) -> Self {
        Self::input(error)
    }
}

impl From<results::Error> for Failure {
    fn from(error: results::Error) -> Self {
        Self::hinted(HOST, &error, error.hint())
    }
}

impl From<compare::Error> for Failure {
    fn from(error: compare::Error) -> Self {
        Self::hinted(BAD_INPUT, &error, error.hint())
    }
}

impl From<KernelError> for Failure {
    /// What the user's files ask for cannot be built: 2. The host could not build it: 3.
    fn from(error: KernelError) -> Self {
        use KernelError as Error;
        match error {
            Error::DiskFull { .. }
            | Error::ToolMissing { .. }
            | Error::Tool { .. }
            | Error::PackageMissing { .. }
            | Error::PackageNotFetched { .. }
            | Error::Io { .. }
            | Error::Cancelled => Self::host(error),
            _ => Self::input(error),
        }
    }
}

impl From<StageError> for Failure {
    /// A kernel that does not boot is the user's; a file that cannot be written is the host's.
    fn from(error: StageError) -> Self {
        if error.is_input() { Self::input(error) } else { Self::host(error) }
    }
}
