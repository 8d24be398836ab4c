//! From what a command line asks for to what is run.

use super::Catalogue;
use crate::failure::Failure;
use crate::kernel::CustomBuild;
use crate::model::KernelName;
use crate::plan::{ParamFilter, SelectedScenario, Selection, Suite};
use crate::scenario::PointFilter;

/// Trials of a cell, where neither a suite nor the user says how many.
const TRIALS: u32 = 10;

/// What a command line asks to be run, by name.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The suite, whose own kernels, scenarios and trials are taken where nothing else is asked for.
    pub suite: Option<&'a str>,
    /// The scenarios; of a suite only these.
    pub scenarios: &'a [String],
    /// The variants, each perhaps with a base of its own.
    pub variants: &'a [String],
    /// The bases of those that have none.
    pub bases: &'a [String],
    /// Bases that were made of what the user named. Of variants it is stock then, unless others are named.
    pub named: &'a [String],
    /// A variant that is tried beside the others, on the base of the first.
    pub patched: Option<&'a str>,
    /// How kernels are built, as [`CustomBuild::keep`] says.
    pub build: &'a str,
    /// Values of parameters.
    pub params: &'a [ParamFilter],
    /// Trials of a cell.
    pub trials: Option<u32>,
}

impl Asked<'_> {
    /// What that selects. What of a suite is not asked for may be broken.
    pub fn selection(&self, catalogue: &Catalogue) -> Result<Selection, Failure> {
        let known = catalogue.known();
        let base = catalogue.default_base();
        let suite = self.suite.map(|name| catalogue.suite(name)).transpose()?;
        let mut scenarios = match suite {
            Some(suite) => suite.scenarios(&known, self.scenarios)?,
            None => Vec::new(),
        };
        if !self.scenarios.is_empty() {
            let of_suite = std::mem::take(&mut scenarios);
            for name in self.scenarios {
                catalogue.scenario(name)?;
                let known = of_suite.iter().find(|selected| selected.name == *name);
                let only = known.map_or_else(PointFilter::default, |selected| selected.only.clone());
                scenarios.push(SelectedScenario { name: name.clone(), only });
            }
        }
        let mut kernels = match (self.variants, suite) {
            ([], Some(suite)) if self.named.is_empty() => suite.kernels(&known)?,
            ([], _) => vec![KernelName::parse("stock", &base)],
            (variants, _) => variants.iter().map(|name| KernelName::parse(name, &base)).collect(),
        };
        if let Some(variant) = self.patched {
            let base = kernels.first().map_or(base, |first| first.base.clone());
            kernels.push(KernelName { variant: variant.to_owned(), base });
        }
        let bases = [self.bases, self.named].concat();
        if !bases.is_empty() {
            kernels = self.on_bases(&kernels, &bases);
        }
        for kernel in &mut kernels {
            known.kernel(kernel)?;
            kernel.variant = CustomBuild::name(&kernel.variant, self.build);
        }
        catalogue.warn_of(scenarios.iter().map(|selected| selected.name.as_str()));
        let trials = self.trials.or_else(|| suite.map(Suite::trials)).unwrap_or(TRIALS);
        Ok(Selection { kernels, scenarios, params: self.params.to_vec(), trials })
    }

    /// The kernels on each of the bases, but for those that were asked for with a base of their own.
    fn on_bases(&self, kernels: &[KernelName], bases: &[String]) -> Vec<KernelName> {
        let mut all = Vec::new();
        for kernel in kernels {
            if self.variants.contains(&kernel.to_string()) {
                all.push(kernel.clone());
            } else {
                all.extend(bases.iter().map(|base| KernelName { base: base.clone(), ..kernel.clone() }));
            }
        }
        all
    }
}
