//! What the tracer was told to look for, and what each of its events means.

use harness_trace::Probe;

use harness_model::timeline::{AbsentStep, StepEdge};

/// What an event of a probe means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning {
    /// A step.
    Step {
        /// Its name.
        step: String,
        /// Which one, where a step has several; else empty.
        of: String,
        /// Its beginning or its end.
        edge: StepEdge,
        /// It is no step of the order by which kernels are compared.
        detail: bool,
    },
    /// crashlab writes a stamp; how far into its page tells which.
    Stamp,
}

/// A tracer's probes, and what of a kernel has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probes {
    /// For the tracer.
    pub probes: Vec<Probe>,
    /// What each probe means, in the same order.
    pub meanings: Vec<Meaning>,
    /// Steps, or some of their functions, that this kernel does not have.
    pub absent: Vec<AbsentStep>,
}
