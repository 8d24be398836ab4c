//! A run's folder, begun here and nowhere else, with every input of the run in `run.json`.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::Session;
use super::cells::Cells;
use super::kernels::Kernels;
use super::rig::Rig;
use crate::failure::Failure;
use crate::kernel;
use crate::model::bisection::Bisected;
use crate::model::{CellKey, KernelName};
use crate::plan::{Plan, Shard};
use crate::procfs;
use crate::project::Project;
use crate::results::{
    ExploredInfo, FileDigest, HarnessInfo, HostInfo, PlannedCell, QemuInfo, Run, RunInfo, SCHEDULE, SCHEMA_VERSION,
    TrialLog, Until, rfc3339,
};
use crate::schedule;

/// A run that trials are written to.
pub struct Recording {
    /// Its folder.
    pub run: Run,
    /// What is in its `run.json`.
    pub info: RunInfo,
    /// Its trials.
    pub log: TrialLog,
}

/// What a run is made from, besides the session.
pub struct RunInputs<'a, K> {
    /// The whole plan.
    pub plan: &'a Plan,
    /// What its cells are made from.
    pub cells: &'a Cells,
    /// The kernels that are known when it begins.
    pub kernels: &'a Kernels<K>,
    /// The names of its scenarios.
    pub scenarios: Vec<String>,
    /// The suite it comes from.
    pub suite: Option<&'a str>,
    /// The part of the plan that is run.
    pub shard: Option<Shard>,
    /// When it has enough trials.
    pub until: Option<Until>,
    /// What is looked for, if it is a bisection.
    pub bisected: Option<Bisected>,
    /// How it searches, if it is a search for orders.
    pub explored: Option<ExploredInfo>,
    /// How many CPUs of guests may be busy at a time.
    pub jobs: u32,
    /// How many templates of each guest its trials are spread over.
    pub templates: u32,
}

impl<R: Rig> Session<R> {
    /// Begins a run: its folder, with `run.json`, and an empty log.
    pub fn begin(&self, inputs: &RunInputs<'_, R::Kernel>) -> Result<Recording, Failure> {
        let began = SystemTime::now();
        let run = Run::create(&self.results, began)?;
        let info = self.describe(inputs, run.id(), began)?;
        run.write_info(&info)?;
        let kernels: BTreeSet<KernelName> = info.cells.iter().map(|cell| cell.key.kernel()).collect();
        for (name, content) in kernel::kept_inputs(&self.catalogue.project, &kernels)? {
            run.write_report(&name, content)?;
        }
        if let Some(schedule) = &info.schedule {
            run.write_report(
                SCHEDULE,
                schedule::written(schedule, &format!("What the trials of run {} follow.", run.id())),
            )?;
        }
        let log = run.log()?;
        Ok(Recording { run, info, log })
    }

    /// Describes what a run with this id is made from.
    pub fn describe(&self, inputs: &RunInputs<'_, R::Kernel>, id: &str, began: SystemTime) -> Result<RunInfo, Failure> {
        let mut scenarios = Vec::new();
        for name in &inputs.scenarios {
            let scenario = self.catalogue.scenario(name)?;
            scenarios.push(FileDigest { name: scenario.name.clone(), sha256: scenario.digest.clone() });
        }
        let kernels = inputs.kernels.built.iter().map(|(_, kernel)| self.rig.describe_kernel(kernel));
        Ok(RunInfo {
            schema_version: SCHEMA_VERSION,
            run_id: id.to_owned(),
            started: rfc3339(began),
            command: command_line(),
            harness: self.harness.clone(),
            host: host(),
            qemu: QemuInfo { templates: inputs.templates, ..self.rig.describe() },
            kernels: kernels.collect(),
            scenarios,
            suite: inputs.suite.map(str::to_owned),
            seed: self.options.seed,
            trials_per_cell: inputs.plan.trials_per_cell(),
            jobs: inputs.jobs,
            shard: inputs.shard,
            until: inputs.until,
            bisected: inputs.bisected.clone(),
            explored: inputs.explored.clone(),
            schedule: self.options.schedule.as_deref().cloned(),
            merged_from: Vec::new(),
            hosts: Vec::new(),
            cells: cells(inputs.plan, inputs.cells),
        })
    }
}

/// The words that this program was called with. In those that are no UTF-8, what cannot be shown is replaced.
pub fn command_line() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// The cells of the plan, in its order.
fn cells(plan: &Plan, cells: &Cells) -> Vec<PlannedCell> {
    let cell = |(position, key): (usize, &std::sync::Arc<CellKey>)| {
        let skipped = plan.skipped(position).map(str::to_owned);
        let trials = if skipped.is_some() { 0 } else { plan.trials_per_cell() };
        PlannedCell { key: CellKey::clone(key), trials, skipped, expect: cells.expectations(position) }
    };
    plan.cells().iter().enumerate().map(cell).collect()
}

/// This harness, which was built from the project if that is a checkout of the user's.
pub fn harness_info(project: &Project) -> HarnessInfo {
    HarnessInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git: project.is_the_users().then(|| git_describe(project)).flatten(),
    }
}

/// The version of the harness by git; `None` outside of a checkout.
fn git_describe(project: &Project) -> Option<String> {
    let output = std::process::Command::new("git")
        .arg("-C")
        .arg(project.root())
        .args(["describe", "--always", "--dirty", "--tags"])
        .stdin(std::process::Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

/// What the host says of itself; what it does not say is empty.
fn host() -> HostInfo {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str, by: char| {
        let line = text.lines().find(|line| line.trim_start().starts_with(name));
        let value =
            line.and_then(|line| line.split_once(by)).map(|(_, value)| value.trim().trim_matches('"').to_owned());
        value.unwrap_or_default()
    };
    HostInfo {
        os: field(&read("/etc/os-release"), "PRETTY_NAME", '='),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        cpu: field(&read("/proc/cpuinfo"), "model name", ':'),
        cores: std::thread::available_parallelism().ok().and_then(|cores| u32::try_from(cores.get()).ok()).unwrap_or(0),
        memory_bytes: procfs::bytes("/proc/meminfo", "MemTotal").unwrap_or(0),
    }
}
