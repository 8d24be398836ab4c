//! `harness bench`

use std::process::ExitCode;

use super::project::{catalogue, session};
use super::{Failure, Global, Output, print, print_json};
use crate::bench::{Bench, BenchError, Bisections};
use crate::guest::Time;
use crate::model::{KernelName, Params, Phase};
use crate::session::{AskedAccelerator, Preparation, Rig as _, TrialOptions};

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
    /// What executes the guests
    #[arg(long = "accel", value_enum, default_value_t)]
    accelerator: AskedAccelerator,
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
    let catalogue = catalogue(global)?;
    let name = KernelName { variant: VARIANT.to_owned(), base: catalogue.default_base() };
    let instance = catalogue
        .scenario(SCENARIO)?
        .at(&Params::new())
        .cloned()
        .ok_or_else(|| Failure::input(format!("scenario {SCENARIO} has parameters, and the benchmark none")))?;
    let session = session(global, catalogue, options(arguments)).await?;
    let kernel = session.rig.build(&session.catalogue, &name).await?.map_err(|why| why.failure)?;
    let guests = async |cold, trace| {
        let rig = session.rig.with(TrialOptions { cold, trace, ..session.options.clone() });
        let mut preparation = Preparation::default();
        let guest_sources = rig.guest_sources(&mut preparation, &[(&kernel, &instance)], 0..1).await?;
        preparation.finish(&session.events, &session.cancellation).await?;
        guest_sources.into_iter().next().ok_or_else(|| Failure::host("no guest was prepared"))
    };
    let restored = guests(false, false).await?;
    let traced = if session.rig.traces() { Some(guests(false, true).await?) } else { None };
    let cold = guests(true, false).await?;
    let jobs = session.options.jobs(u64::from(instance.guest.memory_mib));
    let Arguments { trials, cold_trials, .. } = *arguments;
    let bench = Bench { guests: restored, traced, cold, instance, jobs, trials, cold_trials };
    let figures = bench.take(|line| eprintln!("bench: {line}")).await?;
    match global.format {
        Output::Json => print_json(&figures)?,
        Output::Text => print(&figures.to_string())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// As `harness run` has them, in real time.
fn options(&Arguments { jobs, accelerator, .. }: &Arguments) -> TrialOptions {
    TrialOptions {
        seed: 1,
        jobs,
        accelerator,
        time: Time::Real,
        cold: false,
        templates: None,
        phase: Phase::Drawn,
        read_back: false,
        read_back_kernel: None,
        kdump: false,
        crash_kernel: None,
        full_vmcore: false,
        trace: true,
        schedule: None,
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        Self::host(error)
    }
}
