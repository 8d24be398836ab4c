//! The crash kernels of a run, where they are not the kernels under test.

use std::collections::BTreeMap;

use super::context::Context;
use super::run::How;
use super::{Failure, build};
use crate::kernel::Kernel;
use crate::model::KernelName;

/// Of each base of a run the variant that was asked for as crash kernel, built on that base.
#[derive(Debug, Clone, Default)]
pub struct CrashKernels(BTreeMap<String, Kernel>);

impl CrashKernels {
    /// Builds those that go with these kernels, or takes them from the cache; none where none was asked for.
    pub async fn build(context: &Context, kernels: &[Kernel], how: &How) -> Result<Self, Failure> {
        let Some(variant) = &how.crash_kernel else { return Ok(Self::default()) };
        let mut built = BTreeMap::new();
        for (base, name) in names(variant, kernels.iter().map(|kernel| kernel.base.as_str())) {
            built.insert(base, build::kernel(context, &name).await?);
        }
        Ok(Self(built))
    }

    /// The one that is loaded into this kernel.
    pub fn of(&self, kernel: &Kernel) -> Option<&Kernel> {
        self.0.get(&kernel.base)
    }
}

/// By base of a kernel under test, its crash kernel. One that is asked for with a base of its own is the same for all.
fn names<'a>(variant: &str, bases: impl Iterator<Item = &'a str>) -> BTreeMap<String, KernelName> {
    bases.map(|base| (base.to_owned(), KernelName::parse(variant, base))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_base_has_a_crash_kernel_of_its_own() {
        let said = |variant: &str| {
            let names = names(variant, ["6.12", "6.1", "6.12"].into_iter());
            names.iter().map(|(base, name)| format!("{base}: {name}")).collect::<Vec<_>>()
        };
        assert_eq!(said("stock"), ["6.1: stock@6.1", "6.12: stock@6.12"]);
        assert_eq!(said("stock@6.12"), ["6.1: stock@6.12", "6.12: stock@6.12"]);
    }
}
