//! Scenarios: which guest, what is injected on which CPU and when, and what must be left of the log.
//!
//! A scenario is a YAML file (`docs/scenarios-format.md`). Reading it gives a [`Scenario`] in which everything is
//! already resolved and checked for every point of its sweep, so that nothing can go wrong later, in the middle of a
//! run:
//!
//! ```text
//! file ─> File (as written) ─> for each point of the sweep: resolve ─> check ─> Instance
//!                                            for each trial: its seed ─> draw ─> Drawn ─> text for the agent
//! ```

mod acting;
mod actor;
mod cast;
mod check;
mod draw;
pub(crate) mod ends;
mod file;
mod filter;
mod guest_text;
mod hinders;
mod instance;
mod needs;
mod order;
mod pstore;
mod resolve;
mod rules;
mod scalar;
mod schema;
mod sweep;
mod units;
mod workload;

use std::path::Path;
use std::time::Duration;

pub use harness_protocol::{EfivarsAccess, EfivarsLoad};

pub use self::actor::{
    Action, Actor, Context, Cpu, Edge, Failing, Lock, Notifier, OopsKind, PrintLimit, Reboot, Span, Start, Stay,
};
use self::cast::Cast;
pub use self::draw::Drawn;
pub(crate) use self::draw::{as_double, of_many, stream};
pub use self::filter::PointFilter;
pub use self::guest_text::Firing;
pub use self::hinders::background as background_hinders;
pub use self::instance::{CrashBoot, EarlierBoots, Guest, Instance, Knob, Needs, online};
pub(crate) use self::instance::{Planned, at_point};
pub(crate) use self::scalar::{Scalar, Where};
pub(crate) use self::schema::{KernelName as KernelNameSchema, Name as NameSchema, Where as WhereSchema};
pub use self::workload::{Program, Workload};
use crate::model::{GuestChange, ParamValue, Params};
use crate::yaml::{InputError, Listed, Problems, Source, UnknownName};

/// A scenario, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// Its name, which is also its file's name without `.yaml`.
    pub name: String,
    /// What happens, in one line.
    pub title: String,
    /// Why it is worth running, in prose.
    pub why: String,
    /// Where the case comes from: a mail, a commit, a bug report.
    pub source: String,
    /// Words to select it by.
    pub tags: Vec<String>,
    /// The parameters of the sweep with their values, both in the order of the file.
    pub parameters: Vec<Parameter>,
    /// SHA-256 of the file, or of its and its program's; lowercase hex.
    pub digest: String,
    /// What may be wrong with it.
    pub warning: Option<InputError>,
    instances: Vec<Instance>,
}

/// What a crash kernel takes, in MiB: 24 are enough for one of 6.12 with the agent, and leave it 6; with 20 it does not
/// come up.
const CRASHKERNEL_MIB: u32 = 32;

/// A parameter of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// What `$name` refers to.
    pub name: String,
    /// Its values, none of them twice.
    pub values: Vec<ParamValue>,
}

impl Scenario {
    /// Has a crash kernel loaded at every point where there is none. What is expected there is for a kernel that dies
    /// without, and is left out.
    pub fn load_crash_kernel(&mut self) {
        for instance in self.instances.iter_mut().filter(|instance| instance.guest.crashkernel_mib.is_none()) {
            instance.guest.crashkernel_mib = Some(CRASHKERNEL_MIB);
            instance.expectations.clear();
        }
    }

    /// The scenario in the file at `path`.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        Self::parse(&Source::read(path)?)
    }

    /// The scenario in the file at `path`, for another guest than it asks for. What it expects is of its own guest, and is
    /// left out.
    pub fn load_for(path: &Path, guest: GuestChange) -> Result<Self, Problems> {
        let source = Source::read(path)?;
        let mut scenario = resolve::scenario(&source, &source.parse()?, guest)?;
        scenario.instances.iter_mut().for_each(|instance| instance.expectations.clear());
        Ok(scenario)
    }

    /// The scenario in `source`; the file's name counts, as the scenario must be named like it.
    pub fn parse(source: &Source) -> Result<Self, Problems> {
        resolve::scenario(source, &source.parse()?, GuestChange::default())
    }

    /// The scenarios in the folder `dir` (its `*.yaml`), by name.
    pub fn list(dir: &Path) -> Listed<Self> {
        Listed::of_folder("scenario", dir, Self::load)
    }

    /// The scenario called `name` among `all`.
    pub fn find<'a>(all: &'a [Self], name: &str) -> Result<&'a Self, UnknownName> {
        all.iter()
            .find(|scenario| scenario.name == name)
            .ok_or_else(|| UnknownName::new("scenario", name, all.iter().map(|scenario| scenario.name.as_str())))
    }

    /// Every point of the sweep, the last parameter of the file varying fastest. One empty point if nothing is swept.
    pub fn points(&self) -> Vec<Params> {
        self.instances.iter().map(|instance| instance.params.clone()).collect()
    }

    /// The scenario with its parameters fixed; `None` if `params` is none of its [`points`](Self::points).
    pub fn at(&self, params: &Params) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.params == *params)
    }
}

/// The JSON Schema of a scenario file.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(file::File).to_value()
}

/// The time that is written like this, `300ms`; `None` if none is.
pub fn duration(text: &str) -> Option<Duration> {
    units::duration(text).ok()
}

#[cfg(test)]
pub(crate) mod tests;
