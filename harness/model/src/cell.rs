//! Which trials are counted together: the kernel, the scenario, and the point of its sweep.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::pstore;

/// The value of a scenario's parameter at one point of its sweep.
///
/// In JSON a number stays a number; a duration is text with its unit (`"300ms"`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// A plain number.
    Number(i64),
    /// A duration as it was written (`300ms`), or any other word.
    Text(String),
}

impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => n.fmt(f),
            Self::Text(t) => f.pad(t),
        }
    }
}

/// One point of a sweep: every parameter with its value, by name.
pub type Params = BTreeMap<String, ParamValue>;

/// `hold=300ms post_notifiers=0`
pub fn assignments(params: &Params) -> String {
    params.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// A variant of a base, as it is named: `NAME@BASE`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelName {
    /// The variant, with what is set about it.
    pub variant: String,
    /// The base.
    pub base: String,
}

impl KernelName {
    /// Reads `NAME` or `NAME@BASE`; without a base it is `default`.
    pub fn parse(text: &str, default: &str) -> Self {
        let (variant, base) = text.split_once('@').unwrap_or((text, default));
        Self { variant: variant.to_owned(), base: base.to_owned() }
    }
}

impl fmt::Display for KernelName {
    /// `stock@6.12`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.variant, self.base)
    }
}

/// What a variant asks for in place of the guest's shape that a scenario has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct GuestChange {
    /// Virtual CPUs, 1 to 8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// What its pstore writes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pstore: Option<pstore::Backend>,
}

impl GuestChange {
    /// Whether scenarios' guests are as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Which trials are counted together: one variant of one base, one scenario, one point of its sweep.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CellKey {
    /// The variant's name, e.g. `stock`.
    pub variant: String,
    /// The base's name, e.g. `6.12`.
    pub base: String,
    /// The scenario's name.
    pub scenario: String,
    /// The point of the scenario's sweep.
    pub params: Params,
}

impl CellKey {
    /// The kernel.
    pub fn kernel(&self) -> KernelName {
        KernelName { variant: self.variant.clone(), base: self.base.clone() }
    }
}

impl fmt::Display for CellKey {
    /// `stock@6.12 panic-during-oops-dump hold=300ms post_notifiers=0`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{} {}", self.variant, self.base, self.scenario)?;
        for (name, value) in &self.params {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}
