//! Executing a run, from its first trial or from where it was left, to its reports.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::SystemTime;

use tokio::sync::watch;

use super::context::Context;
use super::crash_kernels::CrashKernels;
use super::failure::FOUND;
use super::inputs::{self, Inputs};
use super::interrupts::Interrupts;
use super::live::Live;
use super::run::How;
use super::stages::Stages;
use super::{Failure, Output, build, doctor, print, print_json, skips};
use crate::compare::{self, Evidence, open_cells};
use crate::kernel::{Fault, Kernel, KernelError};
use crate::model::{CellKey, KernelName};
use crate::plan::{self, Plan, PlannedTrial, Selection, Shard};
use crate::preflight::Report;
use crate::report::{Format, Junit, TAIL_BYTES, TrialNotes, junit, variant_table};
use crate::results::{Finished, Judged, Judgement, Run, RunInfo, Summary, SummaryBuilder, TrialLog, Until, judge};
use crate::run::{self as runner, Sink, Stop, Work};

/// Trials of each cell before a sequential run is looked at for the first time.
const FIRST_LOOK: u32 = 10;

/// Trials of a cell that a sequential run is expected to take, as far as its templates depend on that.
pub const TRIALS_TO_DECIDE: u32 = 20;

/// A run with all that is needed to go on with it.
pub struct Execution<'a> {
    pub context: &'a Context,
    pub plan: Plan,
    pub stages: Stages,
    pub run: Run,
    pub info: RunInfo,
    pub log: TrialLog,
    pub jobs: u32,
    /// Whether a kernel could not be built.
    pub failed: bool,
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
    /// Whether a kernel of it could not be built.
    pub failed: bool,
}

/// What a new run is made from.
pub struct New<'a> {
    pub selection: &'a Selection,
    pub suite: Option<&'a str>,
    pub shard: Option<Shard>,
    pub until: Option<Until>,
    pub how: &'a How,
    pub report: &'a Report,
}

/// Builds what is needed, runs the plan, writes the reports.
pub async fn begin(context: &Context, new: New<'_>) -> Result<Done, Failure> {
    let New { selection, suite, shard, until, how, report } = new;
    let seed = how.seed();
    let mut plan = plan::plan(selection, &context.known(), seed, shard)?;
    let kernels = kernels(context, &selection.kernels).await?;
    skips::skip(context, &kernels, &mut plan)?;
    let (machine, qemu_version) = doctor::machine(report, how.time)?;
    let tracer = how.tracer(context, &machine).await?;
    let tracer = tracer.as_ref();
    let templates = how.templates(until.map_or(selection.trials, |_| TRIALS_TO_DECIDE));
    let cells = plan.cells_to_run();
    let crash_kernels = CrashKernels::build(context, &kernels.built, how).await?;
    let prepared = (&*kernels.built, &crash_kernels);
    let stages = Stages::prepare(context, prepared, &cells, machine, &qemu_version, how, 0..templates, tracer).await?;
    let jobs = how.jobs(stages.largest_mib());

    let run = Run::create(&context.results, SystemTime::now())?;
    let inputs = Inputs {
        kernels: &kernels.built,
        crash_kernels: &crash_kernels,
        report,
        selection,
        suite,
        how,
        jobs,
        seed,
        templates,
        traced: tracer.is_some(),
        plan: &plan,
        shard,
        until,
    };
    let info = inputs::describe(context, &run, &inputs)?;
    run.write_info(&info)?;
    let log = run.log()?;
    let failed = kernels.failed;
    Execution { context, plan, stages, run, info, log, jobs, failed }
        .go(Finished::default(), SummaryBuilder::default())
        .await
}

/// The kernels of a run.
pub struct Kernels {
    /// Those that can be booted.
    pub built: Vec<Kernel>,
    /// Why there is none of these.
    pub missing: BTreeMap<KernelName, String>,
    /// Whether something was to be built and could not.
    pub failed: bool,
}

/// The kernels of these names. One that cannot be had does not keep the others from being run, if there are any.
pub async fn kernels(context: &Context, names: &[KernelName]) -> Result<Kernels, Failure> {
    let mut kernels = Kernels { built: Vec::new(), missing: BTreeMap::new(), failed: false };
    let mut last = None;
    for name in names {
        match build::try_kernel(context, name).await? {
            Ok(kernel) => kernels.built.push(kernel),
            Err(error) if error.fault() == Fault::Input => {
                kernels.missing.insert(name.clone(), build::first_line(&error));
                kernels.failed |= !matches!(error, KernelError::NotForBase { .. });
                if let Some(earlier) = last.replace(error) {
                    Failure::from(earlier).report();
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    match last {
        Some(error) if kernels.built.is_empty() => return Err(error.into()),
        Some(error) => drop(Failure::from(error).report()),
        None => {}
    }
    Ok(kernels)
}

impl Execution<'_> {
    /// Runs what is not finished, and writes the reports.
    pub async fn go(self, finished: Finished, earlier: SummaryBuilder) -> Result<Done, Failure> {
        let cells: Vec<CellKey> = self.plan.cells_to_run().iter().map(|cell| CellKey::clone(cell)).collect();
        let Self { jobs, run, info, .. } = &self;
        let (seed, id) = (info.seed, run.id());
        eprintln!("trials: room for {jobs} busy guest CPU(s) at a time (--jobs), seed {seed}, in {id}");
        let mut live = Live::begin(&cells, earlier);
        let (stopper, stop) = watch::channel(Stop::No);
        let listening = tokio::spawn(listen(stopper));
        let ended = match info.until {
            None => self.fixed(&finished, &mut live, &stop).await,
            Some(until) => self.sequential(until, &finished, &mut live, &stop).await,
        };
        listening.abort();
        live.end();
        // Whatever happened: what is on disk is told. If that fails too, what failed first is the cause.
        let reported = write_reports(&self.run, &self.info);
        let resumable = |failure: Failure| failure.resumable(self.run.id());
        let planned = ended.map_err(resumable)?;
        let (summary, judged, finished) = reported.map_err(resumable)?;
        Ok(Done { run: self.run, summary, judged, planned, finished: finished.len(), failed: self.failed })
    }

    /// Runs the plan; how many trials the whole of it has.
    async fn fixed(&self, finished: &Finished, live: &mut Live, stop: &watch::Receiver<Stop>) -> Result<u64, Failure> {
        let mut missing: BTreeMap<KernelName, u64> = BTreeMap::new();
        for (cell, _) in self.plan.indices().filter(|(_, index)| !finished.contains(*index)) {
            *missing.entry(cell.kernel()).or_default() += 1;
        }
        live.plan(missing);
        let fresh = self.plan.iter().filter(|trial| !finished.contains(trial.index)).map(|trial| (trial, 0));
        self.execute(given_up(&self.plan, finished).chain(fresh), live, stop).await?;
        Ok(self.plan.len())
    }

    /// Runs trials of those cells that are not decided, until all are or have as many as they may; how many trials that
    /// were.
    ///
    /// Each round adds a quarter to what an open cell has. That the evidence is looked at after each round does not
    /// weaken it (`docs/statistics.md`), so rounds serve only to keep all workers busy.
    async fn sequential(
        &self,
        until: Until,
        earlier: &Finished,
        live: &mut Live,
        stop: &watch::Receiver<Stop>,
    ) -> Result<u64, Failure> {
        let options =
            compare::Options { alpha: until.error_rate, margin: until.margin, evidence: Evidence::Sequential };
        let mut again: Vec<(PlannedTrial, u32)> = given_up(&self.plan, earlier).collect();
        loop {
            let (summary, finished) = self.run.tally()?;
            let open = open_cells(&summary.cells, &self.info.cells, options);
            let mut round = std::mem::take(&mut again);
            round.retain(|(trial, _)| open.contains(&trial.cell));
            let retried = round.len();
            for (position, cell) in self.plan.cells().iter().enumerate().filter(|(_, cell)| open.contains(cell)) {
                let missing =
                    |ordinal| self.plan.trial_of(position, ordinal).filter(|trial| !finished.contains(trial.index));
                let seen = summary.cells.iter().find(|seen| seen.key == **cell).map_or(0, |seen| seen.trials);
                let more = if seen < FIRST_LOOK { FIRST_LOOK - seen } else { (seen / 4).max(5) };
                let trials = (0..until.at_most).filter_map(missing).take(more.try_into().unwrap_or(usize::MAX));
                let before = round.len();
                round.extend(trials.map(|trial| (trial, 0)));
                live.plan([(cell.kernel(), (round.len() - before) as u64)]);
            }
            if round.is_empty() || *stop.borrow() != Stop::No {
                // What is tried again is finished already.
                return Ok(finished.len() + (round.len() - retried) as u64);
            }
            // One of every cell before the second of any.
            round.sort_by_key(|(trial, _)| trial.index);
            live.note(&format!(
                "round: {} of {} cells are open, {} trials",
                open.len(),
                self.plan.cells_to_run().len(),
                round.len()
            ));
            self.execute(round, live, stop).await?;
        }
    }

    async fn execute(
        &self,
        trials: impl IntoIterator<Item = (PlannedTrial, u32)>,
        live: &mut Live,
        stop: &watch::Receiver<Stop>,
    ) -> Result<(), Failure> {
        let mut wrong = None;
        let work = trials.into_iter().map_while(|(trial, attempt)| -> Option<Work> {
            let work = self.stages.work(self.context, &trial, attempt).map_err(|failure| wrong = Some(failure));
            work.ok()
        });
        let sink = Sink { run: &self.run, log: &self.log };
        let ended = runner::execute(work, self.jobs, sink, stop.clone(), |record| live.add(record)).await;
        ended.map_err(|error| Failure::hinted_host(&error, error.hint()))?;
        wrong.map_or(Ok(()), Err)
    }
}

/// The trials that were given up before, each with the number of its next attempt: the cause may have gone.
fn given_up(plan: &Plan, finished: &Finished) -> impl Iterator<Item = (PlannedTrial, u32)> {
    finished.failed().filter_map(|(index, attempt)| Some((plan.trial(index)?, attempt + 1)))
}

/// Counts what is on disk, judges it, and writes `summary.json` and `junit.xml`.
pub fn write_reports(run: &Run, info: &RunInfo) -> Result<(Summary, Vec<Judged>, Finished), Failure> {
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
    Ok((summary, judged, finished))
}

/// The first Ctrl-C, or SIGTERM of a CI server that cancels, lets what is running finish; the second does not.
pub async fn listen(stop: watch::Sender<Stop>) {
    // One listener for both times, or a second that comes while the first is being answered would be lost.
    let Ok(mut interrupts) = Interrupts::listen() else { return };
    for (level, message) in [
        (Stop::AfterRunning, "finishing the trials that are running; Ctrl-C again to stop at once"),
        (Stop::Now, "stopping"),
    ] {
        interrupts.next().await;
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

    /// Says how to go on with a run that is not complete.
    pub fn print_how_to_resume(&self) {
        if self.finished < self.planned {
            eprintln!("to run the rest: harness run --resume {}", self.run.id());
        }
    }

    /// 1 if an expectation failed; 2 if a kernel could not be built; 3 if trials could not be run; else 0.
    pub fn exit_code(&self) -> ExitCode {
        let failed = self.judged.iter().any(|judged| matches!(judged.judgement, Judgement::Failed(_)));
        if failed { ExitCode::from(FOUND) } else { self.infra_code() }
    }

    /// 3 if trials could not be run, 2 if a kernel could not be built, else 0: what is measured without judgement.
    pub fn infra_code(&self) -> ExitCode {
        let unusable = self.summary.cells.iter().any(|cell| cell.trials > 0 && cell.trials == cell.infra_errors);
        let cut_short = self.finished < self.planned;
        match (unusable || cut_short, self.failed) {
            (true, _) => Failure::host_code(),
            (false, true) => Failure::input_code(),
            (false, false) => ExitCode::SUCCESS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelOutcome, TrialOutcome, TrialRecord};
    use crate::results::sample::{counted, key, trial};

    #[test]
    fn what_was_given_up_is_tried_once_more() {
        let results = tempfile::tempdir().unwrap();
        let run = Run::create(results.path(), SystemTime::now()).unwrap();
        let cell = key("stock", "panic-alone", "");
        let failed = TrialOutcome::InfraError { cause: "the disk is full".to_owned() };
        let log = run.log().unwrap();
        log.append_blocking(&trial(0, &cell, counted(ChannelOutcome::Saved, ChannelOutcome::Saved))).unwrap();
        log.append_blocking(&TrialRecord { attempt: 2, ..trial(1, &cell, failed) }).unwrap();
        let (_, finished) = run.tally().unwrap();
        let plan = Plan::again([cell], 10, 1, None);
        let again: Vec<(u64, u32)> =
            given_up(&plan, &finished).map(|(trial, attempt)| (trial.index, attempt)).collect();
        assert_eq!(again, [(1, 3)]);
    }
}
