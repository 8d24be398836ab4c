//! What most subcommands need: the project, what is in it, and where things are kept.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Failure, Global};
use crate::kernel::{self, Base, Variant};
use crate::model::{CellKey, GuestChange, KernelName};
use crate::plan::{Known, Suite};
use crate::project::Project;
use crate::scenario::Scenario;

/// The project with everything its files say.
pub struct Context {
    pub project: Project,
    pub cache: PathBuf,
    pub results: PathBuf,
    pub variants: Vec<Variant>,
    pub bases: Vec<Base>,
    pub scenarios: Vec<Scenario>,
    pub suites: Vec<Suite>,
    variant_names: Vec<String>,
    throw_aways: Vec<String>,
    base_names: Vec<String>,
    crash_kernels: bool,
    /// The scenarios for guests of another shape than they ask for, or why they are not possible there.
    changed: BTreeMap<GuestChange, BTreeMap<String, Result<Scenario, String>>>,
    /// The variants that ask for such guests.
    asking: BTreeMap<String, GuestChange>,
}

impl Context {
    /// Reads the project's files; the first that is not in order is the error.
    pub fn load(global: &Global) -> Result<Self, Failure> {
        let project = project(global)?;
        let variants = kernel::list_variants(&project)?;
        let throw_aways = [kernel::list_throw_aways(&project)?, kernel::list_commits(&project)?].concat();
        let bases = kernel::list_bases(&project)?;
        let scenarios = Scenario::load_all(&project.scenarios())?;
        let suites = Suite::load_all(&project.scenarios().join("suites"))?;
        Ok(Self {
            cache: project.cache().to_owned(),
            results: results(global, &project),
            variant_names: variants.iter().map(|variant| variant.name.clone()).collect(),
            throw_aways,
            base_names: bases.iter().map(|base| base.name.clone()).collect(),
            project,
            variants,
            bases,
            scenarios,
            suites,
            crash_kernels: false,
            changed: BTreeMap::new(),
            asking: BTreeMap::new(),
        })
    }

    /// With a crash kernel in every guest, if that is `asked` for.
    pub fn with_crash_kernels(mut self, asked: bool) -> Self {
        if asked {
            self.scenarios.iter_mut().for_each(Scenario::load_crash_kernel);
        }
        self.crash_kernels = asked;
        self
    }

    /// With the scenarios for guests of the shape that these kernels' variants ask for.
    pub fn with_guests_of(mut self, kernels: &[KernelName]) -> Result<Self, Failure> {
        for KernelName { variant, .. } in kernels {
            let guest = Variant::find(&self.project, variant)?.guest;
            if guest.is_none() {
                continue;
            }
            self.asking.insert(variant.clone(), guest);
            if !self.changed.contains_key(&guest) {
                let scenarios = self.scenarios.iter().map(|it| (it.name.clone(), self.for_guest(&it.name, guest)));
                let scenarios = scenarios.collect();
                self.changed.insert(guest, scenarios);
            }
        }
        Ok(self)
    }

    fn for_guest(&self, scenario: &str, guest: GuestChange) -> Result<Scenario, String> {
        let path = self.project.scenarios().join(format!("{scenario}.yaml"));
        let mut scenario = Scenario::load_for(&path, guest).map_err(|error| error.cause().to_owned())?;
        if self.crash_kernels {
            scenario.load_crash_kernel();
        }
        Ok(scenario)
    }

    /// The scenario of a cell, for the guest that the cell's variant asks for.
    pub fn scenario(&self, cell: &CellKey) -> Result<&Scenario, Failure> {
        match self.changed_for(cell) {
            None => Ok(Scenario::find(&self.scenarios, &cell.scenario)?),
            Some(Ok(scenario)) => Ok(scenario),
            Some(Err(cause)) => Err(Failure::input(format!("{cell} is not possible: {cause}"))),
        }
    }

    /// Why a cell's scenario is not possible with the guest that the cell's variant asks for.
    pub fn impossible(&self, cell: &CellKey) -> Option<&str> {
        self.changed_for(cell)?.as_ref().err().map(String::as_str)
    }

    fn changed_for(&self, cell: &CellKey) -> Option<&Result<Scenario, String>> {
        self.changed.get(self.asking.get(&cell.variant)?)?.get(&cell.scenario)
    }

    /// Takes a base or variant for known that was made since: one of this machine's alone.
    pub fn also(&mut self, name: String) {
        self.throw_aways.push(name);
    }

    /// The names there are, for looking up a selection.
    pub fn known(&self) -> Known<'_> {
        Known {
            variants: &self.variant_names,
            throw_aways: &self.throw_aways,
            bases: &self.base_names,
            scenarios: &self.scenarios,
        }
    }

    /// The base to use when none is named: the only one, or 6.12.
    pub fn default_base(&self) -> String {
        let only = (self.base_names.len() == 1).then(|| self.base_names.first()).flatten();
        only.map_or_else(|| "6.12".to_owned(), Clone::clone)
    }
}

/// The project, as `--project` says or as it is found from here.
pub fn project(global: &Global) -> Result<Project, Failure> {
    if let Some(root) = &global.project {
        if !root.join("guest-kernel/bases.yaml").is_file() {
            return Err(Failure::input(format!(
                "no project in {}: no guest-kernel/bases.yaml there\n\nhint: name the root of a checkout",
                root.display()
            )));
        }
        return Ok(Project::at(root));
    }
    let here = std::env::current_dir().map_err(|e| Failure::host(format!("find the current folder: {e}")))?;
    Project::find(&here).ok_or_else(|| {
        Failure::input(format!(
            "no project at or above {}: no guest-kernel/bases.yaml there\n\nhint: name one with --project DIR",
            here.display()
        ))
    })
}

/// Where runs are kept.
pub fn results(global: &Global, project: &Project) -> PathBuf {
    global.results.clone().unwrap_or_else(|| project.results())
}
