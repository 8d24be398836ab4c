//! The stages of a run: what each of its kernels' guests start from.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Failure;
use super::context::Context;
use super::crash_kernels::CrashKernels;
use super::interrupts::unless_interrupted;
use super::progress::Progress;
use super::run::How;
use crate::guest::Machine;
use crate::kernel::Kernel;
use crate::model::{CellKey, KernelName, Phase};
use crate::parts;
use crate::plan::PlannedTrial;
use crate::run::Work;
use crate::scenario::{Guest, Instance, Knob};
use crate::tracer::Tracer;
use crate::trial::{Assignment, Stage, StageError, StageOptions, Workplace};

/// How many guests boot or settle at once, for each processor. With many more a QEMU does not answer in time.
const AT_ONCE: usize = 2;

/// What a stage is looked up by.
type Key = (KernelName, Guest);

/// A template that was made, or could not be: of which stage, and its number.
struct Made {
    key: Key,
    number: u32,
    result: Result<(), StageError>,
}

/// The stages of a run, one for each kernel and guest shape, each with its variant's settings.
pub struct Stages {
    by_kernel: BTreeMap<Key, (Arc<Stage>, Vec<Knob>)>,
    /// Whether the next boot is asked after each trial what pstore has.
    read_back: bool,
    /// Whether all of a dead kernel's memory is kept.
    full_vmcore: bool,
    /// Whether trials draw their interleaving.
    phase: Phase,
}

impl Stages {
    /// Makes or finds the templates of these numbers for every guest that the cells need, several at once: a guest that
    /// settles leaves the processors idle. If a template cannot be made, the others are used; if none can, that is an error.
    #[expect(clippy::too_many_arguments, reason = "all that guests are made from")]
    pub async fn prepare(
        context: &Context,
        (kernels, crash_kernels): (&[Kernel], &CrashKernels),
        cells: &[Arc<CellKey>],
        machine: Machine,
        qemu_version: &str,
        how: &How,
        templates: Range<u32>,
        tracer: Option<&Tracer>,
    ) -> Result<Self, Failure> {
        let (project, cache) = (context.project.clone(), context.cache.clone());
        let building = tokio::task::spawn_blocking(move || parts::build(&project, &cache, &parts::AGENT));
        let agent = unless_interrupted("the guests' agent was being built", building).await?;
        let agent = agent.map_err(Failure::host)?.map_err(Failure::host)?;
        let workplace = Arc::new(Workplace::default());
        let mut by_kernel = BTreeMap::new();
        for kernel in kernels {
            let crash_kernel = crash_kernels.of(kernel).map(Kernel::bzimage);
            for shape in shapes(context, cells, &kernel.name())? {
                let Guest { cpus, memory_mib, pstore, crashkernel_mib, .. } = shape;
                let machine = Machine { cpus, memory_mib, pstore, crashkernel_mib, ..machine.clone() };
                let options = StageOptions {
                    cache: &context.cache,
                    agent: &agent,
                    qemu_version,
                    workplace: &workplace,
                    tracer,
                    command_line: &shape.command_line,
                    crash_kernel: crash_kernel.as_deref(),
                };
                let stage = Arc::new(Stage::prepare(machine, kernel, options)?);
                by_kernel.insert((kernel.name(), shape), (stage, knobs(kernel)));
            }
        }
        let How { read_back, full_vmcore, phase, .. } = *how;
        let stages = Self { by_kernel, read_back, full_vmcore, phase };
        if how.cold {
            return Ok(stages);
        }
        // The kernels' builds have taken the signals away from their default.
        unless_interrupted("guests were being prepared", stages.make_templates(templates)).await??;
        Ok(stages)
    }

    /// Gives every stage the templates of these numbers, first the first one of each.
    async fn make_templates(&self, numbers: Range<u32>) -> Result<(), Failure> {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let room = Arc::new(Semaphore::new(processors * AT_ONCE));
        let mut making = JoinSet::new();
        for number in numbers {
            for (key, (stage, _)) in &self.by_kernel {
                let (key, stage, room) = (key.clone(), Arc::clone(stage), Arc::clone(&room));
                making.spawn(async move {
                    // It is never closed.
                    let _place = room.acquire_owned().await;
                    Made { key, number, result: stage.add_template(number).await }
                });
            }
        }
        let of = making.len() as u64;
        let doing = "booting and settling, once for each kernel and template";
        let mut progress = Progress::begin("guests");
        progress.at(0, of, doing);
        let (mut ready, mut ended) = (BTreeSet::new(), 0);
        let mut failed = Vec::new();
        while let Some(made) = making.join_next().await {
            let Made { key, number, result } = made.map_err(Failure::host)?;
            match result {
                Ok(()) => drop(ready.insert(key)),
                Err(error) => failed.push((key, number, error)),
            }
            ended += 1;
            progress.at(ended, of, doing);
        }
        progress.end(&format!("{} ready", of - failed.len() as u64));
        for (key, number, error) in failed {
            if !ready.contains(&key) {
                return Err(error.into());
            }
            eprintln!("note: cannot make template {number} of {}; the run continues with fewer: {error}", key.0);
        }
        Ok(())
    }

    /// A trial, ready to be run.
    pub fn work(&self, context: &Context, trial: &PlannedTrial, attempt: u32) -> Result<Work, Failure> {
        let instance = instance(context, &trial.cell)?;
        let (stage, knobs) = self
            .by_kernel
            .get(&(trial.cell.kernel(), instance.guest.clone()))
            .ok_or_else(|| Failure::host(format!("no guest was prepared for {}", trial.cell)))?;
        let mut instance = instance.clone();
        // None of the variant's own settings is one of the scenario's: such a cell is not run.
        instance.knobs.splice(0..0, knobs.iter().cloned());
        let mut assignment = Assignment::new(trial, &instance, stage.machine.time, self.phase);
        (assignment.read_back, assignment.full_vmcore) = (self.read_back, self.full_vmcore);
        Ok(Work { stage: Arc::clone(stage), assignment, attempt })
    }

    /// One of them, where there is only one.
    pub fn any(&self) -> Option<Arc<Stage>> {
        self.by_kernel.values().next().map(|(stage, _)| Arc::clone(stage))
    }

    /// RAM of the largest guest, in MiB.
    pub fn largest_mib(&self) -> u64 {
        self.by_kernel.keys().map(|(_, shape)| u64::from(shape.memory_mib)).max().unwrap_or(0)
    }
}

/// The shapes of guest that a kernel's cells need, each once.
fn shapes(context: &Context, cells: &[Arc<CellKey>], kernel: &KernelName) -> Result<Vec<Guest>, Failure> {
    let mut shapes = Vec::new();
    for cell in cells.iter().filter(|cell| cell.kernel() == *kernel) {
        let shape = instance(context, cell)?.guest.clone();
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    Ok(shapes)
}

/// A cell's scenario at its point.
pub fn instance<'a>(context: &'a Context, cell: &CellKey) -> Result<&'a Instance, Failure> {
    context.scenario(cell)?.at(&cell.params).ok_or_else(|| Failure::host(format!("{cell} is no point of its scenario")))
}

/// A variant's run-time settings, in the scenario's form.
pub fn knobs(kernel: &Kernel) -> Vec<Knob> {
    use crate::kernel::Knob as Of;
    let knob = |knob: &Of| match knob.clone() {
        Of::Parameter(parameter) => Knob::parameter(&parameter.module, &parameter.name, parameter.value),
        Of::Sysctl(sysctl) => Knob::sysctl(&sysctl.name, sysctl.value),
    };
    kernel.knobs.iter().map(knob).collect()
}
