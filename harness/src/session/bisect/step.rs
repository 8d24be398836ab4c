//! A step of somebody else's bisection: is this commit good or bad?

use std::fmt;

use super::point::Point;
use super::search::trials_of_a_node;
use crate::bisect::{Tallies, Tally, by_template};
use crate::failure::Failure;
use crate::model::KernelName;
use crate::model::bisection::Criterion;
use crate::plan::Plan;
use crate::run::{Sink, Stop};
use crate::session::cells::Cells;
use crate::session::kernels::Kernels;
use crate::session::record::{Recording, RunInputs};
use crate::session::{NoKernel, Rig, Session, write_reports};
use crate::stats::{Interval, share_sequence};

/// What is to be judged, and by what.
#[derive(Debug, Clone)]
pub struct Step {
    /// The kernel.
    pub kernel: KernelName,
    /// What is tried.
    pub point: Point,
    /// What is looked for.
    pub criterion: Criterion,
    /// A kernel is bad if it happens in more than this share of trials.
    pub threshold: f64,
    /// It takes no more trials than this.
    pub at_most: u32,
}

/// What was found out about a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stepped {
    /// Trials were run.
    Judged {
        /// What they say.
        verdict: Verdict,
        /// How many told, and in how many of these it happened.
        tally: Tally,
        /// The id of their run.
        run: String,
    },
    /// There can be no trials, for this reason.
    Skipped(String),
}

/// What is said of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It happens in fewer trials than the threshold.
    Good,
    /// It happens in more.
    Bad,
    /// There were not enough trials to tell.
    NotClear,
    /// The user wanted an end before it was clear.
    Interrupted,
}

impl<R: Rig> Session<R> {
    /// Runs trials until it is clear whether a kernel is good or bad.
    pub async fn step(&self, step: &Step) -> Result<Stepped, Failure> {
        let Step { kernel: name, point, criterion, threshold, at_most } = step;
        let plan = Plan::again([point.cell(name.clone())], *at_most, self.options.seed, None);
        let cells = Cells::of(&self.rig, &self.catalogue, &plan)?;
        let built = match self.rig.build(&self.catalogue, name).await? {
            Ok(kernel) => kernel,
            Err(NoKernel { reason, .. }) => return Ok(Stepped::Skipped(reason)),
        };
        let templates = self.templates(trials_of_a_node(*at_most));
        let kernels = Kernels::only(name.clone(), built);
        let ready = match self.ready((&plan, &cells), (0, &kernels), templates, async { Ok(()) }).await? {
            Ok(ready) => ready,
            Err(reason) => return Ok(Stepped::Skipped(reason)),
        };
        let jobs = self.options.jobs(cells.largest_mib(&plan));
        let Recording { run, info, log } = self.begin(&RunInputs {
            plan: &plan,
            cells: &cells,
            kernels: &kernels,
            scenarios: vec![point.scenario.clone()],
            suite: None,
            shard: None,
            until: None,
            bisected: None,
            explored: None,
            jobs,
            templates,
        })?;
        let sink = Sink { run: &run, log: &log };
        let mut tallies = Tallies::default();
        let mut planned = plan.iter();
        let verdict = loop {
            if self.cancellation.level() != Stop::No {
                break Verdict::Interrupted;
            }
            let batch: Vec<_> = planned.by_ref().take(jobs.max(1) as usize).collect();
            if batch.is_empty() {
                break Verdict::NotClear;
            }
            let work = batch.iter().filter_map(|trial| ready.work(trial, 0));
            self.execute(work, jobs, sink, |record| {
                if let Some(event) = criterion.happened(record) {
                    tallies.count(event, record.template.as_deref());
                }
            })
            .await?;
            // Without a trial that tells, the interval is all shares.
            if let Some(clear) = Verdict::of(share_sequence(&by_template(&tallies)), *threshold) {
                break clear;
            }
        };
        write_reports(&run, &info, run.folder(), &self.reports)?;
        Ok(Stepped::Judged { verdict, tally: tallies.all(), run: run.id().to_owned() })
    }
}

impl Verdict {
    /// What a share that lies in this interval means, if that is clear.
    fn of(share: Interval, threshold: f64) -> Option<Self> {
        match share {
            Interval { lo, .. } if lo > threshold => Some(Self::Bad),
            Interval { hi, .. } if hi < threshold => Some(Self::Good),
            Interval { .. } => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::NotClear => "not clear",
            Self::Interrupted => "interrupted",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_judged_when_its_share_is_clear() {
        let verdict = |lo, hi| Verdict::of(Interval { lo, hi }, 0.2);
        assert_eq!(verdict(0.0, 0.19), Some(Verdict::Good));
        assert_eq!(verdict(0.21, 0.5), Some(Verdict::Bad));
        assert_eq!(verdict(0.1, 0.3), None);
    }
}
