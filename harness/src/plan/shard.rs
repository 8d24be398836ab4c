//! Which part of a plan is run here, when it is spread over several machines.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::yaml::visible;

/// One part of a plan that is spread over `of` machines.
///
/// Trial `ordinal` of the cell at `position` belongs to shard `(position + ordinal) mod of`, counted from 0: so each
/// cell's trials are spread evenly. (The index modulo `of` would give a shard all trials of some cells and none of
/// others wherever the number of cells and that of shards have a common divisor.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Shard {
    index: u32,
    of: u32,
}

/// [`Shard`] as it is written.
#[derive(Deserialize)]
struct Written {
    index: u32,
    of: u32,
}

/// A shard as the command line names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardChoice {
    /// `3/16`
    Given(Shard),
    /// `auto`, `auto/16`: what the environment says this process is.
    Auto {
        /// How many shards there are, where the environment does not say.
        of: Option<u32>,
    },
}

/// What gives several tasks the same command, and each its number in the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrayJob {
    /// Whoever knows best: the harness's own variables, which count above all others.
    Harness,
    /// `sbatch --array`
    Slurm,
    /// A Job with `completionMode: Indexed`.
    Kubernetes,
    /// A job with `parallel`.
    GitLab,
    /// A job with `parallelism`.
    CircleCi,
    /// A step with `parallelism`.
    Buildkite,
    /// A child of an array job of AWS Batch.
    AwsBatch,
    /// A job of GNU parallel.
    Parallel,
}

/// No shard can be made of this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Not of the form `3/16`, `auto` or `auto/16`.
    #[error(
        "`{}` is not a shard\n\nhint: write it as `3/16`, from 1, or `auto`, or `auto/16`",
        visible(.0)
    )]
    Malformed(String),
    /// `auto`, and nothing to go by.
    #[error(
        "--shard auto: this is no task of an array job: none of {} is set\n\nhint: name the shard, e.g. --shard 3/16",
        ArrayJob::ALL.map(ArrayJob::variable).join(", ")
    )]
    NoArrayJob,
    /// `auto`, and more than one to go by.
    #[error("--shard auto: {} are both set\n\nhint: name the shard, e.g. --shard 3/16", .0.map(ArrayJob::variable).join(" and "))]
    Ambiguous([ArrayJob; 2]),
    /// The environment does not say how many tasks there are.
    #[error(
        "--shard auto: {} is set, but nothing says how many tasks there are\n\nhint: name their number, e.g. --shard auto/16",
        .0.variable()
    )]
    NoTotal(ArrayJob),
    /// The environment and the command line say different things.
    #[error(
        "--shard auto/{of}: {variable} says there are {says} tasks\n\nhint: --shard auto takes the number from there"
    )]
    OtherTotal {
        /// What the command line says.
        of: u32,
        /// The variable.
        variable: &'static str,
        /// What it says.
        says: u32,
    },
    /// A variable has no number, or is missing beside the others.
    #[error("--shard auto: {variable} is {}, not a number\n\nhint: name the shard, e.g. --shard 3/16", shown(.value.as_deref()))]
    NotANumber {
        /// The variable.
        variable: &'static str,
        /// What it is, if it is set.
        value: Option<String>,
    },
    /// The task's number does not lie in the range that the environment tells.
    #[error(
        "--shard auto: task {task} is none of the {of} that {} tells of, from {first} in steps of {step}\n\n\
         hint: number the tasks evenly, e.g. 1-16; or name the shard, e.g. --shard 3/16",
        .job.variable()
    )]
    OutOfRange {
        /// Whose task.
        job: ArrayJob,
        /// The task's number.
        task: u32,
        /// The first task's number.
        first: u32,
        /// From one task's number to the next.
        step: u32,
        /// How many tasks there are.
        of: u32,
    },
}

impl Shard {
    /// Shard `index`, from 1, of `of`; `None` if there is no such shard.
    pub const fn new(index: u32, of: u32) -> Option<Self> {
        if index >= 1 && index <= of { Some(Self { index, of }) } else { None }
    }

    /// Which shard, from 1.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// How many shards there are.
    pub const fn of(self) -> u32 {
        self.of
    }

    /// Whether trial `ordinal` of the cell at `position` belongs to it.
    pub(super) fn has(self, position: usize, ordinal: u32) -> bool {
        (position as u64 + u64::from(ordinal)) % u64::from(self.of) == u64::from(self.index - 1)
    }

    /// How many of the first `trials` trials of the cell at `position` belong to it.
    pub(super) fn share(self, position: usize, trials: u32) -> u32 {
        let of = u64::from(self.of);
        let first = (u64::from(self.index - 1) + of - position as u64 % of) % of;
        let share = u64::from(trials).saturating_sub(first).div_ceil(of);
        u32::try_from(share).unwrap_or(trials)
    }
}

impl fmt::Display for Shard {
    /// `3/16`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl TryFrom<Written> for Shard {
    type Error = String;

    fn try_from(Written { index, of }: Written) -> Result<Self, String> {
        Self::new(index, of).ok_or_else(|| format!("there is no shard {index} of {of}"))
    }
}

impl FromStr for ShardChoice {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let malformed = || ShardError::Malformed(text.to_owned());
        if text == "auto" {
            return Ok(Self::Auto { of: None });
        }
        let (index, of) = text.split_once('/').ok_or_else(malformed)?;
        let of = of.parse().ok().filter(|of| *of > 0).ok_or_else(malformed)?;
        if index == "auto" {
            return Ok(Self::Auto { of: Some(of) });
        }
        let index = index.parse().map_err(|_| malformed())?;
        Shard::new(index, of).map(Self::Given).ok_or_else(malformed)
    }
}

impl ShardChoice {
    /// The shard; `environment` looks a variable up.
    pub fn shard(self, environment: impl Fn(&str) -> Option<String>) -> Result<Shard, ShardError> {
        let total = match self {
            Self::Given(shard) => return Ok(shard),
            Self::Auto { of } => of,
        };
        let mut jobs = ArrayJob::ALL.into_iter().filter(|job| environment(job.variable()).is_some());
        match (jobs.next(), jobs.next()) {
            (None, _) => Err(ShardError::NoArrayJob),
            (Some(job @ ArrayJob::Harness), _) | (Some(job), None) => job.shard(total, environment),
            (Some(one), Some(other)) => Err(ShardError::Ambiguous([one, other])),
        }
    }
}

impl ArrayJob {
    const ALL: [Self; 8] = [
        Self::Harness,
        Self::Slurm,
        Self::Kubernetes,
        Self::GitLab,
        Self::CircleCi,
        Self::Buildkite,
        Self::AwsBatch,
        Self::Parallel,
    ];

    /// The one that this process is a task of, by the variables that `environment` looks up.
    pub fn detect(environment: impl Fn(&str) -> Option<String>) -> Option<Self> {
        Self::ALL.into_iter().find(|job| environment(job.variable()).is_some())
    }

    /// The variable that has the task's number. GitLab sets `CI_NODE_TOTAL` for every job, `CI_NODE_INDEX` only where
    /// there is more than one.
    pub const fn variable(self) -> &'static str {
        match self {
            Self::Harness => "HARNESS_SHARD_INDEX",
            Self::Slurm => "SLURM_ARRAY_TASK_ID",
            Self::Kubernetes => "JOB_COMPLETION_INDEX",
            Self::GitLab => "CI_NODE_INDEX",
            Self::CircleCi => "CIRCLE_NODE_INDEX",
            Self::Buildkite => "BUILDKITE_PARALLEL_JOB",
            Self::AwsBatch => "AWS_BATCH_JOB_ARRAY_INDEX",
            Self::Parallel => "PARALLEL_SEQ",
        }
    }

    fn shard(self, total: Option<u32>, environment: impl Fn(&str) -> Option<String>) -> Result<Shard, ShardError> {
        let number = |variable: &'static str| {
            let value = environment(variable);
            let number = value.as_deref().and_then(|value| value.parse::<u32>().ok());
            number.ok_or(ShardError::NotANumber { variable, value })
        };
        let task = number(self.variable())?;
        let (first, step, tells) = match self {
            Self::Slurm => {
                (number("SLURM_ARRAY_TASK_MIN")?, number("SLURM_ARRAY_TASK_STEP")?, Some("SLURM_ARRAY_TASK_COUNT"))
            }
            Self::Harness => (1, 1, Some("HARNESS_SHARD_TOTAL")),
            Self::Kubernetes | Self::AwsBatch => (0, 1, None),
            Self::GitLab => (1, 1, Some("CI_NODE_TOTAL")),
            Self::CircleCi => (0, 1, Some("CIRCLE_NODE_TOTAL")),
            Self::Buildkite => (0, 1, Some("BUILDKITE_PARALLEL_JOB_COUNT")),
            Self::Parallel => (1, 1, None),
        };
        let of = match (tells, total) {
            (None, None) => return Err(ShardError::NoTotal(self)),
            (None, Some(of)) => of,
            (Some(variable), of) => {
                let says = number(variable)?;
                match of {
                    Some(of) if of != says => return Err(ShardError::OtherTotal { of, variable, says }),
                    _ => says,
                }
            }
        };
        let steps =
            task.checked_sub(first).filter(|_| step > 0).filter(|past| past % step == 0).map(|past| past / step);
        steps.and_then(|steps| Shard::new(steps.checked_add(1)?, of)).ok_or(ShardError::OutOfRange {
            job: self,
            task,
            first,
            step,
            of,
        })
    }
}

impl fmt::Display for ArrayJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Harness => "job of several shards",
            Self::Slurm => "Slurm array job",
            Self::Kubernetes => "Kubernetes indexed job",
            Self::GitLab => "GitLab parallel job",
            Self::CircleCi => "CircleCI parallel job",
            Self::Buildkite => "Buildkite parallel step",
            Self::AwsBatch => "AWS Batch array job",
            Self::Parallel => "job of GNU parallel",
        })
    }
}

fn shown(value: Option<&str>) -> String {
    value.map_or_else(|| "not set".to_owned(), |value| format!("`{}`", visible(value)))
}

#[cfg(test)]
mod tests;
