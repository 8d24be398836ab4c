//! `harness trial`

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::SystemTime;

use super::context::Context;
use super::crash_kernels::CrashKernels;
use super::run::How;
use super::stages::Stages;
use super::{Failure, Global, Output, build, doctor, inputs, print, print_json, skips};
use crate::guest::Watch;
use crate::model::{ActorStamps, CellKey, Dumped, DumpedCpu, HungCpu, KernelName, TrialOutcome, TrialRecord};
use crate::plan::{self, ParamFilter, Plan, SelectedScenario, Selection};
use crate::preflight;
use crate::results::{Run, Summary};
use crate::run::Work;
use crate::scenario::{PointFilter, Scenario};
use crate::trial;

/// Run one trial with its console shown, and keep everything.
///
/// The console goes to standard error, the verdict to standard output.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  harness trial panic-during-oops-dump --param hold=1500ms --param post_notifiers=0")]
pub struct Arguments {
    /// The scenario
    scenario: String,
    /// The variant to run it on
    #[arg(long, value_name = "NAME", default_value = "stock")]
    variant: String,
    /// The base that the variant is made from [default: 6.12]
    #[arg(long, value_name = "NAME")]
    base: Option<String>,
    /// The value of a parameter (repeatable); the first point that has them all is run
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<ParamFilter>,
    /// Which of its kernel's templates it is restored from, as `trials.jsonl` has it before the colon
    #[arg(long, value_name = "N", default_value_t = 0)]
    template: u32,
    #[command(flatten)]
    how: How,
}

pub async fn main(global: &Global, arguments: Arguments) -> Result<ExitCode, Failure> {
    let context = Context::load(global)?.with_crash_kernels(arguments.how.kdump);
    Scenario::find(&context.scenarios, &arguments.scenario)?;
    let base = arguments.base.clone().unwrap_or_else(|| context.default_base());
    let name = KernelName::parse(&arguments.variant, &base);
    context.known().kernel(&name)?;
    let context = context.with_guests_of(std::slice::from_ref(&name))?;
    let selection = Selection {
        kernels: vec![name.clone()],
        scenarios: vec![SelectedScenario { name: arguments.scenario.clone(), only: PointFilter::default() }],
        params: arguments.param.clone(),
        trials: 1,
    };
    let seed = arguments.how.seed();
    let plan = plan::plan(&selection, &context.known(), seed, None)?;
    let mut trial = plan.trial(0).ok_or_else(|| Failure::host("the plan is empty"))?;
    // Here a seed is the trial's own, as `trials.jsonl` and `junit.xml` show it, so that any trial can be repeated.
    (trial.seed, trial.nonce) = (seed, plan::nonce(seed));
    let cells = std::slice::from_ref(&trial.cell);
    let report = preflight::check(&doctor::options(global)?).await;
    let (machine, qemu_version) = doctor::machine(&report, arguments.how.time)?;
    let kernels = [build::kernel(&context, &name).await?];
    if let Some(reason) = skips::why_skipped(&context, &kernels[0], &trial.cell, &mut BTreeMap::new())? {
        return Err(Failure::input(format!("{} cannot be run: {reason}", trial.cell)));
    }
    let tracer = arguments.how.tracer(&context, &machine).await?;
    let tracer = tracer.as_ref();
    let how = &arguments.how;
    let crash_kernels = CrashKernels::build(&context, &kernels, how).await?;
    let (prepared, number) = ((&kernels[..], &crash_kernels), arguments.template);
    let stages = Stages::prepare(
        &context,
        prepared,
        cells,
        machine,
        &qemu_version,
        how,
        number..number.saturating_add(1),
        tracer,
    )
    .await?;
    let Work { stage, assignment, .. } = stages.work(&context, &trial, 0)?;

    let run = Run::create(&context.results, SystemTime::now())?;
    let made_from = inputs::Inputs {
        kernels: &kernels,
        crash_kernels: &crash_kernels,
        report: &report,
        selection: &selection,
        suite: None,
        how: &arguments.how,
        jobs: 1,
        seed,
        templates: 1,
        traced: tracer.is_some(),
        plan: &Plan::again([CellKey::clone(&trial.cell)], 1, seed, None),
        shard: None,
        until: None,
    };
    run.write_info(&inputs::describe(&context, &run, &made_from)?)?;
    let artifacts = run.create_artifacts(trial.index)?;
    let watch: Watch = Box::new(|bytes| {
        // Somebody who watches and has gone is no reason to end the trial.
        let _ = std::io::stderr().write_all(bytes);
    });
    let record = trial::run(&stage, &assignment, &artifacts, Some(watch)).await;
    run.log()?.append(&record).await?;
    run.write_summary(&Summary::from_trials(run.id(), [&record]))?;
    match global.format {
        Output::Json => print_json(&record)?,
        Output::Text => print(&format!("\n{}\nartifacts: {}\n", shown(&record), artifacts.display()))?,
    }
    Ok(match record.outcome {
        TrialOutcome::InfraError { .. } => Failure::host_code(),
        TrialOutcome::Counted { .. } | TrialOutcome::Missed { .. } => ExitCode::SUCCESS,
    })
}

fn shown(record: &TrialRecord) -> String {
    let mut lines = vec![format!("{} (seed {})", record.cell, record.seed)];
    match &record.outcome {
        TrialOutcome::Counted { hung, channels } => {
            for (channel, verdict) in channels {
                // The detail of an order has several lines.
                let detail = verdict.detail.replace('\n', "\n    ");
                let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
                let log = verdict.log.as_ref().map(|kept| format!("; {kept}")).unwrap_or_default();
                let (outcome, seen, of, what) = (verdict.outcome, verdict.witnesses, verdict.of, channel.witnesses());
                lines.push(format!("  {channel:8} {outcome:9} {seen}/{of} {what}{log}{detail}"));
                if let Some(lost) = verdict.log.as_ref().and_then(|kept| kept.first_lost.as_ref()) {
                    lines.push(format!("    first lost: {lost}"));
                }
            }
            if *hung {
                lines.push(format!("  the guest hung: {}", record.hung_by.as_deref().unwrap_or("it did not end")));
            }
        }
        TrialOutcome::Missed { reason } => lines.push(format!("  missed: {reason}")),
        TrialOutcome::InfraError { cause } => lines.push(format!("  infra-error: {cause}")),
    }
    if let Some(why) = &record.log_unknown {
        lines.push(format!("  what was logged is not known: {why}"));
    }
    if let Some(Dumped { panic_cpu, task, cpus, .. }) = &record.dump {
        for DumpedCpu { cpu, pid, at } in cpus {
            let task = task.as_ref().filter(|_| Some(*cpu) == *panic_cpu).map(|task| format!(" ({task})"));
            lines.push(format!("  in the dump CPU {cpu}, task {pid}{}, is at {at}", task.unwrap_or_default()));
        }
    }
    for HungCpu { cpu, at } in &record.hung_at {
        lines.push(format!("  CPU {cpu} was at {}", looks(at).join("; then at ")));
    }
    let at = |us: Option<u64>| us.map_or_else(|| "never".to_owned(), |us| format!("{}.{:03} ms", us / 1000, us % 1000));
    for ActorStamps { actor, cpu, entered_us, left_us } in &record.stamps {
        lines.push(format!("  {actor:8} on CPU {cpu}: entered {}, left {}", at(*entered_us), at(*left_us)));
    }
    lines.join("\n")
}

/// Looks that saw the same are told once.
fn looks(at: &[String]) -> Vec<String> {
    let told = |same: &[String]| match same {
        [one] => one.clone(),
        same => format!("{} ({} times)", same.first().map_or("", String::as_str), same.len()),
    };
    at.chunk_by(|one, next| one == next).map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChannelOutcome::{Broken, Lost, Saved};
    use crate::model::{Channel, Kept};
    use crate::results::sample::{counted, key, ordered, trial};

    #[test]
    fn what_was_logged_and_kept_is_shown() {
        let mut outcome = counted(Saved, Lost);
        if let TrialOutcome::Counted { channels, .. } = &mut outcome {
            let first_lost = Some("[    5.123456][    T1] witness".to_owned());
            for (channel, kept) in [
                (Channel::Console, Kept { lines: 61, of: 61, first_lost: None }),
                (Channel::Pstore, Kept { lines: 60, of: 61, first_lost }),
            ] {
                channels.entry(channel).and_modify(|verdict| verdict.log = Some(kept));
            }
        }
        let mut record = trial(0, &key("stock", "panic-alone", ""), outcome);
        record.stamps.clear();
        insta::assert_snapshot!(shown(&record), @"
        stock@6.12 panic-alone (seed 18446744073709551615)
          console  saved     32/32 witness lines; 100 % of 61 log lines
          pstore   lost      0/32 witness lines; 98 % of 61 log lines: the panic's own line is missing
            first lost: [    5.123456][    T1] witness
        ");
        record.outcome = counted(Saved, Lost);
        record.log_unknown = Some("the guest has no /sys/kernel/vmcoreinfo (CONFIG_VMCORE_INFO)".to_owned());
        let text = shown(&record);
        assert!(
            text.ends_with(
                "  what was logged is not known: the guest has no /sys/kernel/vmcoreinfo \
                                (CONFIG_VMCORE_INFO)"
            ),
            "{text}"
        );
    }

    #[test]
    fn a_hang_is_shown_with_where_each_cpu_stood() {
        let TrialOutcome::Counted { channels, .. } = counted(Saved, Saved) else { unreachable!("it counts") };
        let hung = TrialOutcome::Counted { hung: true, channels };
        let mut record = trial(0, &key("stock", "panic-alone", ""), hung);
        record.hung_by = Some("quiet 2.9 s: nothing printed".to_owned());
        let at = |at: &[&str]| at.iter().map(|at| (*at).to_owned()).collect();
        record.hung_at = vec![
            HungCpu { cpu: 0, at: at(&["delay_tsc+0x1e < panic+0x207", "panic+0x20c", "panic+0x20c"]) },
            HungCpu { cpu: 1, at: at(&["stop_this_cpu+0x67, halted, interrupts off"; 3]) },
        ];
        insta::assert_snapshot!(shown(&record), @"
        stock@6.12 panic-alone (seed 18446744073709551615)
          console  saved     32/32 witness lines
          pstore   saved     32/32 witness lines
          the guest hung: quiet 2.9 s: nothing printed
          CPU 0 was at delay_tsc+0x1e < panic+0x207; then at panic+0x20c (2 times)
          CPU 1 was at stop_this_cpu+0x67, halted, interrupts off (3 times)
          victim   on CPU 1: entered 0.012 ms, left never
        ");
    }

    #[test]
    fn a_broken_order_is_shown_in_all_its_lines() {
        let outcome = ordered(counted(Saved, Lost), Broken);
        insta::assert_snapshot!(shown(&trial(0, &key("stock", "panic-alone", ""), outcome)), @"
        stock@6.12 panic-alone (seed 18446744073709551615)
          console  saved     32/32 witness lines
          pstore   lost      0/32 witness lines: the panic's own line is missing
          order    broken    1/2 assertions: all other CPUs stopped before kmsg_dump: not stopped by then: CPU 1
              2.718 ms CPU 0: kmsg_dump
          victim   on CPU 1: entered 0.012 ms, left never
        ");
    }
}
