//! `harness run --resume`

use super::context::Context;
use super::crash_kernels::CrashKernels;
use super::execution::{self, Done, Execution};
use super::inputs::{self, Inputs};
use super::run::How;
use super::stages::Stages;
use super::{Failure, Global, doctor, skips};
use crate::model::KernelName;
use crate::plan::{Plan, SelectedScenario, Selection};
use crate::preflight;
use crate::results::{Difference, Run, RunInfo, SummaryBuilder, first_difference};
use crate::scenario::PointFilter;

/// Runs what is left of a run: trials that are not recorded, and once more those that only failed by our fault.
///
/// Everything that went into the run has to be what it was, down to the kernels' keys; else its trials would not belong
/// together.
pub async fn resume(context: Context, global: &Global, name: &str, asked: &How) -> Result<Done, Failure> {
    let run = Run::find(&context.results, name)?;
    let info = run.info()?;
    if !info.merged_from.is_empty() {
        return Err(Failure::input(format!(
            "run {} was merged from {}\n\nhint: resume those, and merge again",
            run.id(),
            info.merged_from.join(", ")
        )));
    }
    if info.bisected.is_some() {
        let id = run.id();
        return Err(Failure::input(format!("run {id} is a bisection\n\nhint: harness bisect --resume {id}")));
    }
    // Before anything is made: from here on nobody else writes to it.
    let (log, finished) = run.reopen_log()?;
    let mut earlier = SummaryBuilder::default();
    for record in run.trials()? {
        earlier.add(&record?);
    }
    let selection = selection(&info)?;
    let how = How::again(&info, asked.jobs);
    let context = &context.with_crash_kernels(how.kdump).with_guests_of(&selection.kernels)?;
    let cells = info.cells.iter().map(|cell| cell.key.clone());
    let mut plan = Plan::again(cells, info.trials_per_cell, info.seed, info.shard);

    let report = preflight::check(&doctor::options(global)?).await;
    let kernels = execution::kernels(context, &selection.kernels).await?;
    skips::skip(context, &kernels, &mut plan)?;
    let (machine, qemu_version) = doctor::machine(&report, how.time)?;
    let tracer = how.tracer(context, &machine).await?;
    let tracer = tracer.as_ref();
    let crash_kernels = CrashKernels::build(context, &kernels.built, &how).await?;
    let inputs = Inputs {
        kernels: &kernels.built,
        crash_kernels: &crash_kernels,
        report: &report,
        selection: &selection,
        suite: info.suite.as_deref(),
        how: &how,
        jobs: info.jobs,
        seed: info.seed,
        templates: info.qemu.templates,
        traced: tracer.is_some(),
        plan: &plan,
        shard: info.shard,
        until: info.until,
    };
    let now = inputs::describe(context, &run, &inputs)?;
    if let Some(Difference { what, here, there }) = first_difference(&info, &now) {
        return Err(Failure::input(format!(
            "resume run {}: {what} was {here} and is now {there}\n\nhint: put it back as it was, or begin a new run",
            run.id()
        )));
    }
    let (cells, templates) = (plan.cells_to_run(), 0..info.qemu.templates);
    let prepared = (&*kernels.built, &crash_kernels);
    let stages = Stages::prepare(context, prepared, &cells, machine, &qemu_version, &how, templates, tracer).await?;
    let jobs = how.jobs(stages.largest_mib());
    eprintln!("resuming {}: {} trials are recorded", run.id(), finished.len());
    let failed = kernels.failed;
    Execution { context, plan, stages, run, info, log, jobs, failed }.go(finished, earlier).await
}

/// What was selected, as far as it is needed again: the cells are known.
fn selection(info: &RunInfo) -> Result<Selection, Failure> {
    let mut kernels: Vec<KernelName> = Vec::new();
    for cell in &info.cells {
        if !kernels.contains(&cell.key.kernel()) {
            kernels.push(cell.key.kernel());
        }
    }
    if kernels.is_empty() {
        return Err(Failure::input(format!("run {} has no cells", info.run_id)));
    }
    let scenario = |name: &String| SelectedScenario { name: name.clone(), only: PointFilter::default() };
    Ok(Selection {
        kernels,
        scenarios: info.scenarios.iter().map(|file| scenario(&file.name)).collect(),
        params: Vec::new(),
        trials: info.trials_per_cell,
    })
}
