//! What has to be true of a trial's faults for it to count.

use std::time::Duration;

/// A condition on the stamps of a trial; one that does not meet it is `missed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// The actor entered its critical section.
    Entered {
        /// The actor.
        actor: String,
    },
    /// The actor entered while another was inside its critical section: not before it entered, and before it left. A
    /// section of no length is only asked to have been entered before.
    EntersDuring {
        /// The one that enters.
        actor: String,
        /// The one that is inside.
        of: String,
    },
    /// The actor left its critical section.
    Left {
        /// The actor.
        actor: String,
    },
    /// The actor entered its critical section and never left it.
    NeverLeft {
        /// The actor.
        actor: String,
    },
    /// Two actors entered at most `at_most` apart, whichever was the first.
    Apart {
        /// One of them.
        actor: String,
        /// The other one.
        from: String,
        /// The longest time between.
        at_most: Duration,
    },
}
