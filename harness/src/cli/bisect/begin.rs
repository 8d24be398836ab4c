//! A new bisection: from the arguments to the run's folder.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::point::Point;
use super::range::Range;
use super::search::{Search, Searched};
use super::workshop::Workshop;
use super::{Arguments, log};
use crate::bisect::{Bisection, History, Options};
use crate::cli::context::Context;
use crate::cli::crash_kernels::CrashKernels;
use crate::cli::inputs::{self, Inputs};
use crate::cli::{Failure, Global, doctor};
use crate::model::Channel;
use crate::model::bisection::{Between, Bisected};
use crate::plan::Plan;
use crate::preflight;
use crate::results::{Run, RunInfo};
use crate::scenario::Scenario;

/// Begins a bisection, and goes on with it to its end.
pub async fn begin(mut context: Context, global: &Global, arguments: &Arguments) -> Result<Searched, Failure> {
    let criterion = arguments.what.criterion();
    let point = Point::of(&context, &arguments.what, &criterion)?;
    let scenario = Scenario::find(&context.scenarios, &point.scenario)?;
    let tags = scenario.tags.clone();
    let words: Vec<&str> = tags.iter().map(String::as_str).chain(arguments.what.channel.map(Channel::name)).collect();
    let Range { between, kernels, nodes } = Range::of(&context, arguments, &words)?;
    if between == Between::Options {
        for kernel in &kernels {
            context.also(kernel.variant.clone());
        }
    }
    let Arguments { fixed, confidence, at_most, .. } = *arguments;
    let mut bisected = Bisected { between, criterion, fixed, confidence, at_most, nodes };
    let mut skipped = BTreeMap::new();
    if let Some(path) = &arguments.replay {
        skipped = log::replay(path, &mut bisected)?;
    }
    let mut variants: Vec<_> = kernels.clone();
    variants.dedup_by(|one, other| one.variant == other.variant);
    // Commits are bases; which one says nothing about the guests.
    context = context.with_guests_of(&variants)?;

    let seed = arguments.how.seed();
    let cells = kernels.iter().cloned().map(|kernel| point.cell(kernel));
    let plan = Plan::again(cells, at_most, seed, None);

    let report = preflight::check(&doctor::options(global)?).await;
    let workshop = Workshop::of(&context, arguments.how.clone(), &report).await?;
    let run = Run::create(&context.results, SystemTime::now())?;
    let selection = point.selection(kernels, at_most);
    let inputs = Inputs {
        kernels: &[],
        crash_kernels: &CrashKernels::default(),
        report: &report,
        selection: &selection,
        suite: None,
        how: &workshop.how,
        jobs: workshop.how.jobs(guest_mib(&context, &plan)?),
        seed,
        templates: workshop.templates,
        traced: workshop.tracer.is_some(),
        plan: &plan,
        shard: None,
        until: None,
    };
    let mut info = inputs::describe(&context, &run, &inputs)?;
    for cell in &mut info.cells {
        // It is measured, not judged.
        cell.expect.clear();
    }
    for (node, reason) in skipped {
        info.cells[node].skip(reason);
    }
    info.bisected = Some(bisected.clone());
    run.write_info(&info)?;
    let log = run.log()?;
    let bisection = core(&bisected, &info)?;
    let begun = vec![0; bisected.nodes.len()];
    let log_file = arguments.log.clone();
    Search { context, workshop, run, info, log, plan, bisected, bisection, begun, log_file }.go().await
}

/// The core, told what another bisection's log and the run's file say.
pub fn core(bisected: &Bisected, info: &RunInfo) -> Result<Bisection, Failure> {
    let parents = bisected.nodes.iter().map(|node| node.parents.clone()).collect();
    let history = History::new(parents).map_err(Failure::input)?;
    let weights = bisected.nodes.iter().map(|node| node.weight).collect();
    let Bisected { confidence, at_most, .. } = *bisected;
    let mut bisection = Bisection::new(history, weights, Options { confidence, at_most, ..Options::default() });
    for (node, earlier) in bisected.nodes.iter().map(|node| node.earlier).enumerate() {
        bisection.record(node, earlier);
    }
    for (node, _) in info.cells.iter().enumerate().filter(|(_, cell)| cell.skipped.is_some()) {
        bisection.skip(node);
    }
    Ok(bisection)
}

/// Memory of a guest, in MiB.
pub fn guest_mib(context: &Context, plan: &Plan) -> Result<u64, Failure> {
    let first = plan.cells().first().ok_or_else(|| Failure::input("nothing to bisect"))?;
    Ok(u64::from(crate::cli::stages::instance(context, first)?.guest.memory_mib))
}
