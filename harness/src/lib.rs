//! What is left of a kernel's log when the kernel dies, with what probability, and does a patch change it?
//!
//! The modules are the stages that data passes through, from left to right; none reaches back:
//!
//! ```text
//! scenario ─> plan ─> kernel ─> guest ─> trial ─> evidence ─> verdict ─> results ─> compare, timeline ─> report
//! ```

pub mod bench;
mod blocking;
pub mod check;
pub mod cli;
pub mod compare;
pub mod embedded;
pub mod explore;
pub mod failure;
pub mod firmware;
pub mod guest;
pub mod history;
pub mod image;
pub mod known;
mod locked;
mod new;
pub mod pack;
pub mod parts;
mod place;
pub mod plan;
pub mod preflight;
pub mod probes;
mod procfs;
pub mod read;
pub mod report;
pub mod reporter;
pub mod results;
pub mod run;
pub mod scenario;
pub mod schedule;
pub mod session;
pub mod svg;
mod text;
pub mod timeline;
pub mod tracer;
pub mod trial;
pub mod verdict;
pub mod waits;

pub use harness_bisect as bisect;
pub use harness_evidence as evidence;
pub use harness_kernel as kernel;
pub use harness_model as model;
pub use harness_project as project;
pub use harness_stats as stats;
pub use harness_yaml as yaml;
