//! The project's own files: variants, bases, scenarios, suites.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::failure::Failure;
use crate::kernel::{self, Base, Variant};
use crate::model::{CellKey, GuestChange, KernelName};
use crate::plan::{Known, Suite};
use crate::project::Project;
use crate::scenario::{Instance, Scenario};

/// The project with everything its files say.
pub struct Catalogue {
    /// Where they are.
    pub project: Project,
    /// The build cache.
    pub cache: PathBuf,
    /// The variants that are offered to everybody.
    pub variants: Vec<Variant>,
    /// The bases that are offered to everybody.
    pub bases: Vec<Base>,
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// The suites.
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

impl Catalogue {
    /// Reads the project's files; the first that is not in order is the error.
    pub fn load(project: Project) -> Result<Self, Failure> {
        let variants = kernel::list_variants(&project)?;
        let throw_aways = [kernel::list_throw_aways(&project)?, kernel::list_commits(&project)?].concat();
        let bases = kernel::list_bases(&project)?;
        let scenarios = Scenario::load_all(&project.scenarios())?;
        let suites = Suite::load_all(&project.scenarios().join("suites"))?;
        Ok(Self {
            cache: project.cache().to_owned(),
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
        let mut scenario = Scenario::load_for(&path, guest).map_err(|error| error.cause().to_owned())?;
        if self.crash_kernels {
            scenario.load_crash_kernel();
        }
        Ok(scenario)
    }

    /// A cell's scenario at its point, for the guest that the cell's variant asks for. The inner error is why there is no
    /// such guest.
    pub fn instance(&self, cell: &CellKey) -> Result<Result<Arc<Instance>, String>, Failure> {
        let scenario = match self.changed_for(cell) {
            None => Scenario::find(&self.scenarios, &cell.scenario)?,
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
    pub fn add_throw_away(&mut self, name: String) {
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
