//! `harness run`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use super::context::{Context, project};
use super::execution::{self, New};
use super::interrupts::unless_interrupted;
use super::{Failure, Global, doctor, resume};
use crate::compare;
use crate::guest::{Machine, Time};
use crate::kernel;
use crate::model::{KernelName, Phase};
use crate::plan::{ArrayJob, ParamFilter, SelectedScenario, Selection, Shard, ShardChoice};
use crate::preflight;
use crate::results::{QemuInfo, RunInfo, Until};
use crate::run::default_jobs;
use crate::scenario::{PointFilter, Scenario};
use crate::tracer::Tracer;

/// Run a suite, or chosen scenarios on chosen variants.
///
/// Every trial is on disk before its successor begins; Ctrl-C finishes what is running, a second one does not. What was
/// not run, for whatever reason, is run by --resume.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  harness run --suite quick\n  harness run --variant stock --scenario panic-alone --trials 20\n  \
                  harness run --suite quick --until decided\n  harness run --resume latest"
)]
pub struct Arguments {
    /// The suite to run
    #[arg(long, value_name = "NAME", required_unless_present_any = ["scenario", "resume"])]
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
    /// How many trials: `decided` goes on with each cell until it is clear whether the variants differ from the first
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
    #[arg(long, value_name = "RUN", conflicts_with_all = ["suite", "scenario", "variant", "base", "patch", "param", "trials", "shard",
          "until", "seed", "time", "cold", "templates", "phase", "read_back", "kdump", "crash_kernel", "full_vmcore"])]
    resume: Option<String>,
    /// A patch to try, on stock, beside the variants (repeatable: all of them together, in this order)
    #[arg(long, value_name = "FILE")]
    patch: Vec<PathBuf>,
    #[command(flatten)]
    how: How,
}

/// When a run has enough trials.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum UntilChoice {
    /// When every cell is decided.
    Decided,
}

/// How trials are run.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct How {
    /// What every trial's seed is derived from; of `trial`: the trial's own seed [default: the clock]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How many CPUs of guests may be busy at a time: a guest counts once, or as often as CPUs of it are busy at once
    /// [default: the number of processors, less if memory is short]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub jobs: Option<u32>,
    /// How time passes in the guest
    #[arg(long, value_enum, default_value_t = Time::Real)]
    pub time: Time,
    /// Boot every trial from its first instruction instead of restoring a guest that is booted already
    #[arg(long)]
    pub cold: bool,
    /// How many booted guests are saved for each kernel, for trials to be restored from in turn. What one boot decided by
    /// chance is in every trial that is restored from it [default: one for every five trials of a cell, 8 at most]
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=64), conflicts_with = "cold")]
    pub templates: Option<u32>,
    /// Whether each trial draws, from its seed, how its faults lie against timer ticks and the turns of the CPUs; `fixed`
    /// is for debugging
    #[arg(long, value_enum, default_value_t)]
    pub phase: Phase,
    /// After each trial of which pstore has something, boot the same kernel again and see whether it can read that
    #[arg(long)]
    pub read_back: bool,
    /// Load a crash kernel in every guest, also where the scenario has none. What such a scenario expects is not judged:
    /// the kernel dies in another way then
    #[arg(long)]
    pub kdump: bool,
    /// The variant that is the crash kernel, where one is loaded [default: the kernel under test]
    #[arg(long, value_name = "NAME")]
    pub crash_kernel: Option<String>,
    /// Keep all of the dead kernel's memory, where a crash kernel can read it; as large as the guest's
    #[arg(long)]
    pub full_vmcore: bool,
    /// Whether to record what the guests' CPUs do, from outside
    #[arg(long, value_enum, default_value_t = Trace::Auto)]
    pub trace: Trace,
}

/// Trials of a cell for which a template is made, if it is not said how many there are to be.
const TRIALS_PER_TEMPLATE: u32 = 5;

/// The most templates that are made of each guest unless more are asked for: each takes seconds and some 31 MB.
const MAX_TEMPLATES: u32 = 8;

/// Whether guests are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Trace {
    /// If this machine can.
    Auto,
    /// No.
    Off,
}

impl How {
    /// The seed that was asked for, or one from the clock.
    pub fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            // Below 2^53, so that every reader of JSON keeps it whole.
            (since.as_secs() ^ (u64::from(since.subsec_nanos()) << 20)) & ((1 << 53) - 1)
        })
    }

    /// How trials of a run that was begun before are run; only how many at a time may be another.
    pub fn again(info: &RunInfo, jobs: Option<u32>) -> Self {
        let QemuInfo { cold, phase, templates, read_back, kdump, full_vmcore, .. } = info.qemu;
        let time = if info.qemu.time == Time::Virtual.to_string() { Time::Virtual } else { Time::Real };
        let trace = if info.qemu.traced { Trace::Auto } else { Trace::Off };
        let crash_kernel = info.qemu.crash_kernel.clone();
        let (seed, templates) = (Some(info.seed), Some(templates));
        Self { seed, jobs, time, cold, templates, phase, read_back, kdump, crash_kernel, full_vmcore, trace }
    }

    /// The arguments that say the same, but for the number of jobs.
    pub fn words(&self) -> Vec<String> {
        let Self { seed, jobs: _, time, cold, templates, phase, read_back, kdump, crash_kernel, full_vmcore, trace } =
            self;
        let mut words = Vec::new();
        let mut add = |option: &str, value: Option<String>| {
            words.push(option.to_owned());
            words.extend(value);
        };
        add("--time", Some(time.to_string()));
        match templates {
            _ if *cold => add("--cold", None),
            Some(templates) => add("--templates", Some(templates.to_string())),
            None => {}
        }
        if *phase != Phase::default() {
            add("--phase", Some(phase.to_string()));
        }
        if *read_back {
            add("--read-back", None);
        }
        if *kdump {
            add("--kdump", None);
        }
        if let Some(variant) = crash_kernel {
            add("--crash-kernel", Some(variant.clone()));
        }
        if *full_vmcore {
            add("--full-vmcore", None);
        }
        if *trace == Trace::Off {
            add("--trace", Some("off".to_owned()));
        }
        if let Some(seed) = seed {
            add("--seed", Some(seed.to_string()));
        }
        words
    }

    /// The number of templates that `trials` trials of a cell are spread over: as asked for, or by default.
    pub fn templates(&self, trials: u32) -> u32 {
        match self.templates {
            Some(asked) if asked > trials => {
                eprintln!("note: {trials} trials of a cell cannot be spread over {asked} templates: {trials} are made");
                trials.max(1)
            }
            Some(asked) => asked,
            None => (trials / TRIALS_PER_TEMPLATE).clamp(1, MAX_TEMPLATES),
        }
    }

    /// What the guests of this machine are traced with. Where that cannot be, the run goes on without, and says so.
    pub async fn tracer(&self, context: &Context, machine: &Machine) -> Result<Option<Tracer>, Failure> {
        if self.trace == Trace::Off {
            return Ok(None);
        }
        let finding = Tracer::find(&context.project, &context.cache, machine);
        let found = unless_interrupted("the tracer was being built", finding).await?;
        Ok(found.inspect_err(|why| tracing::warn!("there will be no timelines: {why}")).ok())
    }

    /// The busy CPUs at a time that were asked for, or that fit this machine and guests of this size.
    pub fn jobs(&self, guest_mib: u64) -> u32 {
        self.jobs.unwrap_or_else(|| {
            let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            default_jobs(processors, super::inputs::available_mib(), guest_mib)
        })
    }
}

/// A share strictly between none and all.
pub fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if 0.0 < share && share < 1.0 => Ok(share),
        _ => Err("it must lie between 0 and 1".to_owned()),
    }
}

pub async fn main(global: &Global, arguments: Arguments) -> Result<ExitCode, Failure> {
    // What is made of the patches is one of the variants that are there.
    let patched = match arguments.patch.as_slice() {
        [] => None,
        patches => Some(kernel::throw_away(&project(global)?.throw_away(), patches)?),
    };
    let context = Context::load(global)?.with_crash_kernels(arguments.how.kdump);
    let done = if let Some(run) = &arguments.resume {
        resume::resume(context, global, run, &arguments.how).await?
    } else {
        let mut selection = selection(&context, &arguments, patched)?;
        let context = context.with_guests_of(&selection.kernels)?;
        let shard = shard(arguments.shard)?;
        let Arguments { error_rate, margin, at_most, .. } = arguments;
        let until = arguments.until.map(|UntilChoice::Decided| Until { error_rate, margin, at_most });
        if let Some(Until { at_most, .. }) = until {
            selection.trials = at_most;
        }
        let report = preflight::check(&doctor::options(global)?).await;
        let suite = arguments.suite.as_deref();
        let new = New { selection: &selection, suite, shard, until, how: &arguments.how, report: &report };
        execution::begin(&context, new).await?
    };
    done.print(global.format)?;
    done.print_how_to_resume();
    Ok(done.exit_code())
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

/// What the arguments select, with the suite's own as defaults.
fn selection(context: &Context, arguments: &Arguments, patched: Option<String>) -> Result<Selection, Failure> {
    let known = context.known();
    let mut selection = match &arguments.suite {
        Some(name) => suite(context, name)?,
        None => Selection {
            kernels: vec![KernelName::parse("stock", &context.default_base())],
            scenarios: Vec::new(),
            params: Vec::new(),
            trials: 10,
        },
    };
    if !arguments.scenario.is_empty() {
        let of_suite = std::mem::take(&mut selection.scenarios);
        for name in &arguments.scenario {
            Scenario::find(known.scenarios, name)?;
            let known = of_suite.iter().find(|selected| selected.name == *name);
            let only = known.map_or_else(PointFilter::default, |selected| selected.only.clone());
            selection.scenarios.push(SelectedScenario { name: name.clone(), only });
        }
    }
    if !arguments.variant.is_empty() {
        let base = context.default_base();
        selection.kernels = arguments.variant.iter().map(|name| KernelName::parse(name, &base)).collect();
    }
    if let Some(variant) = patched {
        let base = selection.kernels.first().map_or_else(|| context.default_base(), |first| first.base.clone());
        selection.kernels.push(KernelName { variant, base });
    }
    if !arguments.base.is_empty() {
        selection.kernels = on_bases(&selection.kernels, &arguments.variant, &arguments.base);
    }
    for kernel in &selection.kernels {
        known.kernel(kernel)?;
    }
    if let Some(trials) = arguments.trials {
        selection.trials = trials;
    }
    selection.params.clone_from(&arguments.param);
    Ok(selection)
}

/// The kernels on each of these bases, but for those that were asked for with a base of their own.
fn on_bases(kernels: &[KernelName], asked: &[String], bases: &[String]) -> Vec<KernelName> {
    let mut all = Vec::new();
    for kernel in kernels {
        if asked.contains(&kernel.to_string()) {
            all.push(kernel.clone());
        } else {
            all.extend(bases.iter().map(|base| KernelName { base: base.clone(), ..kernel.clone() }));
        }
    }
    all
}

/// A suite's selection.
pub fn suite(context: &Context, name: &str) -> Result<Selection, Failure> {
    let found = context.suites.iter().find(|suite| suite.name() == name);
    let suite = found.ok_or_else(|| {
        crate::yaml::UnknownName::new("suite", name, context.suites.iter().map(crate::plan::Suite::name))
    })?;
    Ok(suite.selection(&context.known())?)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        how: How,
    }

    #[test]
    fn arguments_say_the_same_as_those_that_they_were_made_from() {
        let lines = [
            "--time virtual --templates 4 --phase fixed --read-back --kdump --crash-kernel stock --full-vmcore --trace off \
             --seed 7",
            "--time real --cold --seed 7",
            "--time real",
        ];
        for line in lines {
            let how = Line::try_parse_from(["x"].into_iter().chain(line.split_whitespace())).unwrap().how;
            assert_eq!(how.words().join(" "), line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
}
