//! One trial by itself.

use std::path::PathBuf;

use super::Session;
use super::cells::Cells;
use super::record::{Recording, RunInputs};
use super::rig::Rig;
use crate::failure::Failure;
use crate::guest::Watch;
use crate::model::{CellKey, TrialRecord};
use crate::plan::{self, Plan, Selection};
use crate::results::Summary;

/// A trial that was run by itself.
pub struct Tried {
    /// Its record.
    pub record: TrialRecord,
    /// The folder with its artifacts.
    pub artifacts: PathBuf,
}

impl<R: Rig> Session<R> {
    /// Runs a trial of the selection's first cell, whose seed is the session's, from the template of this number. Its
    /// console goes to `watch`, all the rest to a run of its own.
    pub async fn trial(&self, selection: &Selection, template: u32, watch: Watch) -> Result<Tried, Failure> {
        let seed = self.options.seed;
        let selected = plan::plan(selection, &self.catalogue.known(), seed, None)?;
        let first = selected.cells().first().ok_or_else(|| Failure::host("the plan is empty"))?;
        let mut plan = Plan::again([CellKey::clone(first)], 1, seed, None);
        let mut trial = plan.trial(0).ok_or_else(|| Failure::host("the plan is empty"))?;
        // Here a seed is the trial's own, as `trials.jsonl` and `junit.xml` show it, so that any trial can be repeated.
        (trial.seed, trial.nonce) = (seed, plan::nonce(seed));
        let cells = Cells::of(&self.rig, &self.catalogue, &plan)?;
        let templates = template..template.saturating_add(1);
        let (kernels, booting) = self.build_and_boot(&[trial.cell.kernel()], &cells, &mut plan, templates).await?;
        if let Some(reason) = plan.skipped(0) {
            return Err(Failure::input(format!("{} cannot be run: {reason}", trial.cell)));
        }
        let ready = self.booted(booting).await?;
        let work = ready.work(&trial, 0).ok_or_else(|| Failure::host("no guest was prepared"))?;
        let Recording { run, log, .. } = self.begin(&RunInputs {
            plan: &plan,
            cells: &cells,
            kernels: &kernels,
            scenarios: vec![trial.cell.scenario.clone()],
            suite: None,
            shard: None,
            until: None,
            bisected: None,
            explored: None,
            jobs: 1,
            templates: 1,
        })?;
        let artifacts = run.create_artifacts(trial.index)?;
        let record = work.guests.run(&work.assignment, &artifacts, Some(watch)).await;
        log.append(&record).await?;
        run.write_summary(&Summary::from_trials(run.id(), [&record]))?;
        Ok(Tried { record, artifacts })
    }
}
