//! Which kernels of a plan are compared with which.

use std::collections::BTreeMap;

use crate::model::{CellKey, KernelName};

/// What kernels are compared with, each with its reference, in the plan's order: on each base the first variant is what the
/// others are compared with, and that variant itself is compared with what it is on the plan's first base. The plan's first
/// kernel has no reference.
pub fn references<'a>(planned: impl IntoIterator<Item = &'a CellKey>) -> Vec<(KernelName, KernelName)> {
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let mut first_base = None;
    let mut references: Vec<(KernelName, KernelName)> = Vec::new();
    for CellKey { variant, base, .. } in planned {
        let first_base = *first_base.get_or_insert(base.as_str());
        let reference = *first.entry(base).or_insert(variant);
        let other = if reference == variant { first_base } else { base };
        let known = references.iter().any(|(kernel, _)| kernel.variant == *variant && kernel.base == *base);
        if !known && (reference != variant || other != base) {
            let [kernel, reference] = [(variant.as_str(), base.as_str()), (reference, other)]
                .map(|(variant, base)| KernelName { variant: variant.to_owned(), base: base.to_owned() });
            references.push((kernel, reference));
        }
    }
    references
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::sample::key;

    #[test]
    fn variants_are_compared_on_their_base_and_the_first_one_over_bases() {
        let cell = |kernel: &str, scenario: &str| {
            let KernelName { variant, base } = KernelName::parse(kernel, "6.12");
            CellKey { base, ..key(&variant, scenario, "") }
        };
        let said = |cells: &[CellKey]| {
            let pairs = references(cells).into_iter().map(|(kernel, reference)| format!("{kernel} with {reference}"));
            pairs.collect::<Vec<_>>().join(", ")
        };
        let cells = ["stock", "a", "stock@6.1", "a@6.1", "stock"].map(|kernel| cell(kernel, "panic-alone"));
        assert_eq!(said(&cells), "a@6.12 with stock@6.12, stock@6.1 with stock@6.12, a@6.1 with stock@6.1");
        let cells = ["x", "y"].map(|scenario| cell("stock", scenario));
        assert_eq!(said(&cells), "");
        assert_eq!(said(&[]), "");
        // A base on which the first base's first variant is not: there is nothing to compare it with, which shows later.
        assert_eq!(said(&[cell("stock", "x"), cell("a@6.1", "x")]), "a@6.1 with a@6.12");
    }
}
