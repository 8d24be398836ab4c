//! Every input of a run, as `run.json` keeps it.

use std::time::SystemTime;

use super::Failure;
use super::context::Context;
use super::crash_kernels::CrashKernels;
use super::run::How;
use crate::guest::{Accelerator, Time};
use crate::kernel::Kernel;
use crate::model::{CellKey, Expectation};
use crate::plan::{Plan, Selection, Shard};
use crate::preflight::Report;
use crate::procfs;
use crate::results::{
    FileDigest, HarnessInfo, HostInfo, KernelInfo, PlannedCell, QemuInfo, Run, RunInfo, SCHEMA_VERSION, Until, rfc3339,
};
use crate::scenario::Scenario;

/// What a run is made from.
pub struct Inputs<'a> {
    pub kernels: &'a [Kernel],
    pub crash_kernels: &'a CrashKernels,
    pub report: &'a Report,
    pub selection: &'a Selection,
    pub suite: Option<&'a str>,
    pub how: &'a How,
    pub jobs: u32,
    pub seed: u64,
    /// How many templates of each guest its trials are spread over.
    pub templates: u32,
    /// Whether its guests are traced.
    pub traced: bool,
    /// The whole plan.
    pub plan: &'a Plan,
    pub shard: Option<Shard>,
    pub until: Option<Until>,
}

/// Describes the inputs of `run`, which begins now.
pub fn describe(context: &Context, run: &Run, inputs: &Inputs<'_>) -> Result<RunInfo, Failure> {
    let qemu = inputs.report.qemu.as_ref();
    let accelerator = match inputs.how.time {
        // As in `doctor::machine`.
        Time::Virtual => Some(Accelerator::Tcg),
        Time::Real => inputs.report.accelerator,
    };
    let mut scenarios = Vec::new();
    for selected in &inputs.selection.scenarios {
        let scenario = Scenario::find(&context.scenarios, &selected.name)?;
        scenarios.push(FileDigest { name: scenario.name.clone(), sha256: scenario.digest.clone() });
    }
    Ok(RunInfo {
        schema_version: SCHEMA_VERSION,
        run_id: run.id().to_owned(),
        started: rfc3339(SystemTime::now()),
        command: command_line(),
        harness: HarnessInfo { version: env!("CARGO_PKG_VERSION").to_owned(), git: git_describe(context) },
        host: host(),
        qemu: QemuInfo {
            path: qemu.map(|qemu| qemu.path.display().to_string()).unwrap_or_default(),
            version: qemu.map(|qemu| qemu.version.to_string()).unwrap_or_default(),
            accelerator: accelerator.map(|accelerator| accelerator.to_string()).unwrap_or_default(),
            time: inputs.how.time.to_string(),
            cold: inputs.how.cold,
            phase: inputs.how.phase,
            templates: inputs.templates,
            traced: inputs.traced,
            read_back: inputs.how.read_back,
            kdump: inputs.how.kdump,
            crash_kernel: inputs.how.crash_kernel.clone(),
            full_vmcore: inputs.how.full_vmcore,
        },
        kernels: inputs.kernels.iter().map(|it| kernel(it, inputs.crash_kernels.of(it))).collect(),
        scenarios,
        suite: inputs.suite.map(str::to_owned),
        seed: inputs.seed,
        trials_per_cell: inputs.selection.trials,
        jobs: inputs.jobs,
        shard: inputs.shard,
        until: inputs.until,
        bisected: None,
        merged_from: Vec::new(),
        hosts: Vec::new(),
        cells: cells(context, inputs)?,
    })
}

/// The words that this program was called with. In those that are no UTF-8, what cannot be shown is replaced.
pub fn command_line() -> Vec<String> {
    std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// What is written down of a kernel, and of the crash kernel that is loaded into it, if that is another one.
pub fn kernel(kernel: &Kernel, crash_kernel: Option<&Kernel>) -> KernelInfo {
    let record = &kernel.record;
    KernelInfo {
        variant: kernel.variant.clone(),
        base: kernel.base.clone(),
        key: kernel.key.clone(),
        source_digest: record.source.digest.clone(),
        patches: record
            .patches
            .iter()
            .map(|patch| FileDigest { name: patch.name.clone(), sha256: patch.sha256.clone() })
            .collect(),
        config_digest: record.config.clone(),
        command_line: kernel.command_line.clone(),
        knobs: kernel.knobs.iter().map(ToString::to_string).collect(),
        guest: kernel.guest,
        crash_kernel_key: crash_kernel.map(|crash_kernel| crash_kernel.key.clone()),
        compiler: record.tools.compiler.clone(),
        release: record.release.clone(),
        build_id: record.build_id.clone(),
    }
}

/// The cells of the plan, in its order.
fn cells(context: &Context, inputs: &Inputs<'_>) -> Result<Vec<PlannedCell>, Failure> {
    let cells = inputs.plan.cells().iter().enumerate().map(|(position, key)| {
        let skipped = inputs.plan.skipped(position).map(str::to_owned);
        let trials = if skipped.is_some() { 0 } else { inputs.selection.trials };
        let (key, expect) = (CellKey::clone(key), expectations(context, key));
        Ok(PlannedCell { key, trials, skipped, expect })
    });
    cells.collect()
}

/// What is expected of a cell; nothing where its scenario is not possible.
fn expectations(context: &Context, cell: &CellKey) -> Vec<Expectation> {
    let instance = context.scenario(cell).ok().and_then(|scenario| scenario.at(&cell.params));
    instance.map(|instance| instance.expectations.clone()).unwrap_or_default()
}

/// Memory that the host could give to guests, in MiB; `None` if it does not say.
pub fn available_mib() -> Option<u64> {
    procfs::bytes("/proc/meminfo", "MemAvailable").map(|bytes| bytes >> 20)
}

/// Which harness, by git; `None` outside of a checkout.
fn git_describe(context: &Context) -> Option<String> {
    let output = std::process::Command::new("git")
        .arg("-C")
        .arg(context.project.root())
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
