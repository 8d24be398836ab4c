//! `harness bench`

use std::process::ExitCode;
use std::sync::Arc;

use super::context::Context;
use super::crash_kernels::CrashKernels;
use super::run::{How, Trace};
use super::stages::Stages;
use super::{Failure, Global, Output, build, doctor, print, print_json};
use crate::bench::{Bench, BenchError, Bisections};
use crate::guest::Time;
use crate::model::{CellKey, Params, Phase};
use crate::preflight;
use crate::scenario::Scenario;
use crate::trial::Stage;

/// Measure how fast trials are, beside the least that they could cost.
///
/// For the harness's developers; the machine should have nothing else to do meanwhile.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  harness bench --format json\n  harness bench bisect --runs 2000"
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Trials, and guests of the floor's
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(4..=10_000))]
    trials: u32,
    /// Trials that are booted
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1000))]
    cold_trials: u32,
    /// Guests at a time [default: as `harness run`]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: Option<u32>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// How often a bisection names the right commit, beside what `git bisect` would do: simulated
    Bisect {
        /// Simulated bisections for each row
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        runs: u32,
    },
}

const SCENARIO: &str = "panic-alone";
const VARIANT: &str = "stock";

pub async fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    if let Some(Command::Bisect { runs }) = arguments.command {
        let bisections = Bisections::simulate(runs);
        match global.format {
            Output::Json => print_json(&bisections)?,
            Output::Text => print(&bisections.to_string())?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let context = Context::load(global)?;
    let base = context.default_base();
    let cell = CellKey {
        variant: VARIANT.to_owned(),
        base: base.clone(),
        scenario: SCENARIO.to_owned(),
        params: Params::new(),
    };
    let instance = Scenario::find(&context.scenarios, SCENARIO)?
        .at(&cell.params)
        .cloned()
        .ok_or_else(|| Failure::input(format!("scenario {SCENARIO} has parameters, and the benchmark none")))?;
    let report = preflight::check(&doctor::options(global)?).await;
    let (machine, qemu) = doctor::machine(&report, Time::Real)?;
    let kernels = [build::kernel(&context, &cell.kernel()).await?];
    let cells = [Arc::new(cell)];
    let (time, trace) = (Time::Real, Trace::Auto);
    let how = How {
        seed: None,
        jobs: arguments.jobs,
        time,
        cold: false,
        templates: None,
        phase: Phase::Drawn,
        read_back: false,
        kdump: false,
        crash_kernel: None,
        full_vmcore: false,
        trace,
    };
    let tracer = how.tracer(&context, &machine).await?;
    let crash_kernels = CrashKernels::default();
    let prepare = async |cold, tracer| {
        let how = How { cold, ..how.clone() };
        Stages::prepare(&context, (&kernels[..], &crash_kernels), &cells, machine.clone(), &qemu, &how, 0..1, tracer)
            .await
    };
    let restored = prepare(false, None).await?;
    let stage_traced = match &tracer {
        Some(tracer) => Some(only(&prepare(false, Some(tracer)).await?)?),
        None => None,
    };
    let cold = prepare(true, None).await?;
    let jobs = how.jobs(restored.largest_mib());
    let Arguments { trials, cold_trials, .. } = *arguments;
    let bench = Bench {
        stage: only(&restored)?,
        traced: stage_traced,
        cold: only(&cold)?,
        instance,
        jobs,
        trials,
        cold_trials,
    };
    let figures = bench.take(|line| eprintln!("bench: {line}")).await?;
    match global.format {
        Output::Json => print_json(&figures)?,
        Output::Text => print(&figures.to_string())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn only(stages: &Stages) -> Result<Arc<Stage>, Failure> {
    stages.any().ok_or_else(|| Failure::host("no guest was prepared"))
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        Self::host(error)
    }
}
