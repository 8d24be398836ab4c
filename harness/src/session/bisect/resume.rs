//! Resuming a bisection, by what its run's folder says: every trial that was finished is there.

use std::path::PathBuf;

use super::begin::core;
use super::search::{Search, Searched};
use crate::bisect::{Bisection, Tallies};
use crate::failure::Failure;
use crate::model::KernelName;
use crate::model::bisection::{Bisected, SearchSpace};
use crate::plan::Plan;
use crate::results::{FileDigest, Run};
use crate::session::cells::Cells;
use crate::session::record::Recording;
use crate::session::{Catalogue, Rig, Session};

/// A bisection that is to be resumed. Nobody else writes to its run for as long as this lives.
pub struct ResumableBisection {
    pub(super) recording: Recording,
    pub(super) bisected: Bisected,
    pub(super) bisection: Bisection,
    /// By node: how many trials of it were begun.
    pub(super) begun: Vec<u32>,
}

impl ResumableBisection {
    /// Opens a run, and reads what is recorded of it. Its scenario has to be what it was.
    pub fn open(catalogue: &Catalogue, run: Run) -> Result<Self, Failure> {
        let info = run.info()?;
        let Some(bisected) = info.bisected.clone() else {
            let id = run.id();
            return Err(Failure::input(format!("run {id} is no bisection\n\nhint: harness run --resume {id}")));
        };
        for FileDigest { name, sha256 } in &info.scenarios {
            if catalogue.scenario(name)?.digest != *sha256 {
                let (id, hint) = (run.id(), "put it back as it was, or begin anew with --replay");
                return Err(Failure::input(format!("scenario {name} is not what it was in {id}\n\nhint: {hint}")));
            }
        }
        let (log, _) = run.reopen_log()?;
        let nodes = bisected.nodes.len();
        let (mut begun, mut tallies) = (vec![0; nodes], vec![Tallies::default(); nodes]);
        for record in run.trials()? {
            let record = record?;
            let (node, ordinal) = (record.index % nodes as u64, record.index / nodes as u64);
            let Ok(node) = usize::try_from(node) else { continue };
            begun[node] = begun[node].max(u32::try_from(ordinal + 1).unwrap_or(u32::MAX));
            if let Some(event) = bisected.event(&record) {
                tallies[node].count(event, record.template.as_deref());
            }
        }
        let mut bisection = core(&bisected, &info)?;
        for (node, tallies) in tallies.into_iter().enumerate() {
            bisection.record(node, tallies);
        }
        Ok(Self { recording: Recording { run, info, log }, bisected, bisection, begun })
    }

    /// What went into its run.
    pub fn info(&self) -> &crate::results::RunInfo {
        &self.recording.info
    }

    /// Its kernels, in the order of its nodes.
    pub fn kernels(&self) -> Vec<KernelName> {
        self.recording.info.cells.iter().map(|cell| cell.key.kernel()).collect()
    }

    /// The names of bases that are made for it, and are this machine's alone.
    pub fn scratch(&self) -> Vec<String> {
        match self.bisected.between {
            SearchSpace::Commits { .. } => self.kernels().into_iter().map(|kernel| kernel.base).collect(),
            SearchSpace::Patches | SearchSpace::Options => Vec::new(),
        }
    }
}

impl<R: Rig> Session<R> {
    /// Resumes a bisection, until the core has an answer or the user wants an end. The session's options must be those of
    /// the run.
    pub async fn resume_bisection(
        &self,
        resumable: ResumableBisection,
        log_file: Option<PathBuf>,
    ) -> Result<Searched, Failure> {
        let ResumableBisection { recording, bisected, bisection, begun } = resumable;
        let info = &recording.info;
        let keys = info.cells.iter().map(|cell| cell.key.clone());
        let plan = Plan::again(keys, info.trials_per_cell, info.seed, None);
        let cells = Cells::of(&self.rig, &self.catalogue, &plan)?;
        let jobs = self.options.jobs(cells.largest_mib(&plan));
        let templates = info.qemu.templates;
        Search {
            session: self,
            recording,
            plan,
            cells,
            jobs,
            templates,
            bisected,
            bisection,
            begun,
            ahead: None,
            log_file,
        }
        .go()
        .await
    }
}
