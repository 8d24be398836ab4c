//! `harness trial`

use std::io::Write as _;
use std::process::ExitCode;

use super::options::{BuildArguments, PrebuiltArguments, TrialArguments};
use super::project::{catalogue, project, session};
use super::schedule::ScheduleArguments;
use super::{Failure, Global, HOST, Output, print, print_json};
use crate::guest::Watch;
use crate::kernel::{self, Canceller, CustomBuild};
use crate::model::{KernelName, TrialOutcome};
use crate::plan::{ParamFilter, SelectedScenario, Selection};
use crate::report::trial_text;
use crate::scenario::PointFilter;
use crate::session::Tried;

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
    #[arg(long, value_name = "NAME", conflicts_with = "kernel_image")]
    base: Option<String>,
    /// The kernel that it is made from, as for `run`; of a range the last
    #[arg(long, value_name = "KERNEL", conflicts_with_all = ["base", "kernel_image"])]
    kernel: Option<String>,
    #[command(flatten)]
    prebuilt: PrebuiltArguments,
    /// The value of a parameter (repeatable); the first point that has them all is run
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<ParamFilter>,
    /// Which of its kernel's templates it is restored from, as `trials.jsonl` has it before the colon
    #[arg(long, value_name = "N", default_value_t = 0)]
    template: u32,
    #[command(flatten)]
    built_by: BuildArguments,
    #[command(flatten)]
    trial_as: TrialArguments,
    #[command(flatten)]
    schedule: ScheduleArguments,
}

pub async fn main(global: &Global, arguments: Arguments) -> Result<ExitCode, Failure> {
    let mut options = arguments.trial_as.options();
    let named = match &arguments.kernel {
        Some(kernel) => kernel::bases_named(&project(global)?, kernel, &Canceller::default())?.pop(),
        None => arguments.prebuilt.bases(&project(global)?)?.pop(),
    };
    let catalogue = catalogue(global)?.with_crash_kernels(options.kdump);
    catalogue.scenario(&arguments.scenario)?;
    catalogue.warn_of([arguments.scenario.as_str()]);
    let base = named.or_else(|| arguments.base.clone()).unwrap_or_else(|| catalogue.default_base());
    let mut name = KernelName::parse(&arguments.variant, &base);
    catalogue.known().kernel(&name)?;
    name.variant = CustomBuild::name(&name.variant, &arguments.built_by.suffix(&catalogue.project)?);
    let catalogue = catalogue.with_guests_of(std::slice::from_ref(&name))?;
    let selection = Selection {
        kernels: vec![name],
        scenarios: vec![SelectedScenario { name: arguments.scenario.clone(), only: PointFilter::default() }],
        params: arguments.param.clone(),
        trials: 1,
    };
    arguments.schedule.force(&catalogue, &selection, &mut options)?;
    let watch: Watch = Box::new(|bytes| {
        // Somebody who watches and has gone is no reason to end the trial.
        let _ = std::io::stderr().write_all(bytes);
    });
    let session = session(global, catalogue, options).await?;
    let Tried { record, artifacts } = session.trial(&selection, arguments.template, watch).await?;
    match global.format {
        Output::Json => print_json(&record)?,
        Output::Text => print(&format!("\n{}\nartifacts: {}\n", trial_text(&record), artifacts.display()))?,
    }
    Ok(match record.outcome {
        TrialOutcome::InfraError { .. } => ExitCode::from(HOST),
        TrialOutcome::Counted { .. } | TrialOutcome::Missed { .. } => ExitCode::SUCCESS,
    })
}
