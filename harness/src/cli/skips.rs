//! Cells that cannot be run, for want of something in their kernel.

use std::collections::BTreeMap;

use super::Failure;
use super::context::Context;
use super::execution::Kernels;
use super::stages::{instance, knobs};
use crate::kernel::{Kernel, KernelFacts};
use crate::model::CellKey;
use crate::plan::{Plan, lacks};
use crate::scenario::{Instance, Needs};

/// Marks those cells of the plan as skipped that have no kernel, or whose kernel lacks something that they need.
pub fn skip(context: &Context, kernels: &Kernels, plan: &mut Plan) -> Result<(), Failure> {
    let mut facts = BTreeMap::new();
    plan.skip(|cell| {
        let kernel = kernels.built.iter().find(|kernel| kernel.name() == cell.kernel());
        match kernel {
            Some(kernel) => why_skipped(context, kernel, cell, &mut facts),
            None => Ok(kernels.missing.get(&cell.kernel()).cloned()),
        }
    })?;
    let (all, run) = (plan.cells().len(), plan.cells_to_run().len());
    if run < all {
        eprintln!("skipped: {} of {all} cells, which their kernel or guest is not fit for", all - run);
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
    if let Some(cause) = context.impossible(cell) {
        return Ok(Some(format!("not possible with the guest that the variant asks for: {cause}")));
    }
    let instance = instance(context, cell)?;
    if let Some(reason) = overruled(kernel, instance) {
        return Ok(Some(reason));
    }
    let needs = &instance.needs;
    // Most need nothing, and then nothing has to be read.
    if *needs == Needs::default() {
        return Ok(None);
    }
    if !facts.contains_key(&kernel.key) {
        facts.insert(kernel.key.clone(), KernelFacts::read(kernel)?);
    }
    Ok(facts.get(&kernel.key).and_then(|facts| lacks(needs, facts)))
}

/// What of the variant's settings the scenario sets itself: with it the variant would not be what it is called.
fn overruled(kernel: &Kernel, instance: &Instance) -> Option<String> {
    let paths: Vec<String> = knobs(kernel).into_iter().map(|knob| knob.path).collect();
    let option = |word: &String| word.split('=').next().unwrap_or_default().to_owned();
    let options: Vec<String> = kernel.command_line.iter().map(option).collect();
    let mut set: Vec<String> =
        instance.knobs.iter().map(|knob| knob.path.clone()).filter(|it| paths.contains(it)).collect();
    set.extend(instance.guest.command_line.iter().map(option).filter(|it| options.contains(it)));
    (!set.is_empty()).then(|| format!("the scenario sets {} itself", set.join(", ")))
}
