//! Resuming a run.

use std::time::SystemTime;

use super::cells::Cells;
use super::record::{Recording, RunInputs};
use super::rig::Rig;
use super::{Ready, RunOutcome, Session};
use crate::failure::Failure;
use crate::model::KernelName;
use crate::plan::Plan;
use crate::results::{Difference, Finished, Run, RunInfo, SummaryBuilder, TrialLog, first_difference};

/// A run that is to be resumed. Nobody else writes to it for as long as this lives.
pub struct Resumable {
    run: Run,
    info: RunInfo,
    log: TrialLog,
    finished: Finished,
    earlier: SummaryBuilder,
}

impl Resumable {
    /// Opens a run, and reads what is recorded of it.
    pub fn open(run: Run) -> Result<Self, Failure> {
        let info = run.info()?;
        if !info.merged_from.is_empty() {
            return Err(Failure::input(format!(
                "run {} was merged from {}\n\nhint: resume those, and merge again",
                run.id(),
                info.merged_from.join(", ")
            )));
        }
        if info.bisected.is_some() {
            let id = run.id();
            return Err(Failure::input(format!("run {id} is a bisection\n\nhint: harness bisect --resume {id}")));
        }
        if info.explored.is_some() {
            let id = run.id();
            return Err(Failure::input(format!("run {id} is a search\n\nhint: harness explore --resume {id}")));
        }
        if info.cells.is_empty() {
            return Err(Failure::input(format!("run {} has no cells", info.run_id)));
        }
        let (log, finished) = run.reopen_log()?;
        let mut earlier = SummaryBuilder::default();
        for record in run.trials()? {
            earlier.add(&record?);
        }
        Ok(Self { run, info, log, finished, earlier })
    }

    /// What went into it.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// Its kernels, in the order of its plan.
    pub fn kernels(&self) -> Vec<KernelName> {
        let mut kernels = Vec::new();
        for cell in &self.info.cells {
            if !kernels.contains(&cell.key.kernel()) {
                kernels.push(cell.key.kernel());
            }
        }
        kernels
    }
}

impl<R: Rig> Session<R> {
    /// Runs what is left of a run: trials that are not recorded, and once more those that only failed by our fault.
    ///
    /// Everything that went into the run has to be what it was, down to the kernels' keys; else its trials would not
    /// belong together. The session's options must be those of the run.
    pub async fn resume(&self, resumable: Resumable) -> Result<RunOutcome, Failure> {
        let names = resumable.kernels();
        let Resumable { run, info, log, finished, earlier } = resumable;
        let keys = info.cells.iter().map(|cell| cell.key.clone());
        let mut plan = Plan::again(keys, info.trials_per_cell, info.seed, info.shard);
        let cells = Cells::of(&self.rig, &self.catalogue, &plan)?;
        let templates = info.qemu.templates;
        let (kernels, booting) = self.build_and_boot(&names, &cells, &mut plan, 0..templates).await?;
        self.note_skipped(&plan);
        let inputs = RunInputs {
            plan: &plan,
            cells: &cells,
            kernels: &kernels,
            scenarios: info.scenarios.iter().map(|file| file.name.clone()).collect(),
            suite: info.suite.as_deref(),
            shard: info.shard,
            until: info.until,
            bisected: None,
            explored: None,
            jobs: info.jobs,
            templates,
        };
        let now = self.describe(&inputs, run.id(), SystemTime::now())?;
        if let Some(Difference { what, here, there }) = first_difference(&info, &now) {
            return Err(Failure::input(format!(
                "resume run {}: {what} was {here} and is now {there}\n\nhint: put it back as it was, or begin a new run",
                run.id()
            )));
        }
        let ready = self.booted(booting).await?;
        let jobs = self.options.jobs(cells.largest_mib(&plan));
        self.events.note(&format!("resuming {}: {} trials are recorded", run.id(), finished.len()));
        let recording = Recording { run, info, log };
        self.go(Ready { plan, cells: ready, recording, jobs, failed: kernels.failed, finished, earlier }).await
    }
}
