//! What most subcommands need: the project, what is in it, and where things are kept.

use std::path::PathBuf;

use super::{Failure, Global};
use crate::kernel::{self, Base, Variant};
use crate::plan::{Known, Suite};
use crate::project::{Project, cache_dir};
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
    base_names: Vec<String>,
}

impl Context {
    /// Reads the project's files; the first that is not in order is the error.
    pub fn load(global: &Global) -> Result<Self, Failure> {
        let project = project(global)?;
        let variants = kernel::list_variants(&project)?;
        let bases = kernel::list_bases(&project)?;
        let scenarios = Scenario::load_all(&project.scenarios())?;
        let suites = Suite::load_all(&project.scenarios().join("suites"))?;
        Ok(Self {
            cache: cache_dir(),
            results: results(global, &project),
            variant_names: variants.iter().map(|variant| variant.name.clone()).collect(),
            base_names: bases.iter().map(|base| base.name.clone()).collect(),
            project,
            variants,
            bases,
            scenarios,
            suites,
        })
    }

    /// With a crash kernel in every guest, if that is `asked` for.
    pub fn with_crash_kernels(mut self, asked: bool) -> Self {
        if asked {
            self.scenarios.iter_mut().for_each(Scenario::load_crash_kernel);
        }
        self
    }

    /// The names there are, for looking up a selection.
    pub fn known(&self) -> Known<'_> {
        Known { variants: &self.variant_names, bases: &self.base_names, scenarios: &self.scenarios }
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
