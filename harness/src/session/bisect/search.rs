//! The search itself: what the core asks for is built, prepared and tried, and everything is on disk before the core is asked
//! again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::time::Instant;

use super::log;
use super::said::same_kernel;
use super::spent::TimeSpent;
use crate::bisect::{Bisection, Conclusion, Costs, Next, Tallies};
use crate::failure::Failure;
use crate::kernel;
use crate::model::bisection::{Bisected, SearchSpace};
use crate::model::{KernelName, TrialOutcome};
use crate::plan::{Plan, PlannedTrial};
use crate::results::{Difference, KernelInfo, Run, RunInfo, kernel_difference};
use crate::run::{Sink, Stop, Work};
use crate::session::cells::{Cells, ReadyCells};
use crate::session::kernels::Kernels;
use crate::session::record::Recording;
use crate::session::{Event, NoKernel, Rig, Session, TRIALS_TO_DECIDE, TrialsOfACell};
use crate::trial::Assignment;

/// A node of which this many trials were run, and none tells anything, is passed over.
const MAX_UNINFORMATIVE: u32 = 20;

/// How many trials a node is likely to get.
pub fn trials_of_a_node(at_most: u32) -> TrialsOfACell {
    TrialsOfACell { likely: TRIALS_TO_DECIDE, at_most }
}

/// A node's kernel, or the reason why there is none.
pub type Built<R> = Result<Kernels<<R as Rig>::Kernel>, String>;

/// A bisection that goes on.
pub struct Search<'a, R: Rig> {
    pub session: &'a Session<R>,
    pub recording: Recording,
    pub plan: Plan,
    pub cells: Cells,
    /// How many CPUs of guests may be busy at a time.
    pub jobs: u32,
    /// How many templates of each kernel its trials are spread over.
    pub templates: u32,
    pub bisected: Bisected,
    pub bisection: Bisection,
    /// By node: how many trials of it were begun.
    pub begun: Vec<u32>,
    /// The kernel of a node that was built before its turn.
    pub ahead: Option<(usize, Built<R>)>,
    /// Where the log goes, besides the run's folder.
    pub log_file: Option<PathBuf>,
}

/// What became of a node.
enum Prepared {
    /// Trials of it can be run.
    Ready(ReadyCells),
    /// It has the kernel of another node, of which trials are run in its place.
    Known,
    /// It is passed over, for this reason.
    Unfit(String),
}

/// A bisection that has ended, or was interrupted.
pub struct Searched {
    /// Its folder.
    pub run: Run,
    /// What is in its `run.json`.
    pub info: RunInfo,
    /// What was looked for, and where.
    pub bisected: Bisected,
    /// What is known.
    pub bisection: Bisection,
    /// `None` if it was interrupted.
    pub conclusion: Option<Conclusion>,
    /// Where the time went.
    pub spent: TimeSpent,
}

impl<R: Rig> Search<'_, R> {
    /// Goes on until the core has an answer, or the user wants an end.
    pub async fn go(mut self) -> Result<Searched, Failure> {
        let began = Instant::now();
        let Recording { run, info, .. } = &self.recording;
        let (id, seed) = (run.id().to_owned(), info.seed);
        self.session.events.send(&Event::BisectionBegins { run: &id, seed, bisected: &self.bisected });
        let mut spent = TimeSpent::default();
        let ended = self.search(&mut spent).await;
        self.session.events.send(&Event::BisectionEnds);
        spent.all = began.elapsed();
        // Whatever happened: what is on disk is counted.
        let run = &self.recording.run;
        let counted = run.tally().and_then(|(summary, _)| run.write_summary(&summary));
        let resumable = |failure: Failure| failure.resumable_by("bisect", &id);
        let conclusion = ended.map_err(resumable)?;
        counted.map_err(Failure::from).map_err(resumable)?;
        let Self { recording: Recording { run, info, .. }, bisected, bisection, .. } = self;
        Ok(Searched { run, info, bisected, bisection, conclusion, spent })
    }

    async fn search(&mut self, spent: &mut TimeSpent) -> Result<Option<Conclusion>, Failure> {
        let mut ready: BTreeMap<usize, ReadyCells> = BTreeMap::new();
        let mut uninformative: BTreeMap<usize, u32> = BTreeMap::new();
        let at_once = self.at_once()?;
        let began = Instant::now();
        while self.session.cancellation.level() == Stop::No {
            spent.all = began.elapsed();
            let next = {
                let ready_s =
                    |node: usize| if ready.contains_key(&node) { 0.0 } else { spent.until_ready().as_secs_f64() };
                let costs = Costs { ready_s: &ready_s, trial_s: spent.per_trial().as_secs_f64(), at_once };
                let left = || self.bisection.trials_left(&costs).map(|trials| spent.per_trial() * trials);
                self.session.events.send(&Event::BisectionStep {
                    bisected: &self.bisected,
                    bisection: &self.bisection,
                    left: &left,
                    spent,
                });
                self.bisection.next(&costs)
            };
            self.write_log()?;
            let (node, trials) = match next {
                Next::Done(conclusion) => return Ok(Some(conclusion)),
                Next::Try { commit, trials } => (commit, trials),
            };
            // Trials of the bad end are sure to follow those of the good one.
            let bad = self.bisection.history().bad();
            let ahead = (node == 0 && !ready.contains_key(&bad)).then_some(bad);
            let cells = match ready.entry(node) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(place) => match self.prepare(node, ahead, spent).await? {
                    Prepared::Ready(cells) => place.insert(cells),
                    Prepared::Known => continue,
                    Prepared::Unfit(reason) => {
                        self.skip(node, reason)?;
                        continue;
                    }
                },
            };
            let planned = self.begin(node, trials);
            let tallies = self.try_node(cells, &planned, spent).await?;
            self.bisection.record(node, tallies);
            let told_nothing = uninformative.entry(node).or_default();
            let informs = self.bisection.tallies().get(node).is_some_and(|all| all.trials > 0);
            *told_nothing = if informs { 0 } else { *told_nothing + trials };
            if *told_nothing >= MAX_UNINFORMATIVE {
                let trials = *told_nothing;
                let reason = self.why_uninformative(node)?;
                self.skip(node, format!("none of {trials} trials tells: {reason}"))?;
            }
        }
        Ok(None)
    }

    /// How many trials run side by side.
    fn at_once(&self) -> Result<u32, Failure> {
        let trial = self.plan.trial_of(0, 0).ok_or_else(|| Failure::input("nothing to bisect"))?;
        let assignment = Assignment::new(&trial, self.cells.instance(0)?, self.session.settings());
        Ok((self.jobs / assignment.processors).max(1))
    }

    /// The next trials of a node.
    fn begin(&mut self, node: usize, trials: u32) -> Vec<PlannedTrial> {
        let Some(begun) = self.begun.get_mut(node) else { return Vec::new() };
        let ordinals = *begun..begun.saturating_add(trials);
        *begun = ordinals.end;
        ordinals.filter_map(|ordinal| self.plan.trial_of(node, ordinal)).collect()
    }

    /// Builds a node's kernel and prepares its guests, while the kernel of the node `ahead` is built, if there is one.
    async fn prepare(&mut self, node: usize, ahead: Option<usize>, spent: &mut TimeSpent) -> Result<Prepared, Failure> {
        let built = match self.ahead.take() {
            Some((known, built)) if known == node => built,
            _ => self.build(node, spent).await?,
        };
        let kernels = match built {
            Ok(kernels) => kernels,
            Err(reason) => return Ok(Prepared::Unfit(reason)),
        };
        spent.kernels += 1;
        for (_, kernel) in &kernels.built {
            let rig = &self.session.rig;
            let binary_digest = Some(rig.binary_digest(kernel)?);
            if let Some(other) = self.note(KernelInfo { binary_digest, ..rig.describe_kernel(kernel) })?
                && self.bisection.same_kernel(node, other)
            {
                self.note_same(node, other)?;
                return Ok(Prepared::Known);
            }
        }
        let (began, builds) = (Instant::now(), spent.builds);
        let mut built_ahead = None;
        let meanwhile = async {
            if let Some(node) = ahead {
                built_ahead = Some((node, self.build(node, spent).await?));
            }
            Ok(())
        };
        let ready = self.session.ready((&self.plan, &self.cells), (node, &kernels), self.templates, meanwhile).await?;
        self.ahead = built_ahead;
        spent.guests += began.elapsed().saturating_sub(spent.builds.saturating_sub(builds));
        Ok(ready.map_or_else(Prepared::Unfit, Prepared::Ready))
    }

    /// Builds a node's kernel. The inner error is the reason why it is passed over.
    async fn build(&self, node: usize, spent: &mut TimeSpent) -> Result<Built<R>, Failure> {
        let Some(cell) = self.plan.cells().get(node) else { return Ok(Err("there is none".to_owned())) };
        let Session { catalogue, rig, .. } = self.session;
        if let (SearchSpace::Commits { tree }, [good, ..], Some(commit)) =
            (&self.bisected.between, self.bisected.nodes.as_slice(), self.bisected.nodes.get(node))
        {
            kernel::commit_as_base(&catalogue.project, tree, &commit.id, &good.id)?;
        }
        let began = Instant::now();
        let built = rig.build(catalogue, &cell.kernel()).await?;
        spent.builds += began.elapsed();
        Ok(built.map(|kernel| Kernels::only(cell.kernel(), kernel)).map_err(|NoKernel { reason, .. }| reason))
    }

    /// Writes down which kernel it was; one that was another before does not belong to the same bisection. Returns another node
    /// with the same kernel, if one is known.
    fn note(&mut self, now: KernelInfo) -> Result<Option<usize>, Failure> {
        let Recording { run, info, .. } = &mut self.recording;
        let name = |kernel: &KernelInfo| KernelName { variant: kernel.variant.clone(), base: kernel.base.clone() };
        let own = name(&now);
        let other = info.kernels.iter().find(|it| it.binary_digest == now.binary_digest && name(it) != own).map(name);
        let other = other.and_then(|name| info.cells.iter().position(|cell| cell.key.kernel() == name));
        let Some(before) = info.kernels.iter().find(|known| name(known) == own) else {
            info.kernels.push(now);
            run.write_info(info)?;
            return Ok(other);
        };
        let Some(Difference { what, here, there }) = kernel_difference(before, &now) else { return Ok(other) };
        Err(Failure::input(format!(
            "bisection {}: {what} was {here} and is now {there}\n\nhint: put it back as it was, or begin anew with --replay",
            run.id()
        )))
    }

    /// Writes down that a node has the kernel of another one.
    fn note_same(&mut self, node: usize, other: usize) -> Result<(), Failure> {
        if let Some(known) = self.bisected.nodes.get_mut(node) {
            known.same_as = Some(other);
        }
        self.session.events.note(&same_kernel(&self.bisected, self.bisection.history(), (node, other)));
        let Recording { run, info, .. } = &mut self.recording;
        info.bisected = Some(self.bisected.clone());
        Ok(run.write_info(info)?)
    }

    fn skip(&mut self, node: usize, reason: String) -> Result<(), Failure> {
        if let Some(known) = self.bisected.nodes.get(node) {
            self.session.events.note(&format!("skipped: {} {}: {reason}", known.id, known.subject));
        }
        let Recording { run, info, .. } = &mut self.recording;
        if let Some(cell) = info.cells.get_mut(node) {
            cell.skip(reason);
            run.write_info(info)?;
        }
        self.bisection.skip(node);
        Ok(())
    }

    async fn try_node(
        &self,
        cells: &ReadyCells,
        planned: &[PlannedTrial],
        spent: &mut TimeSpent,
    ) -> Result<Tallies, Failure> {
        let work: Vec<Work> = planned.iter().filter_map(|trial| cells.work(trial, 0)).collect();
        let mut tallies = Tallies::default();
        let mut finished = 0;
        let began = Instant::now();
        let sink = Sink { run: &self.recording.run, log: &self.recording.log };
        let ended = self.session.execute(work, self.jobs, sink, |record| {
            finished += 1;
            if let Some(event) = self.bisected.event(record) {
                tallies.count(event, record.template.as_deref());
            }
        });
        let ended = ended.await;
        spent.trials += began.elapsed();
        spent.trials_run += finished;
        ended?;
        Ok(tallies)
    }

    /// Why the last trial of a node does not tell. That none of them could be run is the host's fault and no reason to
    /// pass the node over.
    fn why_uninformative(&self, node: usize) -> Result<String, Failure> {
        let mut last = None;
        let mut infra_error = None;
        let Some(cell) = self.plan.cells().get(node) else { return Ok(String::new()) };
        for record in self.recording.run.trials()? {
            let record = record?;
            if record.cell != **cell {
                continue;
            }
            match record.outcome {
                TrialOutcome::Missed { reason } => last = Some(format!("missed: {reason}")),
                TrialOutcome::InfraError { cause } => infra_error = Some(cause),
                TrialOutcome::Counted { .. } => {
                    last = Some(format!("it has nothing to say about {}", self.bisected.criterion));
                }
            }
        }
        last.ok_or_else(|| {
            let cause = infra_error.unwrap_or_else(|| "none was finished".to_owned());
            Failure::host(format!("no trial of {} could be run: {cause}", cell.kernel()))
        })
    }

    fn write_log(&self) -> Result<(), Failure> {
        let text = log::text(&self.recording.info, &self.bisected, &self.bisection);
        self.recording.run.write_report(log::FILE, &text)?;
        if let Some(path) = &self.log_file {
            std::fs::write(path, text).map_err(|e| Failure::host(format!("write the log {}: {e}", path.display())))?;
        }
        Ok(())
    }
}
