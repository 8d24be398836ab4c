//! Cells that cannot be run, for want of something in their kernel.

use std::collections::BTreeMap;

use super::Failure;
use super::context::Context;
use super::stages::instance;
use crate::kernel::{Kernel, KernelFacts};
use crate::model::CellKey;
use crate::plan::{Plan, lacks};
use crate::scenario::Needs;

/// Marks those cells of the plan as skipped whose kernel lacks something that they need.
pub fn skip(context: &Context, kernels: &[Kernel], plan: &mut Plan) -> Result<(), Failure> {
    let mut facts = BTreeMap::new();
    plan.skip(|cell| {
        let kernel = kernels.iter().find(|kernel| kernel.variant == cell.variant && kernel.base == cell.base);
        kernel.map_or(Ok(None), |kernel| why_skipped(context, kernel, cell, &mut facts))
    })?;
    let (all, run) = (plan.cells().len(), plan.cells_to_run().len());
    if run < all {
        eprintln!("skipped: {} of {all} cells need what their kernel does not have", all - run);
    }
    Ok(())
}

/// Why a cell cannot be run on a kernel; `facts` are those of kernels that were read before, by their keys.
pub fn why_skipped(
    context: &Context,
    kernel: &Kernel,
    cell: &CellKey,
    facts: &mut BTreeMap<String, KernelFacts>,
) -> Result<Option<String>, Failure> {
    let needs = &instance(context, cell)?.needs;
    // Most need nothing, and then nothing has to be read.
    if *needs == Needs::default() {
        return Ok(None);
    }
    if !facts.contains_key(&kernel.key) {
        facts.insert(kernel.key.clone(), KernelFacts::read(kernel)?);
    }
    Ok(facts.get(&kernel.key).and_then(|facts| lacks(needs, facts)))
}
