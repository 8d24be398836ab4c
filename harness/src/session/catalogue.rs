//! The project's own files: variants, axes, bases, scenarios, suites. A broken one stops only what needs it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::failure::Failure;
use crate::kernel::{self, Axis, Base, Variant};
use crate::model::{CellKey, GuestChange, KernelName};
use crate::plan::{Known, Suite};
use crate::project::Project;
use crate::scenario::{Instance, Scenario};
use crate::yaml::{Broken, InputError, LookupError, UnknownName};

/// The project with everything its files say.
pub struct Catalogue {
    /// Where they are.
    pub project: Project,
    /// The build cache.
    pub cache: PathBuf,
    /// The variants that are offered to everybody.
    pub variants: Vec<Variant>,
    /// What can be set about a variant.
    pub axes: Vec<Axis>,
    /// The bases that are offered to everybody.
    pub bases: Vec<Base>,
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// The suites.
    pub suites: Vec<Suite>,
    /// What of all these cannot be used, because its file is broken.
    pub broken: Vec<Broken>,
    variant_names: Vec<String>,
    scratch: Vec<String>,
    base_names: Vec<String>,
    crash_kernels: bool,
    /// The scenarios for guests of another shape than they ask for, or why they are not possible there.
    changed: BTreeMap<GuestChange, BTreeMap<String, Result<Scenario, String>>>,
    /// The variants that ask for such guests.
    asking: BTreeMap<String, GuestChange>,
}

impl Catalogue {
    /// Reads the project's files. Those that are not in order are kept apart, each with its error.
    pub fn load(project: Project) -> Result<Self, Failure> {
        let variants = kernel::list_variants(&project);
        let scratch = [kernel::list_scratch_variants(&project)?, kernel::list_commits(&project)?].concat();
        let axes = kernel::list_axes(&project);
        let bases = kernel::list_bases(&project);
        let scenarios = Scenario::list(&project.scenarios());
        let suites = Suite::list(&project.suites());
        let broken = [variants.broken, axes.broken, bases.broken, scenarios.broken, suites.broken].concat();
        Ok(Self {
            cache: project.cache().to_owned(),
            variant_names: variants.good.iter().map(|variant| variant.name.clone()).collect(),
            scratch,
            base_names: bases.good.iter().map(|base| base.name.clone()).collect(),
            project,
            variants: variants.good,
            axes: axes.good,
            bases: bases.good,
            scenarios: scenarios.good,
            suites: suites.good,
            broken,
            crash_kernels: false,
            changed: BTreeMap::new(),
            asking: BTreeMap::new(),
        })
    }

    /// What is broken of this kind, e.g. `scenario`.
    pub fn broken(&self, kind: &str) -> impl Iterator<Item = &Broken> {
        self.broken.iter().filter(move |broken| broken.kind == kind)
    }

    /// That nothing of this kind is broken, for what needs all of it.
    pub fn require_all(&self, kind: &str) -> Result<(), InputError> {
        self.broken(kind).next().map_or(Ok(()), |broken| Err(broken.problems.first().clone()))
    }

    /// The scenario of that name.
    pub fn scenario(&self, name: &str) -> Result<&Scenario, LookupError> {
        self.known().scenario(name)
    }

    /// Says on standard error what may be wrong with these scenarios.
    pub fn warn_of<'a>(&self, scenarios: impl IntoIterator<Item = &'a str>) {
        let chosen = scenarios.into_iter().filter_map(|name| self.scenario(name).ok());
        chosen.filter_map(|scenario| scenario.warning.as_ref()).for_each(|warning| tracing::warn!("{warning}"));
    }

    /// The suite of that name.
    pub fn suite(&self, name: &str) -> Result<&Suite, LookupError> {
        let unknown = || UnknownName::new("suite", name, self.suites.iter().map(Suite::name));
        let found = self.suites.iter().find(|suite| suite.name() == name);
        found.ok_or_else(|| LookupError::of(unknown(), &self.broken))
    }

    /// For each kernel, the ones that have only its first patch, its first two, and so on.
    pub fn patch_by_patch(&self, names: &[KernelName]) -> Result<Vec<KernelName>, Failure> {
        let mut all = Vec::new();
        for name in names {
            let most = Variant::find(&self.project, &name.variant)?.most_patches();
            for last in (1..=most).rev() {
                all.push(KernelName { variant: format!("{}~{last}", name.variant), base: name.base.clone() });
            }
            all.push(name.clone());
        }
        Ok(all)
    }

    /// With a crash kernel in every guest, if that is `asked` for.
    #[must_use]
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
        let mut scenario = Scenario::load_for(&path, guest).map_err(|problems| problems.first().cause().to_owned())?;
        if self.crash_kernels {
            scenario.load_crash_kernel();
        }
        Ok(scenario)
    }

    /// A cell's scenario at its point, for the guest that the cell's variant asks for. The inner error is why there is no
    /// such guest.
    pub fn instance(&self, cell: &CellKey) -> Result<Result<Arc<Instance>, String>, Failure> {
        let scenario = match self.changed_for(cell) {
            None => self.scenario(&cell.scenario)?,
            Some(Ok(scenario)) => scenario,
            Some(Err(cause)) => {
                return Ok(Err(format!("not possible with the guest that the variant asks for: {cause}")));
            }
        };
        let instance = scenario.at(&cell.params);
        let instance = instance.ok_or_else(|| Failure::input(format!("{cell} is no point of its scenario")))?;
        Ok(Ok(Arc::new(instance.clone())))
    }

    fn changed_for(&self, cell: &CellKey) -> Option<&Result<Scenario, String>> {
        self.changed.get(self.asking.get(&cell.variant)?)?.get(&cell.scenario)
    }

    /// Adds the name of a base or variant that was made since, for this machine alone.
    pub fn add_scratch(&mut self, name: String) {
        self.scratch.push(name);
    }

    /// The names there are, for looking up a selection.
    pub fn known(&self) -> Known<'_> {
        Known {
            variants: &self.variant_names,
            scratch: &self.scratch,
            bases: &self.base_names,
            scenarios: &self.scenarios,
            broken: &self.broken,
        }
    }

    /// The base to use when none is named: the only one, or 6.12.
    pub fn default_base(&self) -> String {
        let mut names = self.base_names.iter().chain(self.broken("base").filter_map(|broken| broken.name.as_ref()));
        let only = names.next().filter(|_| names.next().is_none());
        only.map_or_else(|| "6.12".to_owned(), Clone::clone)
    }
}
