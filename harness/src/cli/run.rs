//! `harness run`

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use super::compare::Compared;
use super::options::{BuildArguments, TreeArguments, TrialArguments};
use super::page::PageArguments;
use super::project::{catalogue, project, results, session};
use super::reports::ReportArguments;
use super::schedule::ScheduleArguments;
use super::{FOUND, Failure, Global, Output, outcome};
use crate::compare::{self, Side};
use crate::kernel::{self, TreeBases};
use crate::pack;
use crate::plan::{ArrayJob, ParamFilter, Shard, ShardChoice};
use crate::results::{Run, Until};
use crate::session::{Asked, Catalogue, Request, Resumable, RunOutcome, TrialOptions};

/// Run a suite, or chosen scenarios on chosen variants.
///
/// Every trial is on disk before its successor begins; Ctrl-C finishes what is running, a second one does not. What was
/// not run, for whatever reason, is run by --resume.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  harness run --suite quick\n  harness run --variant stock --scenario panic-alone --trials 20\n  \
                  harness run --suite quick --until decided\n  harness run --tree ~/linux --against v6.12\n  \
                  harness run --suite quick --kconfig /boot/config-6.12.48+deb13-amd64\n  \
                  harness run --kernel-image arch/x86/boot/bzImage --kernel-build .\n  harness run --resume latest"
)]
pub struct Arguments {
    /// The suite to run [default: the pack's]
    #[arg(long, value_name = "NAME", required_unless_present_any = ["scenario", "tree", "kernel", "kernel_image", "resume", "pack"])]
    suite: Option<String>,
    /// A scenario to run (repeatable; with --suite: only these of it)
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// A variant to run them on (repeatable), perhaps with a setting, as in `stock+post_notifiers=1`, or a base, as in
    /// `stock@6.1` [default: the suite's, else stock]
    #[arg(long, value_name = "NAME")]
    variant: Vec<String>,
    /// A base that the variants are made from (repeatable), but for those that name their own [default: the suite's,
    /// else 6.12]
    #[arg(long, value_name = "NAME")]
    base: Vec<String>,
    /// Only points with this value of a parameter (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<ParamFilter>,
    /// Trials in each cell [default: the suite's, else 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    trials: Option<u32>,
    /// Run one of several parts of the plan, to be joined by `harness merge`: 3/16, or auto for what the environment
    /// says (Slurm array, GitLab parallel; auto/16 for a Kubernetes indexed job)
    #[arg(long, value_name = "I/N|auto", requires = "seed")]
    shard: Option<ShardChoice>,
    /// How many trials: `decided` runs more of each cell until it is clear whether the variants differ from the first
    /// one (of one variant: whether its expectations are met)
    #[arg(long, value_name = "WHEN", conflicts_with_all = ["trials", "shard"])]
    until: Option<UntilChoice>,
    /// With --until: the share of false verdicts among all that are given
    #[arg(long, value_name = "RATE", default_value_t = compare::Options::default().alpha, value_parser = share)]
    error_rate: f64,
    /// With --until: shares that differ by less are the same
    #[arg(long, value_name = "SHARE", default_value_t = compare::Options::default().margin, value_parser = share)]
    margin: f64,
    /// With --until: no cell gets more trials than this
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    at_most: u32,
    /// Run what is left of a run: its id, its folder, or `latest`. Everything but --jobs is as it was then
    #[arg(long, value_name = "RUN", conflicts_with_all = ["suite", "scenario", "variant", "base", "patch", "tree", "kernel", "kernel_image", "param", "trials", "shard",
          "until", "kconfig", "make_arg", "seed", "accelerator", "time", "cold", "templates", "phase", "read_back", "read_back_kernel", "kdump", "crash_kernel", "full_vmcore", "schedule"])]
    resume: Option<String>,
    /// A patch, or a series as `variant add` takes it, to try on stock, beside the variants (repeatable: all of them together,
    /// in this order)
    #[arg(long, value_name = "FILE")]
    patch: Vec<PathBuf>,
    #[command(flatten)]
    of: TreeArguments,
    #[command(flatten)]
    built_by: BuildArguments,
    #[command(flatten)]
    trials_as: TrialArguments,
    #[command(flatten)]
    schedule: ScheduleArguments,
    #[command(flatten)]
    reported: ReportArguments,
    #[command(flatten)]
    page: PageArguments,
}

/// When a run has enough trials.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum UntilChoice {
    /// When every cell is decided.
    Decided,
}

/// A share strictly between none and all.
pub fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if 0.0 < share && share < 1.0 => Ok(share),
        _ => Err("it must lie between 0 and 1".to_owned()),
    }
}

pub async fn main(global: &Global, arguments: Arguments) -> Result<ExitCode, Failure> {
    let (outcome, tree) = match &arguments.resume {
        Some(name) => (resume(global, name, &arguments).await?, None),
        None => begin(global, &arguments).await?,
    };
    arguments.reported.tell(&outcome, global.format)?;
    arguments.page.write(&outcome.run, global.format)?;
    outcome::print_how_to_resume(&outcome);
    if let Some(tree) = tree.filter(|_| global.format == Output::Text)
        && compare(&outcome, &tree)?
    {
        return Ok(ExitCode::from(FOUND));
    }
    Ok(outcome::exit_code(&outcome))
}

/// Compares what is in a tree with what it began with, variant by variant. Whether something got worse.
fn compare(outcome: &RunOutcome, TreeBases { against, candidate }: &TreeBases) -> Result<bool, Failure> {
    let results = outcome.run.folder().parent().unwrap_or(outcome.run.folder());
    let variants: BTreeSet<&str> = outcome.summary.cells.iter().map(|cell| cell.key.variant.as_str()).collect();
    let mut regressed = false;
    for variant in variants {
        let side = |base: &str| Side::parse(&format!("{variant}@{base}"))?.or_run(outcome.run.id()).load(results);
        let (base, candidate) = (side(against)?, side(candidate)?);
        let compared = Compared::of(&base, &candidate, compare::Options::default())?;
        compared.print(&base, &candidate, Output::Text)?;
        regressed |= compared.comparison.regressed();
    }
    Ok(regressed)
}

async fn begin(global: &Global, arguments: &Arguments) -> Result<(RunOutcome, Option<TreeBases>), Failure> {
    let project = project(global)?;
    let (tree, named) = arguments.of.bases(&project)?;
    // What is made of the patches is one of the variants that are there.
    let patched = match arguments.patch.as_slice() {
        [] => None,
        patches => {
            let scratch = kernel::scratch_variant(&project.scratch_variants(), patches)?;
            for left in &scratch.left_out {
                eprintln!("left out: {left}");
            }
            Some(scratch.name)
        }
    };
    let (mut options, reports) = (arguments.trials_as.options(), arguments.reported.options()?);
    let catalogue = catalogue(global)?.with_crash_kernels(options.kdump);
    let build = arguments.built_by.suffix(&catalogue.project)?;
    // A pack is made for a suite; a tree, or a kernel, is tried by the quick one.
    let suite = match &arguments.suite {
        None if arguments.scenario.is_empty() => {
            pack::suite_of(&catalogue.project).or_else(|| arguments.of.any().then(|| "quick".to_owned()))
        }
        suite => suite.clone(),
    };
    let suite = suite.as_deref();
    let asked = Asked {
        suite,
        scenarios: &arguments.scenario,
        variants: &arguments.variant,
        bases: &arguments.base,
        named: &named,
        patched: patched.as_deref(),
        build: &build,
        params: &arguments.param,
        trials: arguments.trials,
    };
    let mut selection = asked.selection(&catalogue)?;
    let catalogue = catalogue.with_guests_of(&selection.kernels)?;
    let shard = shard(arguments.shard)?;
    let Arguments { error_rate, margin, at_most, .. } = *arguments;
    let until = arguments.until.map(|UntilChoice::Decided| Until { error_rate, margin, at_most });
    if let Some(Until { at_most, .. }) = until {
        selection.trials = at_most;
    }
    arguments.schedule.force(&catalogue, &selection, &mut options)?;
    let mut session = session(global, catalogue, options).await?;
    session.reports = reports;
    Ok((session.run(Request { selection: &selection, suite, shard, until }).await?, tree))
}

async fn resume(global: &Global, name: &str, arguments: &Arguments) -> Result<RunOutcome, Failure> {
    let reports = arguments.reported.options()?;
    let project = project(global)?;
    let resumable = Resumable::open(Run::find(&results(global, &project), name)?)?;
    let options = TrialOptions::again(resumable.info(), arguments.trials_as.jobs());
    let catalogue = Catalogue::load(project)?.with_crash_kernels(options.kdump).with_guests_of(&resumable.kernels())?;
    let mut session = session(global, catalogue, options).await?;
    session.reports = reports;
    session.resume(resumable).await
}

/// The part of the plan that is run here. Nothing is left out unasked, but who forgot to ask is told.
fn shard(choice: Option<ShardChoice>) -> Result<Option<Shard>, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    if let Some(choice) = choice {
        return choice.shard(environment).map(Some).map_err(Failure::input);
    }
    if let Some(job) = ArrayJob::detect(environment) {
        let variable = job.variable();
        eprintln!("note: in a {job} ({variable} is set) without --shard each task runs the whole plan");
    }
    Ok(None)
}
