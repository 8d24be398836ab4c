//! `harness bisect --resume`

use super::Arguments;
use super::begin::core;
use super::search::{Search, Searched};
use super::workshop::Workshop;
use crate::bisect::Tallies;
use crate::cli::context::Context;
use crate::cli::run::How;
use crate::cli::{Failure, Global, doctor};
use crate::model::KernelName;
use crate::plan::Plan;
use crate::preflight;
use crate::results::{FileDigest, Run};
use crate::scenario::Scenario;

/// Goes on with a bisection, by what its run's folder says: every trial that was finished is there.
pub async fn resume(context: Context, global: &Global, name: &str, arguments: &Arguments) -> Result<Searched, Failure> {
    let run = Run::find(&context.results, name)?;
    let info = run.info()?;
    let Some(bisected) = info.bisected.clone() else {
        return Err(Failure::input(format!("run {} is no bisection\n\nhint: harness run --resume {name}", run.id())));
    };
    for FileDigest { name, sha256 } in &info.scenarios {
        if Scenario::find(&context.scenarios, name)?.digest != *sha256 {
            let hint = "put it back as it was, or begin anew with --replay";
            return Err(Failure::input(format!("scenario {name} is not what it was in {}\n\nhint: {hint}", run.id())));
        }
    }
    // Before anything is made: from here on nobody else writes to it.
    let (log, _) = run.reopen_log()?;
    let nodes = bisected.nodes.len();
    let (mut begun, mut tallies) = (vec![0; nodes], vec![Tallies::default(); nodes]);
    for record in run.trials()? {
        let record = record?;
        let (node, ordinal) = (record.index % nodes as u64, record.index / nodes as u64);
        let Ok(node) = usize::try_from(node) else { continue };
        begun[node] = begun[node].max(u32::try_from(ordinal + 1).unwrap_or(u32::MAX));
        if let Some(event) = bisected.event(&record.outcome) {
            tallies[node].count(event, record.template.as_deref());
        }
    }
    let mut bisection = core(&bisected, &info)?;
    for (node, tallies) in tallies.into_iter().enumerate() {
        bisection.record(node, tallies);
    }
    let how = How::again(&info, arguments.how.jobs);
    let mut kernels: Vec<KernelName> = info.cells.iter().map(|cell| cell.key.kernel()).collect();
    kernels.dedup_by(|one, other| one.variant == other.variant);
    let context = context.with_crash_kernels(how.kdump).with_guests_of(&kernels)?;
    let plan = Plan::again(info.cells.iter().map(|cell| cell.key.clone()), info.trials_per_cell, info.seed, None);
    let report = preflight::check(&doctor::options(global)?).await;
    let workshop = Workshop::of(&context, how, &report).await?;
    let log_file = arguments.log.clone();
    Search { context, workshop, run, info, log, plan, bisected, bisection, begun, log_file }.go().await
}
