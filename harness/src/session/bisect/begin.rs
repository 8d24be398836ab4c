//! A new bisection: from what is asked for to the run's folder.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::log;
use super::point::Point;
use super::range::Range;
use super::resume::ResumableBisection;
use super::search::Searched;
use crate::bisect::{Bisection, History, Options};
use crate::failure::Failure;
use crate::model::bisection::{Bisected, Criterion};
use crate::plan::Plan;
use crate::results::RunInfo;
use crate::session::cells::Cells;
use crate::session::kernels::Kernels;
use crate::session::record::{Recording, RunInputs};
use crate::session::{Rig, Session};

/// What a new bisection is to do.
#[derive(Debug)]
pub struct Bisect {
    /// Where it searches.
    pub range: Range,
    /// What is tried.
    pub point: Point,
    /// What is looked for.
    pub criterion: Criterion,
    /// Whether it is looked for where that ceased.
    pub fixed: bool,
    /// How probable the answer has to be.
    pub confidence: f64,
    /// It takes no more trials than this.
    pub at_most: u32,
    /// The log of another bisection, whose trials count.
    pub replay: Option<PathBuf>,
    /// Where the log goes, besides the run's folder.
    pub log_file: Option<PathBuf>,
}

impl<R: Rig> Session<R> {
    /// Begins a bisection, and goes on until the core has an answer or the user wants an end.
    pub async fn bisect(&self, asked: Bisect) -> Result<Searched, Failure> {
        let Bisect { range, point, criterion, fixed, confidence, at_most, replay, log_file } = asked;
        let Range { between, kernels, nodes } = range;
        let mut bisected = Bisected { between, criterion, fixed, confidence, at_most, nodes };
        let skipped = match &replay {
            Some(path) => log::replay(path, &mut bisected)?,
            None => BTreeMap::new(),
        };
        let plan = Plan::again(kernels.into_iter().map(|kernel| point.cell(kernel)), at_most, self.options.seed, None);
        let cells = Cells::of(&self.rig, &self.catalogue, &plan)?;
        let jobs = self.options.jobs(cells.largest_mib(&plan));
        let templates = self.templates(super::search::trials_of_a_node(at_most));
        let mut recording = self.begin(&RunInputs {
            plan: &plan,
            cells: &cells,
            kernels: &Kernels::none(),
            scenarios: vec![point.scenario.clone()],
            suite: None,
            shard: None,
            until: None,
            bisected: Some(bisected.clone()),
            explored: None,
            jobs,
            templates,
        })?;
        let Recording { run, info, .. } = &mut recording;
        for cell in &mut info.cells {
            // It is measured, not judged.
            cell.expect.clear();
        }
        for (node, reason) in skipped {
            info.cells[node].skip(reason);
        }
        run.write_info(info)?;
        let bisection = core(&bisected, &recording.info)?;
        let begun = vec![0; bisected.nodes.len()];
        self.resume_bisection(ResumableBisection { recording, bisected, bisection, begun }, log_file).await
    }
}

/// The core, told what another bisection's log and the run's file say.
pub fn core(bisected: &Bisected, info: &RunInfo) -> Result<Bisection, Failure> {
    let parents = bisected.nodes.iter().map(|node| node.parents.clone()).collect();
    let history = History::new(parents).map_err(Failure::input)?;
    let weights = bisected.nodes.iter().map(|node| node.weight).collect();
    let Bisected { confidence, at_most, .. } = *bisected;
    let mut bisection = Bisection::new(history, weights, Options { confidence, at_most, ..Options::default() });
    for (node, known) in bisected.nodes.iter().enumerate() {
        if let Some(other) = known.same_as.filter(|other| *other < bisected.nodes.len()) {
            bisection.same_kernel(node, other);
        }
    }
    for (node, earlier) in bisected.nodes.iter().map(|node| node.earlier).enumerate() {
        bisection.record(node, earlier);
    }
    for (node, _) in info.cells.iter().enumerate().filter(|(_, cell)| cell.skipped.is_some()) {
        bisection.skip(node);
    }
    Ok(bisection)
}
