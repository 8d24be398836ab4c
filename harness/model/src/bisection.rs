//! What a bisection looks for, and where.

use std::fmt;
use std::path::PathBuf;

use harness_bisect::Tally;
use serde::{Deserialize, Serialize};

use super::{Channel, ChannelOutcome, TrialOutcome, TrialRecord};

/// What happens in some trials and not in others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Criterion {
    /// The channel does not have its good outcome: the log is not saved whole, the order is not kept.
    Channel(Channel),
    /// An assertion on the order, by its words, is broken.
    Order(String),
    /// The guest hangs.
    Hang,
    /// The kernel dies; with these words in its panic or in the title of one of its reports, if there are any.
    Panic(Option<String>),
}

impl Criterion {
    /// Whether it happened in a trial; `None` if the trial does not tell: its faults did not meet, the harness failed, or
    /// there is no such channel.
    pub fn happened(&self, record: &TrialRecord) -> Option<bool> {
        let TrialOutcome::Counted { hung, channels } = &record.outcome else { return None };
        match self {
            Self::Hang => Some(*hung),
            Self::Panic(words) => {
                let died = record.panic.is_some() || !(record.survived || *hung);
                let titles = record.splats.iter().map(|splat| &splat.title);
                let has = |words: &String| record.panic.iter().chain(titles).any(|text| text.contains(words.as_str()));
                Some(died && words.as_ref().is_none_or(has))
            }
            Self::Channel(channel) => channels.get(channel).map(|verdict| verdict.outcome != channel.good()),
            Self::Order(words) => {
                let verdict = channels.get(&Channel::Order)?;
                // Older records do not tell which assertions are broken.
                let told = verdict.outcome != ChannelOutcome::Broken || !verdict.broken.is_empty();
                told.then(|| verdict.broken.contains(words))
            }
        }
    }
}

impl fmt::Display for Criterion {
    /// `pstore: not saved`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(channel) => write!(f, "{channel}: not {}", channel.good()),
            Self::Order(words) => write!(f, "order broken: {words}"),
            Self::Hang => f.write_str("the guest hangs"),
            Self::Panic(None) => f.write_str("the kernel dies"),
            Self::Panic(Some(words)) => write!(f, "the kernel dies: {words}"),
        }
    }
}

/// What is between the good end and the bad one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SearchSpace {
    /// The commits of a git tree.
    Commits {
        /// The tree.
        tree: PathBuf,
    },
    /// The patches of a variant's series.
    Patches,
    /// Options of the kernel's configuration.
    Options,
}

/// A bisection, as far as it is known when it begins. Its nodes are the cells of its run, in the same order: first the
/// good end, last the bad one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bisected {
    /// What lies between the ends.
    pub between: SearchSpace,
    /// What is looked for.
    pub criterion: Criterion,
    /// Whether what is looked for is where it ceased to happen.
    #[serde(default)]
    pub fixed: bool,
    /// How sure an answer has to be, 0 to 1.
    pub confidence: f64,
    /// Trials in all, at most.
    pub at_most: u32,
    /// The good end, what is between, and the bad end; parents come before children.
    pub nodes: Vec<Node>,
}

/// A kernel of a bisection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What it is called: a commit's hash, a patch's file, an option.
    pub id: String,
    /// One line on it: a commit's subject, what becomes of an option.
    pub subject: String,
    /// What it was made from, by position. Empty of the good end alone.
    pub parents: Vec<usize>,
    /// How likely it was held to be what is looked for before anything was tried, beside the others.
    pub weight: f64,
    /// Trials of another bisection's log that were taken over.
    #[serde(default, skip_serializing_if = "Tally::is_empty")]
    pub earlier: Tally,
    /// The node of which it has the kernel, byte for byte, if it was seen to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<usize>,
}

impl Bisected {
    /// Whether a trial is of the kind that becomes more frequent towards the bad end.
    pub fn event(&self, record: &TrialRecord) -> Option<bool> {
        self.criterion.happened(record).map(|happened| happened != self.fixed)
    }
}
