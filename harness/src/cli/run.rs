//! `harness run`

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use super::context::Context;
use super::failure::FOUND;
use super::inputs::Inputs;
use super::progress::Progress;
use super::{Failure, Global, Output, build, doctor, print, print_json};
use crate::guest::Time;
use crate::image;
use crate::kernel::Kernel;
use crate::model::{CellKey, TrialOutcome, TrialRecord};
use crate::plan::{self, ArrayJob, ParamFilter, PlannedTrial, SelectedScenario, Selection, Shard, ShardChoice};
use crate::preflight::{self, Report};
use crate::report::{Format, Junit, TAIL_BYTES, TrialNotes, junit, variant_table};
use crate::results::{Judged, Judgement, Run, RunInfo, Summary, judge};
use crate::run::{self as runner, Stop};
use crate::scenario::{Knob, PointFilter, Scenario};
use crate::trial::{Assignment, Stage, StageOptions};

/// Run a suite, or chosen scenarios on chosen variants.
///
/// Every trial is on disk before the next begins; Ctrl-C finishes what is running, a second one does not.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  harness run --suite quick\n  harness run --variant stock --scenario panic-alone --trials 20"
)]
pub struct Arguments {
    /// The suite to run
    #[arg(long, value_name = "NAME", required_unless_present = "scenario")]
    suite: Option<String>,
    /// A scenario to run (repeatable; with --suite: only these of it)
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// A variant to run them on (repeatable) [default: the suite's, else stock]
    #[arg(long, value_name = "NAME")]
    variant: Vec<String>,
    /// The base that the variants are made from [default: the suite's, else 6.12]
    #[arg(long, value_name = "NAME")]
    base: Option<String>,
    /// Only points with this value of a parameter (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    param: Vec<ParamFilter>,
    /// Trials in each cell [default: the suite's, else 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    trials: Option<u32>,
    /// Run one of several parts of the plan, to be joined by `harness merge`: 3/16, or auto for what the environment says
    /// (Slurm array, GitLab parallel; auto/16 for a Kubernetes indexed job)
    #[arg(long, value_name = "I/N|auto", requires = "seed")]
    shard: Option<ShardChoice>,
    #[command(flatten)]
    how: How,
}

/// How trials are run.
#[derive(Debug, Clone, clap::Args)]
pub struct How {
    /// What every trial's seed is derived from; of `trial`: the trial's own seed [default: the clock]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Guests at a time [default: one for every two processors, as two of a guest's CPUs are busy at once]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub jobs: Option<u32>,
    /// How time passes in the guest
    #[arg(long, value_enum, default_value_t = Time::Real)]
    pub time: Time,
    /// Boot every trial from its first instruction instead of restoring a guest that is booted already
    #[arg(long)]
    pub cold: bool,
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

    /// The guests at a time that were asked for, or that fit this machine.
    pub fn jobs(&self) -> u32 {
        self.jobs.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            u32::try_from(cores / 2).unwrap_or(1).max(1)
        })
    }
}

pub async fn main(global: &Global, arguments: Arguments) -> Result<ExitCode, Failure> {
    let context = Context::load(global)?;
    let selection = selection(&context, &arguments)?;
    let shard = shard(arguments.shard)?;
    let report = preflight::check(&doctor::options(global)?).await;
    let done = execute(&context, &selection, arguments.suite.as_deref(), shard, &arguments.how, &report).await?;
    done.print(global.format)?;
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
fn selection(context: &Context, arguments: &Arguments) -> Result<Selection, Failure> {
    let known = context.known();
    let mut selection = match &arguments.suite {
        Some(name) => suite(context, name)?,
        None => Selection {
            variants: vec!["stock".to_owned()],
            base: context.default_base(),
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
        selection.variants.clone_from(&arguments.variant);
    }
    if let Some(base) = &arguments.base {
        selection.base.clone_from(base);
    }
    if let Some(trials) = arguments.trials {
        selection.trials = trials;
    }
    selection.params.clone_from(&arguments.param);
    Ok(selection)
}

/// A suite's selection.
pub fn suite(context: &Context, name: &str) -> Result<Selection, Failure> {
    let found = context.suites.iter().find(|suite| suite.name() == name);
    let suite = found.ok_or_else(|| {
        crate::yaml::UnknownName::new("suite", name, context.suites.iter().map(crate::plan::Suite::name))
    })?;
    Ok(suite.selection(&context.known())?)
}

/// A run that has come to its end, or to Ctrl-C.
pub struct Done {
    pub run: Run,
    pub summary: Summary,
    pub judged: Vec<Judged>,
    /// Trials that were planned.
    pub planned: u64,
    /// Trials that were finished.
    pub finished: u64,
}

/// Builds what is needed, runs the plan, writes the reports.
pub async fn execute(
    context: &Context,
    selection: &Selection,
    suite: Option<&str>,
    shard: Option<Shard>,
    how: &How,
    report: &Report,
) -> Result<Done, Failure> {
    let seed = how.seed();
    let plan = plan::plan(selection, &context.known(), seed, shard)?;
    let (machine, qemu_version) = doctor::machine(report, how.time)?;
    let mut kernels = Vec::new();
    for variant in &selection.variants {
        kernels.push(build::kernel(context, variant, &selection.base).await?);
    }
    let stages = Stages::prepare(context, &kernels, plan.cells(), machine, &qemu_version, how.cold).await?;

    let run = Run::create(&context.results, SystemTime::now())?;
    let info = super::inputs::describe(
        context,
        &run,
        &Inputs { kernels: &kernels, report, selection, suite, how, seed, cells: plan.cells(), shard },
    )?;
    run.write_info(&info)?;
    let planned = plan.len();
    let assignments = plan.iter().map(|trial| stages.assign(context, &trial)).collect::<Result<Vec<_>, _>>()?;

    let jobs = info.jobs;
    let mut progress = Progress::begin("trials");
    progress.at(0, planned, &format!("with {jobs} guest(s) at a time, seed {seed}, in {}", run.id()));
    let mut counts = Counts::default();
    let (stopper, stop) = watch::channel(Stop::No);
    let listening = tokio::spawn(listen(stopper));
    let jobs = usize::try_from(jobs).unwrap_or(1);
    let finished = runner::execute(assignments, jobs, &run, stop, |record| {
        counts.add(record);
        if let TrialOutcome::InfraError { cause } = &record.outcome {
            progress.note(&format!("trial {} of {}: infra-error: {cause}", record.index, record.cell));
        }
        progress.at(counts.finished, planned, &counts.to_string());
    })
    .await;
    listening.abort();
    let finished = finished.map_err(Failure::host)?;
    progress.end(&format!("{finished} of {planned} finished, {counts}"));
    let (summary, judged) = write_reports(&run, &info)?;
    Ok(Done { run, summary, judged, planned, finished })
}

/// Counts what is on disk, judges it, and writes `summary.json` and `junit.xml`.
pub fn write_reports(run: &Run, info: &RunInfo) -> Result<(Summary, Vec<Judged>), Failure> {
    let (summary, finished) = run.tally()?;
    run.write_summary(&summary)?;
    let judged = judge(&summary, &info.cells);
    let mut notes = TrialNotes::default();
    for record in run.trials()? {
        let record = record?;
        if finished.is_last(&record) {
            notes.add(&record);
        }
    }
    let console_tail = |trial| run.console_tail(trial, TAIL_BYTES).ok().flatten();
    let report = Junit { info, summary: &summary, notes: &notes, judged: &judged, console_tail: &console_tail };
    run.write_report("junit.xml", &junit(&report).map_err(Failure::host)?)?;
    Ok((summary, judged))
}

/// The first Ctrl-C lets what is running finish, the second does not.
async fn listen(stop: watch::Sender<Stop>) {
    for (level, message) in [
        (Stop::AfterRunning, "finishing the trials that are running; Ctrl-C again to stop at once"),
        (Stop::Now, "stopping"),
    ] {
        if tokio::signal::ctrl_c().await.is_err() {
            return;
        }
        eprintln!("{message}");
        stop.send_replace(level);
    }
    // The runner watches as long as somebody can still tell it something.
    std::future::pending::<()>().await;
}

impl Done {
    /// The table on standard output, or the summary as JSON; where the reports are.
    pub fn print(&self, format: Output) -> Result<(), Failure> {
        let folder = self.run.folder().display();
        match format {
            Output::Json => print_json(&self.summary)?,
            Output::Text => {
                print(&variant_table(&self.summary, Format::Text { colour: false }))?;
                for judged in &self.judged {
                    if let Judgement::Failed(text) = &judged.judgement {
                        print(&format!("failed: {}: {text}\n", judged.cell))?;
                    }
                }
                print(&format!(
                    "\n{folder}/summary.json  figures\n{folder}/junit.xml     for dashboards\n{folder}/trials.jsonl  every trial\n"
                ))?;
            }
        }
        if self.finished < self.planned {
            eprintln!("not complete: {} of {} trials were not run", self.planned - self.finished, self.planned);
        }
        Ok(())
    }

    /// 1 if an expectation failed; 3 if trials could not be run; else 0.
    pub fn exit_code(&self) -> ExitCode {
        let failed = self.judged.iter().any(|judged| matches!(judged.judgement, Judgement::Failed(_)));
        if failed { ExitCode::from(FOUND) } else { self.infra_code() }
    }

    /// 3 if trials could not be run, else 0: what is measured without judgement.
    pub fn infra_code(&self) -> ExitCode {
        let unusable = self.summary.cells.iter().any(|cell| cell.trials > 0 && cell.trials == cell.infra_errors);
        let cut_short = self.finished < self.planned;
        if unusable || cut_short { Failure::host_code() } else { ExitCode::SUCCESS }
    }
}

/// The stages of a run, one for each kernel and guest shape.
pub struct Stages(BTreeMap<(String, crate::scenario::Guest), (Arc<Stage>, Vec<Knob>)>);

impl Stages {
    /// Makes or finds every template that the plan needs.
    pub async fn prepare(
        context: &Context,
        kernels: &[Kernel],
        cells: &[Arc<CellKey>],
        machine: crate::guest::Machine,
        qemu_version: &str,
        cold: bool,
    ) -> Result<Self, Failure> {
        let (project, cache) = (context.project.clone(), context.cache.clone());
        let agent = tokio::task::spawn_blocking(move || image::build_agent(&project, &cache))
            .await
            .map_err(Failure::host)?
            .map_err(Failure::host)?;
        let options = StageOptions { cache: &context.cache, agent: &agent, qemu_version, cold };
        let mut progress = Progress::begin("guests");
        let mut stages = BTreeMap::new();
        for (done, kernel) in (0..).zip(kernels) {
            for cell in cells.iter().filter(|cell| cell.variant == kernel.variant) {
                let shape = instance(context, cell)?.guest;
                let key = (kernel.variant.clone(), shape);
                if stages.contains_key(&key) {
                    continue;
                }
                progress.at(done, kernels.len() as u64, &format!("booting {}", kernel.variant));
                let machine =
                    crate::guest::Machine { cpus: shape.cpus, memory_mib: shape.memory_mib, ..machine.clone() };
                let stage = Stage::prepare(machine, kernel, options).await?;
                stages.insert(key, (Arc::new(stage), knobs(kernel)));
            }
        }
        progress.end(&format!("{} ready", stages.len()));
        Ok(Self(stages))
    }

    /// What one trial is told, and where it starts.
    pub fn assign(&self, context: &Context, trial: &PlannedTrial) -> Result<(Arc<Stage>, Assignment), Failure> {
        let instance = instance(context, &trial.cell)?;
        let (stage, knobs) = self
            .0
            .get(&(trial.cell.variant.clone(), instance.guest))
            .ok_or_else(|| Failure::host(format!("no guest was prepared for {}", trial.cell)))?;
        let mut instance = instance.clone();
        // The variant's own settings first: a scenario that sweeps one of them has the last word.
        instance.knobs.splice(0..0, knobs.iter().cloned());
        Ok((Arc::clone(stage), Assignment::new(trial, &instance)))
    }
}

fn instance<'a>(context: &'a Context, cell: &CellKey) -> Result<&'a crate::scenario::Instance, Failure> {
    Scenario::find(&context.scenarios, &cell.scenario)?
        .at(&cell.params)
        .ok_or_else(|| Failure::host(format!("{cell} is no point of its scenario")))
}

/// A variant's run-time settings, in the scenario's form.
fn knobs(kernel: &Kernel) -> Vec<Knob> {
    use crate::kernel::Knob as Of;
    let knob = |knob: &Of| match knob.clone() {
        Of::Parameter(parameter) => Knob::parameter(&parameter.module, &parameter.name, parameter.value),
        Of::Sysctl(sysctl) => Knob::sysctl(&sysctl.name, sysctl.value),
    };
    kernel.knobs.iter().map(knob).collect()
}

/// What a run has come to so far.
#[derive(Debug, Default)]
struct Counts {
    finished: u64,
    hung: u64,
    missed: u64,
    infra: u64,
}

impl Counts {
    fn add(&mut self, record: &TrialRecord) {
        self.finished += 1;
        match record.outcome {
            TrialOutcome::Counted { hung, .. } => self.hung += u64::from(hung),
            TrialOutcome::Missed { .. } => self.missed += 1,
            TrialOutcome::InfraError { .. } => self.infra += 1,
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} hung, {} missed, {} infra-errors", self.hung, self.missed, self.infra)
    }
}
