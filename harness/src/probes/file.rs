//! `guest-kernel/probes/<name>.yaml`: the steps to look for, in the kernel's words.
//!
//! Enums are externally tagged and nothing is flattened, or the places in error messages would be lost.

use std::path::Path;

use serde::Deserialize;

use crate::kernel::Version;
use crate::model::order::OwnStep;
use crate::yaml::{At, InputError, Source};

/// How many events a function may make, unless the file says otherwise.
const LIMIT: u32 = 64;

/// A set of steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSet {
    /// The file's name without `.yaml`.
    pub name: String,
    /// What it shows, in one line.
    pub title: String,
    /// In the order of the file.
    pub steps: Vec<Step>,
}

/// A step, and how it is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// What it is, in one line.
    pub is: String,
    /// By what it is seen.
    pub seen: Seen,
    /// Whether leaving is seen as well.
    pub returns: bool,
    /// How many events each of its probes may make.
    pub limit: u32,
    /// It is no step of the order by which kernels are compared.
    pub detail: bool,
    /// The first and last kernel that it is for, as major and minor.
    pub kernels: (Option<Version>, Option<Version>),
}

/// By what a step is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The first of these functions that the kernel has is entered: names that it had over time.
    First(Vec<String>),
    /// One of these functions is entered; the event names it.
    Each(Vec<String>),
    /// A notifier of one of these chains is entered.
    Notifiers(Vec<String>),
    /// A dumper of this list is entered.
    Dumpers(String),
    /// One of the functions reads or writes one of the variables.
    Access {
        /// The functions.
        functions: Vec<String>,
        /// The variables.
        symbols: Vec<String>,
        /// Reading is meant, not writing.
        reads: bool,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: At<String>,
    title: String,
    steps: Vec<StepFile>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StepFile {
    EntersFirst(Entered),
    EntersEach(Entered),
    Notifiers(Chains),
    Dumpers(Called),
    Writes(Access),
    Reads(Access),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entered {
    step: At<String>,
    functions: Vec<String>,
    is: String,
    #[serde(default)]
    returns: bool,
    limit: Option<u32>,
    #[serde(default)]
    detail: bool,
    since: Option<At<String>>,
    until: Option<At<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chains {
    step: At<String>,
    lists: Vec<String>,
    is: String,
    #[serde(default)]
    returns: bool,
    limit: Option<u32>,
    since: Option<At<String>>,
    until: Option<At<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Called {
    step: At<String>,
    list: String,
    is: String,
    #[serde(default)]
    returns: bool,
    limit: Option<u32>,
    since: Option<At<String>>,
    until: Option<At<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Access {
    step: At<String>,
    functions: Vec<String>,
    symbols: Vec<String>,
    is: String,
    limit: Option<u32>,
    since: Option<At<String>>,
    until: Option<At<String>>,
}

impl ProbeSet {
    /// Reads a set.
    pub fn load(path: &Path) -> Result<Self, InputError> {
        let source = Source::read(path)?;
        let file: File = source.parse()?;
        source.require_name(&file.name)?;
        let mut set = Self { name: file.name.value, title: file.title, steps: Vec::new() };
        for step in file.steps {
            let step = step.check(&source, &set.steps)?;
            set.steps.push(step);
        }
        Ok(set)
    }
}

impl StepFile {
    fn check(self, source: &Source, before: &[Step]) -> Result<Step, InputError> {
        let (step, is, seen, returns, limit, detail, since, until) = match self {
            Self::EntersFirst(Entered { step, functions, is, returns, limit, detail, since, until }) => {
                (step, is, Seen::First(functions), returns, limit, detail, since, until)
            }
            Self::EntersEach(Entered { step, functions, is, returns, limit, detail, since, until }) => {
                (step, is, Seen::Each(functions), returns, limit, detail, since, until)
            }
            Self::Notifiers(Chains { step, lists, is, returns, limit, since, until }) => {
                (step, is, Seen::Notifiers(lists), returns, limit, false, since, until)
            }
            Self::Dumpers(Called { step, list, is, returns, limit, since, until }) => {
                (step, is, Seen::Dumpers(list), returns, limit, false, since, until)
            }
            Self::Writes(Access { step, functions, symbols, is, limit, since, until }) => {
                (step, is, Seen::Access { functions, symbols, reads: false }, false, limit, false, since, until)
            }
            Self::Reads(Access { step, functions, symbols, is, limit, since, until }) => {
                (step, is, Seen::Access { functions, symbols, reads: true }, false, limit, false, since, until)
            }
        };
        if before.iter().any(|other| other.name == step.value) {
            return Err(source.error(step.mark, format!("there are two steps `{}`", step.value), None));
        }
        let version = |at: Option<At<String>>| {
            at.map(|at| at.value.parse().map_err(|cause: String| source.error(at.mark, cause, None))).transpose()
        };
        Ok(Step {
            name: step.value,
            is,
            seen,
            returns,
            limit: limit.unwrap_or(LIMIT),
            detail,
            kernels: (version(since)?, version(until)?),
        })
    }
}

impl From<&OwnStep> for Step {
    fn from(own: &OwnStep) -> Self {
        Self {
            name: own.name.clone(),
            is: String::new(),
            seen: Seen::First(own.functions.clone()),
            returns: own.returns,
            limit: LIMIT,
            detail: false,
            kernels: (None, None),
        }
    }
}

impl Step {
    /// Whether it is for kernels of this version.
    pub fn is_for(&self, version: &Version) -> bool {
        let (since, until) = &self.kernels;
        version.is_within(since.as_ref(), until.as_ref())
    }
}
