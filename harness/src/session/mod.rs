//! What the subcommands have in common: the way from a selection to a run's reports, told in [`Session::run`].
//!
//! ```text
//! Catalogue ─┐                        ┌─> Kernels ─> Booting ─> ReadyCells ─┐
//! Rig ───────┴─> Session ── Plan ─────┴─> Recording ────────────────────────┴─> Schedule <─> run::execute ─> RunOutcome
//!                   └─> Events ─> Reporter
//! ```
//!
//! A session knows QEMU only as a [`Rig`], so that everything here is tested with a table of outcomes in its place. One
//! [`Cancellation`] ends whatever phase it is in; everything that it has to say is an [`Event`].

mod accelerator;
mod asked;
pub mod bisect;
mod boot;
mod cancellation;
mod catalogue;
mod cells;
mod event;
mod explore;
mod guests;
mod kernels;
mod options;
mod pages;
mod qemu;
mod record;
mod reports;
mod resume;
mod rig;
mod schedule;
#[cfg(test)]
mod tests;
mod trial;

use std::path::PathBuf;

use crate::failure::Failure;
use crate::known::Recognised;
use crate::model::CellKey;
use crate::plan::{self, Plan, Selection, Shard};
use crate::results::{Finished, HarnessInfo, Judged, Run, Summary, SummaryBuilder, Until};
use crate::run::{self, Progress, Sink, Stop, Work};
use crate::trial::TrialSettings;

pub use self::accelerator::Asked as AskedAccelerator;
pub use self::asked::Asked;
pub use self::cancellation::Cancellation;
pub use self::catalogue::Catalogue;
pub use self::event::{Event, Events, Reporter};
pub use self::explore::{Explore, Explored, ResumableSearch};
pub use self::guests::Preparation;
pub use self::kernels::{Kernels, kernels_to_pack};
pub use self::options::{TrialOptions, TrialsOfACell};
pub use self::pages::page_of;
pub use self::qemu::{BuiltKernel, QemuRig, kernel, machine};
pub use self::record::{command_line, harness_info};
pub use self::reports::{Recorded, ReportOptions, write_reports};
pub use self::resume::Resumable;
pub use self::rig::{NoKernel, Rig};
pub use self::trial::Tried;

use self::cells::{Cells, ReadyCells};
use self::record::{Recording, RunInputs};
use self::schedule::Schedule;

/// Trials of a cell that are likely to decide it, where that is left to what they show.
const TRIALS_TO_DECIDE: u32 = 20;

/// A project, a machine, and how its trials are run.
pub struct Session<R> {
    /// The project's files.
    pub catalogue: Catalogue,
    /// Where runs are kept.
    pub results: PathBuf,
    /// How trials are run.
    pub options: TrialOptions,
    /// What kernels are built and crashed on.
    pub rig: R,
    /// Where it says what happens.
    pub events: Events,
    /// Whether the user wants an end.
    pub cancellation: Cancellation,
    /// The harness itself.
    pub harness: HarnessInfo,
    /// How reports are written.
    pub reports: ReportOptions,
}

/// What a new run is to do.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The kernels, the scenarios, the number of trials.
    pub selection: &'a Selection,
    /// The suite that the selection comes from.
    pub suite: Option<&'a str>,
    /// The part of the plan that is run here; all of it if none is named.
    pub shard: Option<Shard>,
    /// When there are enough trials, if that is left to what they show.
    pub until: Option<Until>,
}

/// A run that has ended, or was interrupted.
pub struct RunOutcome {
    /// Its folder.
    pub run: Run,
    /// What was counted.
    pub summary: Summary,
    /// What of it was expected.
    pub judged: Vec<Judged>,
    /// What of its failures is known, if there is a list of them.
    pub known: Option<Recognised>,
    /// Trials that were planned.
    pub planned: u64,
    /// Trials that were finished.
    pub finished: u64,
    /// Whether a kernel of it could not be built.
    pub failed: bool,
}

/// A run that is ready to go.
struct Ready {
    plan: Plan,
    cells: ReadyCells,
    recording: Recording,
    jobs: u32,
    /// Whether a kernel of it could not be built.
    failed: bool,
    /// What is recorded already.
    finished: Finished,
    earlier: SummaryBuilder,
}

impl<R: Rig> Session<R> {
    /// Plans, builds, prepares, runs, records and reports.
    pub async fn run(&self, request: Request<'_>) -> Result<RunOutcome, Failure> {
        let Request { selection, suite, shard, until } = request;
        let mut plan = plan::plan(selection, &self.catalogue.known(), self.options.seed, shard)?;
        let cells = Cells::of(&self.rig, &self.catalogue, &plan)?;
        let templates = self.templates(until.map_or(TrialsOfACell::exactly(selection.trials), |until| TrialsOfACell {
            likely: TRIALS_TO_DECIDE,
            at_most: until.at_most,
        }));
        let (kernels, booting) = self.build_and_boot(&selection.kernels, &cells, &mut plan, 0..templates).await?;
        self.note_skipped(&plan);
        let ready = self.booted(booting).await?;
        let jobs = self.options.jobs(cells.largest_mib(&plan));
        let recording = self.begin(&RunInputs {
            plan: &plan,
            cells: &cells,
            kernels: &kernels,
            scenarios: selection.scenarios.iter().map(|selected| selected.name.clone()).collect(),
            suite,
            shard,
            until,
            bisected: None,
            explored: None,
            jobs,
            templates,
        })?;
        let (finished, earlier) = Default::default();
        self.go(Ready { plan, cells: ready, recording, jobs, failed: kernels.failed, finished, earlier }).await
    }

    /// Runs what is not finished, and writes the reports.
    async fn go(&self, ready: Ready) -> Result<RunOutcome, Failure> {
        let Ready { plan, cells, recording, jobs, failed, finished, earlier } = ready;
        let Recording { run, info, log } = recording;
        let shown: Vec<CellKey> = plan.cells_to_run().iter().map(|cell| CellKey::clone(cell)).collect();
        let (seed, id) = (info.seed, run.id());
        self.events.send(&Event::TrialsBegin { run: id, cells: &shown, earlier: &earlier, jobs, seed });
        let mut schedule = Schedule::new(&plan, &finished, info.until, &info.cells);
        let sink = Sink { run: &run, log: &log };
        let ended = self.rounds(&mut schedule, &cells, sink, (jobs, shown.len())).await;
        self.events.send(&Event::TrialsEnd);
        // Whatever happened: what is on disk is told. If that fails too, what failed first is the cause.
        let reported = write_reports(&run, &info, run.folder(), &self.reports);
        let resumable = |failure: Failure| failure.resumable(run.id());
        ended.map_err(resumable)?;
        let Recorded { summary, judged, known, finished, .. } = reported.map_err(resumable)?;
        let (planned, finished) = (schedule.planned(), finished.len());
        Ok(RunOutcome { run, summary, judged, known, planned, finished, failed })
    }

    /// Runs round after round, until the schedule has enough or the user wants an end.
    async fn rounds(
        &self,
        schedule: &mut Schedule<'_>,
        cells: &ReadyCells,
        sink: Sink<'_>,
        (jobs, of): (u32, usize),
    ) -> Result<(), Failure> {
        while let Some(round) = schedule.next(sink.run)? {
            if self.cancellation.level() != Stop::No {
                break;
            }
            for (kernel, &trials) in &round.planned {
                self.events.send(&Event::Planned { kernel, trials });
            }
            if let Some((open, trials)) = round.open {
                self.events.send(&Event::Round { open, of, trials });
            }
            let work = round.trials.filter_map(|(trial, attempt)| cells.work(&trial, attempt));
            self.execute(work, jobs, sink, |_| ()).await?;
        }
        Ok(())
    }

    /// Runs trials, and tells of each when it is on disk.
    async fn execute(
        &self,
        work: impl IntoIterator<Item = Work>,
        jobs: u32,
        sink: Sink<'_>,
        mut ended: impl FnMut(&crate::model::TrialRecord),
    ) -> Result<(), Failure> {
        let told = |progress: Progress<'_>| match progress {
            Progress::Ended(record) => {
                self.events.send(&Event::TrialEnded(record));
                ended(record);
            }
            Progress::Stopping(stop) => self.events.send(&Event::Stopping(stop)),
        };
        Ok(run::execute(work, jobs, sink, self.cancellation.watch(), told).await?)
    }

    /// Says how many cells of the plan cannot be run.
    fn note_skipped(&self, plan: &Plan) {
        let (all, run) = (plan.cells().len(), plan.cells_to_run().len());
        if run < all {
            self.events
                .note(&format!("skipped: {} of {all} cells, which their kernel or guest is not fit for", all - run));
        }
    }

    /// The number of templates of each guest. If fewer are made than were asked for, that is said.
    fn templates(&self, trials: TrialsOfACell) -> u32 {
        let number = self.options.templates(trials);
        if let Some(asked) = self.options.templates.filter(|asked| *asked > number) {
            let most = trials.at_most;
            self.events.note(&format!(
                "note: {most} trials of a cell cannot be spread over {asked} templates: {number} are made"
            ));
        }
        number
    }

    /// What all of the session's trials have in common.
    fn settings(&self) -> TrialSettings {
        let TrialOptions { time, phase, read_back, full_vmcore, .. } = self.options;
        TrialSettings { time, phase, read_back, full_vmcore, schedule: self.options.schedule.clone() }
    }
}
