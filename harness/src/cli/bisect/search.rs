//! The search itself: what the core asks for is built, booted and tried, and everything is on disk before the core is asked
//! again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::time::Instant;

use tokio::sync::watch;

use super::begin::guest_mib;
use super::log;
use super::spent::Spent;
use super::view::View;
use super::workshop::Workshop;
use crate::bisect::{Bisection, Conclusion, Costs, Next, Tallies};
use crate::cli::context::Context;
use crate::cli::crash_kernels::CrashKernels;
use crate::cli::run::How;
use crate::cli::stages::{Stages, instance};
use crate::cli::{Failure, build, execution, inputs};
use crate::kernel::{self, Fault};
use crate::model::TrialOutcome;
use crate::model::bisection::{Between, Bisected};
use crate::plan::{Plan, PlannedTrial};
use crate::results::{Difference, KernelInfo, Run, RunInfo, TrialLog, kernel_difference};
use crate::run::{self as runner, Sink, Stop, Work};
use crate::trial::Assignment;

/// A commit of which so many trials were run and none tells anything is passed over.
const NOTHING_TOLD: u32 = 20;

/// A bisection that goes on.
pub struct Search {
    pub context: Context,
    pub workshop: Workshop,
    pub run: Run,
    pub info: RunInfo,
    pub log: TrialLog,
    pub plan: Plan,
    pub bisected: Bisected,
    pub bisection: Bisection,
    /// By node: how many trials of it were begun.
    pub begun: Vec<u32>,
    /// Where the log goes, besides the run's folder.
    pub log_file: Option<PathBuf>,
}

/// A bisection that has come to its end, or to Ctrl-C.
pub struct Searched {
    pub run: Run,
    pub info: RunInfo,
    pub bisected: Bisected,
    pub bisection: Bisection,
    /// `None` if it was interrupted.
    pub conclusion: Option<Conclusion>,
    pub spent: Spent,
}

impl Search {
    /// Goes on until the core has an answer.
    pub async fn go(mut self) -> Result<Searched, Failure> {
        let began = Instant::now();
        eprintln!(
            "bisect: {} between {} and {}, looking for {}{}, seed {}, in {}",
            self.bisected.nodes.len() - 1,
            self.bisected.nodes.first().map_or("", |node| node.id.as_str()),
            self.bisected.nodes.last().map_or("", |node| node.id.as_str()),
            self.bisected.criterion,
            if self.bisected.fixed { " ceasing" } else { "" },
            self.info.seed,
            self.run.id(),
        );
        let (stopper, stop) = watch::channel(Stop::No);
        let listening = tokio::spawn(execution::listen(stopper));
        let mut spent = Spent::default();
        let ended = self.search(&mut spent, &stop).await;
        listening.abort();
        spent.all = began.elapsed();
        // Whatever happened: what is on disk is counted.
        let counted = self.run.tally().and_then(|(summary, _)| self.run.write_summary(&summary));
        let resumable = |failure: Failure| failure.resumable_by("bisect", self.run.id());
        let conclusion = ended.map_err(resumable)?;
        counted.map_err(Failure::from).map_err(resumable)?;
        let Self { run, info, bisected, bisection, .. } = self;
        Ok(Searched { run, info, bisected, bisection, conclusion, spent })
    }

    async fn search(&mut self, spent: &mut Spent, stop: &watch::Receiver<Stop>) -> Result<Option<Conclusion>, Failure> {
        let mut ready: BTreeMap<usize, Stages> = BTreeMap::new();
        let mut untold: BTreeMap<usize, u32> = BTreeMap::new();
        let jobs = self.workshop.how.jobs(guest_mib(&self.context, &self.plan)?);
        let at_once = self.at_once(jobs)?;
        let mut view = View::new();
        let began = Instant::now();
        while *stop.borrow() == Stop::No {
            spent.all = began.elapsed();
            let next = {
                let ready_s =
                    |node: usize| if ready.contains_key(&node) { 0.0 } else { spent.until_ready().as_secs_f64() };
                let costs = Costs { ready_s: &ready_s, trial_s: spent.per_trial().as_secs_f64(), at_once };
                let left = || self.bisection.trials_left(&costs).map(|trials| spent.per_trial() * trials);
                view.step(&self.bisected, &self.bisection, left, spent);
                self.bisection.next(&costs)
            };
            self.write_log()?;
            let (node, trials) = match next {
                Next::Done(conclusion) => {
                    view.hide();
                    return Ok(Some(conclusion));
                }
                Next::Try { commit, trials } => (commit, trials),
            };
            let stages = match ready.entry(node) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(place) => {
                    view.hide();
                    match self.prepare(node, spent).await? {
                        Ok(stages) => place.insert(stages),
                        Err(reason) => {
                            self.skip(node, reason)?;
                            continue;
                        }
                    }
                }
            };
            let planned = self.begin(node, trials);
            let tallies = self.try_node(stages, planned, jobs, spent, stop).await?;
            self.bisection.record(node, tallies);
            let untold = untold.entry(node).or_default();
            *untold =
                if self.bisection.tallies().get(node).is_some_and(|all| all.trials > 0) { 0 } else { *untold + trials };
            if *untold >= NOTHING_TOLD {
                let reason = format!("none of {untold} trials tells: {}", self.why_untold(node)?);
                self.skip(node, reason)?;
            }
        }
        view.hide();
        Ok(None)
    }

    /// So many trials run side by side.
    fn at_once(&self, jobs: u32) -> Result<u32, Failure> {
        let trial = self.plan.trial_of(0, 0).ok_or_else(|| Failure::input("nothing to bisect"))?;
        let instance = instance(&self.context, &trial.cell)?;
        let How { time, phase, .. } = self.workshop.how;
        let assignment = Assignment::new(&trial, instance, time, phase);
        Ok((jobs / runner::processors(&assignment, time, instance.guest.cpus)).max(1))
    }

    /// The next trials of a node.
    fn begin(&mut self, node: usize, trials: u32) -> Vec<PlannedTrial> {
        let Some(begun) = self.begun.get_mut(node) else { return Vec::new() };
        let ordinals = *begun..begun.saturating_add(trials);
        *begun = ordinals.end;
        ordinals.filter_map(|ordinal| self.plan.trial_of(node, ordinal)).collect()
    }

    /// Builds a node's kernel and boots it. The inner error is the reason why it is passed over.
    async fn prepare(&mut self, node: usize, spent: &mut Spent) -> Result<Result<Stages, String>, Failure> {
        let Some(cell) = self.plan.cells().get(node).cloned() else { return Ok(Err("there is none".to_owned())) };
        if let (Between::Commits { tree }, [good, ..], Some(commit)) =
            (&self.bisected.between, self.bisected.nodes.as_slice(), self.bisected.nodes.get(node))
        {
            kernel::commit_as_base(&self.context.project, tree, &commit.id, &good.id)?;
            self.context.also(cell.base.clone());
        }
        let began = Instant::now();
        let built = build::try_kernel(&self.context, &cell.kernel()).await?;
        spent.builds += began.elapsed();
        let kernel = match built {
            Ok(kernel) => kernel,
            Err(error) if error.fault() == Fault::Input => return Ok(Err(build::first_line(&error))),
            Err(error) => return Err(error.into()),
        };
        let crash_kernels =
            CrashKernels::build(&self.context, std::slice::from_ref(&kernel), &self.workshop.how).await?;
        self.note(inputs::kernel(&kernel, crash_kernels.of(&kernel)))?;
        let began = Instant::now();
        let stages = self.workshop.stages(&self.context, (&kernel, &crash_kernels), &cell).await?;
        spent.guests += began.elapsed();
        spent.kernels += 1;
        Ok(stages)
    }

    /// Writes down which kernel it was; one that was another before does not belong to the same bisection.
    fn note(&mut self, now: KernelInfo) -> Result<(), Failure> {
        let is = |known: &&KernelInfo| known.variant == now.variant && known.base == now.base;
        let Some(before) = self.info.kernels.iter().find(is) else {
            self.info.kernels.push(now);
            return Ok(self.run.write_info(&self.info)?);
        };
        let Some(Difference { what, here, there }) = kernel_difference(before, &now) else { return Ok(()) };
        Err(Failure::input(format!(
            "bisection {}: {what} was {here} and is now {there}\n\nhint: put it back as it was, or begin anew with --replay",
            self.run.id()
        )))
    }

    fn skip(&mut self, node: usize, reason: String) -> Result<(), Failure> {
        if let Some(known) = self.bisected.nodes.get(node) {
            eprintln!("skipped: {} {}: {reason}", known.id, known.subject);
        }
        if let Some(cell) = self.info.cells.get_mut(node) {
            cell.skip(reason);
            self.run.write_info(&self.info)?;
        }
        self.bisection.skip(node);
        Ok(())
    }

    async fn try_node(
        &self,
        stages: &Stages,
        planned: Vec<PlannedTrial>,
        jobs: u32,
        spent: &mut Spent,
        stop: &watch::Receiver<Stop>,
    ) -> Result<Tallies, Failure> {
        let work: Vec<Work> =
            planned.iter().map(|trial| stages.work(&self.context, trial, 0)).collect::<Result<_, _>>()?;
        let mut tallies = Tallies::default();
        let mut finished = 0;
        let began = Instant::now();
        let sink = Sink { run: &self.run, log: &self.log };
        let ended = runner::execute(work, jobs, sink, stop.clone(), |record| {
            finished += 1;
            match &record.outcome {
                TrialOutcome::InfraError { cause } => {
                    eprintln!("trial {} of {}: infra-error: {cause}", record.index, record.cell);
                }
                outcome => {
                    if let Some(event) = self.bisected.event(outcome) {
                        tallies.count(event, record.template.as_deref());
                    }
                }
            }
        });
        let ended = ended.await;
        spent.trials += began.elapsed();
        spent.trials_run += finished;
        ended.map_err(|error| Failure::hinted_host(&error, error.hint()))?;
        Ok(tallies)
    }

    /// Why the last trial of a node does not tell.
    fn why_untold(&self, node: usize) -> Result<String, Failure> {
        let mut last = "none was finished".to_owned();
        let Some(cell) = self.plan.cells().get(node) else { return Ok(last) };
        for record in self.run.trials()? {
            let record = record?;
            if record.cell == **cell {
                last = match record.outcome {
                    TrialOutcome::Missed { reason } => format!("missed: {reason}"),
                    TrialOutcome::InfraError { cause } => format!("infra-error: {cause}"),
                    TrialOutcome::Counted { .. } => format!("it has nothing to say about {}", self.bisected.criterion),
                };
            }
        }
        Ok(last)
    }

    fn write_log(&self) -> Result<(), Failure> {
        let text = log::text(&self.info, &self.bisected, &self.bisection);
        self.run.write_report(log::FILE, &text)?;
        if let Some(path) = &self.log_file {
            std::fs::write(path, text).map_err(|e| Failure::host(format!("write the log {}: {e}", path.display())))?;
        }
        Ok(())
    }
}
