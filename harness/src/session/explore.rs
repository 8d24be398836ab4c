//! The driver of a search for orders that lose the log: what the core asks for is tried, recorded as in any other run, and told
//! to it.
//!
//! ```text
//! Explore ─> Search <─> crate::explore::Explorer, one for each kernel
//!             │ ^
//!  ReadyCells │ │ trials, on disk
//!             v │
//!       a run's folder ─> Explored
//! ```
//!
//! The core asks for the same whenever it was told the same, so a run that is resumed begins anew, and takes every trial that is
//! recorded for done.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bisect::Point;
use super::cells::{Cells, ReadyCells};
use super::kernels::Kernels;
use super::record::{Recording, RunInputs};
use super::{Event, Rig, Session};
use crate::explore::{Asked, Explorer, Findings, Seen, differences, findings_text, matrix_picture};
use crate::failure::Failure;
use crate::model::schedule::Schedule;
use crate::model::{CellKey, KernelName, ParamValue, TrialRecord};
use crate::plan::{Plan, PlannedTrial};
use crate::results::{ExploredInfo, FileDigest, Run, RunInfo, SummaryBuilder, first_difference};
use crate::run::{Sink, Stop, Work};
use crate::scenario::{Cpu, Instance, Span, Start};
use crate::schedule;

/// Trials that are begun before it is looked at the clock.
const AT_ONCE: usize = 8;

/// The parameter, beside the scenario's own, by which trials of different orders are counted apart.
const ORDER: &str = "order";

/// What a new search is to do.
#[derive(Debug)]
pub struct Explore {
    /// What is tried.
    pub point: Point,
    /// The kernels.
    pub kernels: Vec<KernelName>,
    /// How it searches.
    pub how: ExploredInfo,
}

/// A search that has ended, or was interrupted.
pub struct Explored {
    /// Its run.
    pub run: Run,
    /// What was found on each kernel, by its name.
    pub findings: Vec<(String, Findings)>,
    /// Whether nothing was left to be asked.
    pub complete: bool,
    /// Trials that were finished.
    pub trials: usize,
}

/// A search that is to be resumed. Nobody else writes to its run for as long as this lives.
pub struct ResumableSearch {
    recording: Recording,
    how: ExploredInfo,
    recorded: BTreeMap<u64, TrialRecord>,
}

impl ResumableSearch {
    /// Opens a run, and reads what is recorded of it.
    pub fn open(run: Run) -> Result<Self, Failure> {
        let info = run.info()?;
        let Some(how) = info.explored.clone() else {
            let id = run.id();
            return Err(Failure::input(format!("run {id} is no search\n\nhint: harness run --resume {id}")));
        };
        let (log, _) = run.reopen_log()?;
        let mut recorded = BTreeMap::new();
        for record in run.trials()? {
            let record = record?;
            recorded.insert(record.index, record);
        }
        Ok(Self { recording: Recording { run, info, log }, how, recorded })
    }

    /// What went into its run.
    pub fn info(&self) -> &RunInfo {
        &self.recording.info
    }

    /// Its kernels.
    pub fn kernels(&self) -> Vec<KernelName> {
        self.recording.info.cells.iter().map(|cell| cell.key.kernel()).collect()
    }
}

/// A search under way.
struct Search<'a, R> {
    session: &'a Session<R>,
    recording: Recording,
    plan: Plan,
    cells: Cells,
    ready: ReadyCells,
    jobs: u32,
    /// What is recorded, by its index.
    recorded: BTreeMap<u64, TrialRecord>,
    /// By kernel: the search, and how many trials it was given; none where its cell is skipped.
    explorers: Vec<Option<(Explorer, u32)>>,
    /// The index of the next trial.
    next: u64,
    until: Instant,
}

/// A trial that is wanted, with its index and the place of its kernel.
struct Wanted {
    index: u64,
    position: usize,
    ordinal: u32,
    asked: Asked,
}

impl<R: Rig> Session<R> {
    /// Begins a search, and goes on until nothing is left to be asked, the time is over, or the user wants an end.
    pub async fn explore(&self, asked: Explore, budget: Duration) -> Result<Explored, Failure> {
        let Explore { point, kernels, how } = asked;
        let keys = kernels.iter().map(|kernel| point.cell(kernel.clone()));
        let mut plan = Plan::again(keys, 1, self.options.seed, None);
        let cells = self.cells_of(&plan, &how)?;
        let templates = self.templates(super::TrialsOfACell { likely: super::TRIALS_TO_DECIDE, at_most: u32::MAX });
        let (built, booting) = self.build_and_boot(&kernels, &cells, &mut plan, 0..templates).await?;
        self.note_skipped(&plan);
        let ready = self.booted(booting).await?;
        let recording = self.begin(&inputs(&plan, &cells, &built, &point.scenario, &how, self, templates))?;
        self.search((recording, plan, cells, ready), how, BTreeMap::new(), budget).await
    }

    /// Resumes a search. The session's options must be those of the run.
    pub async fn resume_search(&self, resumable: ResumableSearch, budget: Duration) -> Result<Explored, Failure> {
        let names = resumable.kernels();
        let ResumableSearch { recording, how, recorded } = resumable;
        let info = &recording.info;
        let mut plan = Plan::again(info.cells.iter().map(|cell| cell.key.clone()), 1, info.seed, None);
        let cells = self.cells_of(&plan, &how)?;
        let templates = info.qemu.templates;
        let (built, booting) = self.build_and_boot(&names, &cells, &mut plan, 0..templates).await?;
        let scenario = info.scenarios.first().map(|FileDigest { name, .. }| name.clone()).unwrap_or_default();
        let inputs = inputs(&plan, &cells, &built, &scenario, &how, self, templates);
        let now = self.describe(&inputs, recording.run.id(), std::time::SystemTime::now())?;
        if let Some(difference) = first_difference(info, &now) {
            return Err(Failure::input(format!(
                "resume search {}: {} was {} and is now {}\n\nhint: put it back as it was, or begin a new search",
                recording.run.id(),
                difference.what,
                difference.here,
                difference.there
            )));
        }
        let ready = self.booted(booting).await?;
        self.search((recording, plan, cells, ready), how, recorded, budget).await
    }

    /// The cells of a search. Nothing is expected of them, and faults need not meet as the scenario says: in which order they
    /// come is what is searched.
    fn cells_of(&self, plan: &Plan, how: &ExploredInfo) -> Result<Cells, Failure> {
        let mut cells = Cells::of(&self.rig, &self.catalogue, plan)?;
        cells.change(|instance| explored(instance, how));
        Ok(cells)
    }

    async fn search(
        &self,
        (recording, plan, cells, ready): (Recording, Plan, Cells, ReadyCells),
        how: ExploredInfo,
        recorded: BTreeMap<u64, TrialRecord>,
        budget: Duration,
    ) -> Result<Explored, Failure> {
        let explorer = |position: usize| {
            let instance = cells.instance(position).ok().filter(|_| plan.skipped(position).is_none())?;
            Some((Explorer::new(cast(instance), how.channel, how.deepens), 0))
        };
        let explorers = (0..plan.cells().len()).map(explorer).collect();
        let jobs = self.options.jobs(cells.largest_mib(&plan));
        let until = Instant::now() + budget;
        Search { session: self, recording, plan, cells, ready, jobs, recorded, explorers, next: 0, until }.go().await
    }
}

impl<R: Rig> Search<'_, R> {
    async fn go(mut self) -> Result<Explored, Failure> {
        let shown: Vec<CellKey> = self.plan.cells_to_run().iter().map(|cell| CellKey::clone(cell)).collect();
        let mut earlier = SummaryBuilder::default();
        self.recorded.values().for_each(|record| earlier.add(record));
        let (run, seed, jobs) = (self.recording.run.id().to_owned(), self.recording.info.seed, self.jobs);
        self.session.events.send(&Event::TrialsBegin { run: &run, cells: &shown, earlier: &earlier, jobs, seed });
        let searched = self.rounds().await;
        self.session.events.send(&Event::TrialsEnd);
        let complete = searched.map_err(|failure| failure.resumable(&run))?;
        let names = self.plan.cells().iter().map(|cell| cell.kernel().to_string());
        let findings = names.zip(&self.explorers).filter_map(|(name, explorer)| {
            let (explorer, _) = explorer.as_ref()?;
            Some((name, explorer.findings()))
        });
        let findings: Vec<(String, Findings)> = findings.collect();
        let explored = Explored { trials: self.recorded.len(), run: self.recording.run, findings, complete };
        explored.write()?;
        Ok(explored)
    }

    /// Asks, tries and tells until nothing is left to be asked; whether it came to that.
    async fn rounds(&mut self) -> Result<bool, Failure> {
        loop {
            let wanted = self.wanted();
            if wanted.is_empty() {
                return Ok(true);
            }
            for some in wanted.chunks(AT_ONCE) {
                let new: Vec<&Wanted> = some.iter().filter(|it| !self.recorded.contains_key(&it.index)).collect();
                if !new.is_empty() && (self.session.cancellation.level() != Stop::No || Instant::now() >= self.until) {
                    return Ok(false);
                }
                let work: Vec<Work> = new.iter().filter_map(|wanted| self.work(wanted)).collect();
                for work in &work {
                    let kernel = work.assignment.cell.kernel();
                    self.session.events.send(&Event::Planned { kernel: &kernel, trials: 1 });
                }
                let sink = Sink { run: &self.recording.run, log: &self.recording.log };
                let mut ended = Vec::new();
                let executed = self.session.execute(work, self.jobs, sink, |record| ended.push(record.clone())).await;
                for record in ended {
                    self.recorded.insert(record.index, record);
                }
                executed?;
                for wanted in some {
                    // One that was interrupted has no record: it is asked for again when the run is resumed.
                    let Some(record) = self.recorded.get(&wanted.index) else { return Ok(false) };
                    let seen = Seen {
                        outcome: record.outcome.clone(),
                        timeline: self.recording.run.timeline(wanted.index)?,
                        holds: record.holds.clone(),
                    };
                    if let Some((explorer, _)) = self.explorers.get_mut(wanted.position).and_then(Option::as_mut) {
                        explorer.record(&wanted.asked, seen);
                    }
                }
            }
        }
    }

    /// What the searches want next: one trial of each kernel before the second of any.
    fn wanted(&mut self) -> Vec<Wanted> {
        let mut of_kernels: Vec<Vec<Asked>> = Vec::new();
        for explorer in &mut self.explorers {
            of_kernels.push(explorer.as_mut().map(|(explorer, _)| explorer.ask()).unwrap_or_default());
        }
        let mut wanted = Vec::new();
        let most = of_kernels.iter().map(Vec::len).max().unwrap_or(0);
        for number in 0..most {
            for (position, asked) in of_kernels.iter().enumerate() {
                let Some(asked) = asked.get(number) else { continue };
                let Some(Some((_, given))) = self.explorers.get_mut(position) else { continue };
                wanted.push(Wanted { index: self.next, position, ordinal: *given, asked: asked.clone() });
                (self.next, *given) = (self.next + 1, *given + 1);
            }
        }
        wanted
    }

    fn work(&self, wanted: &Wanted) -> Option<Work> {
        let trial = self.plan.trial_of(wanted.position, wanted.ordinal)?;
        let mut cell = CellKey::clone(&trial.cell);
        let schedule = wanted.asked.schedule.clone();
        if let Some((explorer, _)) = self.explorers.get(wanted.position)?
            && let Some(name) = schedule.as_ref().and_then(|schedule| explorer.name(schedule))
        {
            cell.params.insert(ORDER.to_owned(), ParamValue::Text(name));
        }
        let trial = PlannedTrial { index: wanted.index, cell: Arc::new(cell), ..trial };
        self.ready.following(&trial, schedule.map(Arc::<Schedule>::new))
    }
}

/// What of a run is described for `run.json`.
fn inputs<'a, R: Rig>(
    plan: &'a Plan,
    cells: &'a Cells,
    kernels: &'a Kernels<R::Kernel>,
    scenario: &str,
    how: &ExploredInfo,
    session: &Session<R>,
    templates: u32,
) -> RunInputs<'a, R::Kernel> {
    RunInputs {
        plan,
        cells,
        kernels,
        scenarios: vec![scenario.to_owned()],
        suite: None,
        shard: None,
        until: None,
        bisected: None,
        explored: Some(how.clone()),
        jobs: session.options.jobs(cells.largest_mib(plan)),
        templates,
    }
}

/// A scenario's instance as it is searched.
fn explored(instance: &mut Instance, how: &ExploredInfo) {
    instance.preconditions.clear();
    instance.expectations.clear();
    for actor in instance.actors.iter_mut().filter(|actor| how.free.contains(&actor.name)) {
        // Those that nobody starts have no time.
        actor.start = actor.start.as_ref().map(|_| Start::At(Span::Fixed(Duration::ZERO)));
    }
}

/// The actors in the order in which they are armed, each with its CPU, if that is known before its trial is drawn.
fn cast(instance: &Instance) -> Vec<(String, Option<u32>)> {
    let cpu = |cpu: &Cpu| if let Cpu::Number(cpu) = cpu { Some(*cpu) } else { None };
    instance.actors.iter().map(|actor| (actor.name.clone(), cpu(&actor.cpu))).collect()
}

impl Explored {
    /// Writes what was found into the run's folder.
    fn write(&self) -> Result<(), Failure> {
        let run = &self.run;
        run.write_summary(&run.tally()?.0)?;
        let json = serde_json::to_vec_pretty(&self.json());
        let json = json.map_err(|error| Failure::host(format!("write what was found: {error}")))?;
        run.write_report("explore.json", json)?;
        for (number, (name, found)) in self.findings.iter().enumerate() {
            run.write_report(&format!("explore-{number}.svg"), matrix_picture(name, found).document())?;
            for (place, cause) in (1..).zip(&found.causes) {
                let share = format!("lost in {} of {} trials", cause.smallest.lost, cause.smallest.kept);
                let why = format!("{name}: {} is {share}, when {}.", found.channel, cause.words);
                let file = format!("schedule-{number}-{place}.yaml");
                run.write_report(&file, schedule::written(&cause.schedule, &why))?;
            }
        }
        Ok(())
    }

    /// What was found, for programs.
    pub fn json(&self) -> Value {
        let of = |(kernel, findings): &(String, Findings)| json!({"kernel": kernel, "findings": findings});
        let kernels: Vec<Value> = self.findings.iter().map(of).collect();
        let Self { run, trials, complete, .. } = self;
        json!({"run_id": run.id(), "complete": complete, "trials": trials, "kernels": kernels})
    }

    /// What was found, for people.
    pub fn text(&self) -> String {
        let mut pairs = Vec::new();
        for (loses, found) in &self.findings {
            for (saves, other) in self.findings.iter().filter(|(saves, _)| saves != loses) {
                pairs.push((format!("{loses} loses it and {saves} does not, when"), differences(found, other)));
            }
        }
        findings_text(&self.findings, &pairs)
    }
}
