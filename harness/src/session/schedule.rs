//! Which trials of a plan are run, and when there are enough of them.

use std::collections::BTreeMap;

use crate::compare::{self, Evidence, open_cells};
use crate::failure::Failure;
use crate::model::KernelName;
use crate::plan::{Plan, PlannedTrial};
use crate::results::{Finished, PlannedCell, Run, Until};

/// Trials of each cell before a sequential run is looked at for the first time.
const FIRST_LOOK: u32 = 10;

/// Draws rounds of trials from a plan.
pub struct Schedule<'a> {
    plan: &'a Plan,
    /// What was finished before, in a run that is resumed.
    earlier: &'a Finished,
    kind: Kind<'a>,
    /// Whether no round was drawn yet.
    fresh: bool,
    planned: u64,
}

enum Kind<'a> {
    /// The whole plan, in one round.
    Fixed,
    /// Trials of those cells that are not decided, until all are, or have as many as they may. Each round adds a quarter
    /// to what an open cell has. That the evidence is looked at after each round does not weaken it
    /// (`docs/statistics.md`), so rounds serve only to keep all workers busy.
    Sequential { until: Until, cells: &'a [PlannedCell] },
}

/// Trials that are run before the schedule is asked again.
pub struct Round<'a> {
    /// The trials, each with the number of its attempt.
    pub trials: Box<dyn Iterator<Item = (PlannedTrial, u32)> + 'a>,
    /// How many of them are new, by kernel; the others were given up before.
    pub planned: BTreeMap<KernelName, u64>,
    /// The open cells and the trials of the round, in a sequential run.
    pub open: Option<(usize, usize)>,
}

impl<'a> Schedule<'a> {
    /// The whole plan, or with `until` as much of it as it takes to decide its `cells`.
    pub fn new(plan: &'a Plan, earlier: &'a Finished, until: Option<Until>, cells: &'a [PlannedCell]) -> Self {
        let kind = until.map_or(Kind::Fixed, |until| Kind::Sequential { until, cells });
        Self { plan, earlier, kind, fresh: true, planned: plan.len() }
    }

    /// How many trials the run has with the rounds drawn so far, those of before included.
    pub fn planned(&self) -> u64 {
        self.planned
    }

    /// The next round; `None` if there are enough trials. `run` tells what was seen so far.
    pub fn next(&mut self, run: &Run) -> Result<Option<Round<'a>>, Failure> {
        let first = std::mem::take(&mut self.fresh);
        match self.kind {
            Kind::Fixed => Ok(first.then(|| self.fixed())),
            Kind::Sequential { until, cells } => self.sequential(until, cells, run, first),
        }
    }

    fn fixed(&self) -> Round<'a> {
        let (plan, earlier) = (self.plan, self.earlier);
        let mut planned: BTreeMap<KernelName, u64> = BTreeMap::new();
        for (cell, _) in plan.indices().filter(|(_, index)| !earlier.contains(*index)) {
            *planned.entry(cell.kernel()).or_default() += 1;
        }
        let fresh = plan.iter().filter(|trial| !earlier.contains(trial.index)).map(|trial| (trial, 0));
        Round { trials: Box::new(given_up(plan, earlier).chain(fresh)), planned, open: None }
    }

    fn sequential(
        &mut self,
        until: Until,
        cells: &[PlannedCell],
        run: &Run,
        first: bool,
    ) -> Result<Option<Round<'a>>, Failure> {
        let options =
            compare::Options { alpha: until.error_rate, margin: until.margin, evidence: Evidence::Sequential };
        let (summary, finished) = run.tally()?;
        let open = open_cells(&summary.cells, cells, options);
        let again = given_up(self.plan, self.earlier).filter(|(trial, _)| first && open.contains(&trial.cell));
        let mut round: Vec<(PlannedTrial, u32)> = again.collect();
        let retried = round.len();
        let mut planned: BTreeMap<KernelName, u64> = BTreeMap::new();
        for (position, cell) in self.plan.cells().iter().enumerate().filter(|(_, cell)| open.contains(cell)) {
            let missing =
                |ordinal| self.plan.trial_of(position, ordinal).filter(|trial| !finished.contains(trial.index));
            let seen = summary.cells.iter().find(|seen| seen.key == **cell).map_or(0, |seen| seen.trials);
            let more = if seen < FIRST_LOOK { FIRST_LOOK - seen } else { (seen / 4).max(5) };
            let trials = (0..until.at_most).filter_map(missing).take(more.try_into().unwrap_or(usize::MAX));
            let before = round.len();
            round.extend(trials.map(|trial| (trial, 0)));
            *planned.entry(cell.kernel()).or_default() += (round.len() - before) as u64;
        }
        // What is tried again is finished already.
        self.planned = finished.len() + (round.len() - retried) as u64;
        if round.is_empty() {
            return Ok(None);
        }
        // One of every cell before the second of any.
        round.sort_by_key(|(trial, _)| trial.index);
        let open = Some((open.len(), round.len()));
        Ok(Some(Round { trials: Box::new(round.into_iter()), planned, open }))
    }
}

/// The trials that were given up before, each with the number of its next attempt: the cause may have gone.
fn given_up<'a>(plan: &'a Plan, finished: &'a Finished) -> impl Iterator<Item = (PlannedTrial, u32)> + 'a {
    finished.failed().filter_map(|(index, attempt)| Some((plan.trial(index)?, attempt + 1)))
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

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
