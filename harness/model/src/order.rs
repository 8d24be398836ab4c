//! What a scenario asserts of the order in which a kernel dies.

use std::fmt;
use std::time::Duration;

use super::timeline::{self, StepEdge};

/// A step of a scenario's own: a function that is seen to be entered, as those of the probe set are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnStep {
    /// Its name.
    pub name: String,
    /// The names that the function had over time, of which the first that the kernel has is looked for.
    pub functions: Vec<String>,
    /// Whether its end is seen as well.
    pub returns: bool,
}

/// Something that must be so in a trial's timeline. Only what happens after the faults were fired counts.
///
/// One about a moment that never comes is broken: an assertion that nothing can break would assert nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderAssertion {
    /// One moment comes first, then the other.
    Before {
        /// The one that comes first.
        first: Moment,
        /// The other.
        then: Moment,
    },
    /// Every CPU but the one on which the moment comes is stopped before it.
    StoppedBefore {
        /// The moment.
        moment: Moment,
    },
    /// Some CPU is stopped, and nothing is seen on any CPU after it was.
    NothingAfterStopped,
    /// The moment comes this many times.
    Count {
        /// The moment.
        moment: Moment,
        /// How often.
        times: u32,
    },
    /// From one moment to the next other one on the same CPU it takes no longer. By the host's clock, so it says
    /// something only of a guest in real time.
    Within {
        /// Where it begins.
        from: Moment,
        /// Where it ends.
        to: Moment,
        /// The longest time.
        at_most: Duration,
    },
}

/// The first event of a timeline that is of this kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    /// The step.
    pub step: String,
    /// Which one, where a step has several; empty for any of them.
    pub of: String,
    /// Its beginning or its end.
    pub edge: StepEdge,
    /// A step that the same CPU must have begun before: with `panic`, the dump of the panic and not that of an oops.
    pub after: Option<String>,
}

impl fmt::Display for Moment {
    /// `kmsg_dump end after panic`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        timeline::written(f, &self.step, &self.of, self.edge)?;
        self.after.iter().try_for_each(|after| write!(f, " after {after}"))
    }
}

impl fmt::Display for OrderAssertion {
    /// `panic_cpu before smp_send_stop`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before { first, then } => write!(f, "{first} before {then}"),
            Self::StoppedBefore { moment } => write!(f, "all other CPUs stopped before {moment}"),
            Self::NothingAfterStopped => f.write_str("nothing on a CPU after it was stopped"),
            Self::Count { moment, times: 1 } => write!(f, "{moment} once"),
            Self::Count { moment, times } => write!(f, "{moment} {times} times"),
            Self::Within { from, to, at_most } => write!(f, "from {from} to {to} within {at_most:?}"),
        }
    }
}
