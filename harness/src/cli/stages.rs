//! The stages of a run: what each of its kernels' guests start from.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::context::Context;
use super::progress::Progress;
use super::run::How;
use super::{Failure, build};
use crate::guest::Machine;
use crate::kernel::Kernel;
use crate::model::{CellKey, KernelName};
use crate::parts;
use crate::plan::PlannedTrial;
use crate::run::Work;
use crate::scenario::{Guest, Instance, Knob};
use crate::tracer::Tracer;
use crate::trial::{Assignment, Stage, StageError, StageOptions, Workplace};

/// How many guests boot or settle at once, for each processor. With many more a QEMU does not answer in time.
const AT_ONCE: usize = 2;

/// One stage, by its kernel and guest shape, with the variant's settings.
type Prepared = ((KernelName, Guest), (Arc<Stage>, Vec<Knob>));

/// The stages of a run, one for each kernel and guest shape, each with its variant's settings.
pub struct Stages {
    by_kernel: BTreeMap<(KernelName, Guest), (Arc<Stage>, Vec<Knob>)>,
    /// Whether the next boot is asked after each trial what pstore has.
    read_back: bool,
    /// Whether all of a dead kernel's memory is kept.
    full_vmcore: bool,
}

impl Stages {
    /// Makes or finds every template that the cells need, several at once: a guest that settles leaves the processors idle.
    pub async fn prepare(
        context: &Context,
        kernels: &[Kernel],
        cells: &[Arc<CellKey>],
        machine: Machine,
        qemu_version: &str,
        how: &How,
        tracer: Option<&Tracer>,
    ) -> Result<Self, Failure> {
        let (project, cache) = (context.project.clone(), context.cache.clone());
        let agent = tokio::task::spawn_blocking(move || parts::build(&project, &cache, &parts::AGENT))
            .await
            .map_err(Failure::host)?
            .map_err(Failure::host)?;
        let crash_kernel = match (&how.crash_kernel, kernels.first()) {
            (Some(variant), Some(kernel)) => {
                let name = KernelName::parse(variant, &kernel.base);
                Some(build::kernel(context, &name).await?.bzimage())
            }
            _ => None,
        };
        let cold = how.cold;
        let workplace = Arc::new(Workplace::default());
        let mut preparing = JoinSet::new();
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let room = Arc::new(Semaphore::new(processors * AT_ONCE));
        for kernel in kernels {
            for shape in shapes(context, cells, &kernel.name())? {
                let Guest { cpus, memory_mib, pstore, crashkernel_mib, .. } = shape;
                let machine = Machine { cpus, memory_mib, pstore, crashkernel_mib, ..machine.clone() };
                let (kernel, cache, agent) = (kernel.clone(), context.cache.clone(), agent.clone());
                let (qemu_version, workplace) = (qemu_version.to_owned(), Arc::clone(&workplace));
                let (tracer, crash_kernel) = (tracer.cloned(), crash_kernel.clone());
                let room = Arc::clone(&room);
                preparing.spawn(async move {
                    // It is never closed.
                    let _place = room.acquire_owned().await;
                    let (agent, qemu_version, workplace) = (&*agent, &*qemu_version, &workplace);
                    let options = StageOptions {
                        cache: &cache,
                        agent,
                        qemu_version,
                        cold,
                        workplace,
                        tracer: tracer.as_ref(),
                        command_line: &shape.command_line,
                        crash_kernel: crash_kernel.as_deref(),
                    };
                    let stage = Stage::prepare(machine, &kernel, options).await?;
                    Ok(((kernel.name(), shape), (Arc::new(stage), knobs(&kernel))))
                });
            }
        }
        // The kernels' builds have taken Ctrl-C away from its default.
        tokio::select! {
            stages = Self::collect(preparing) => {
                Ok(Self { by_kernel: stages?, read_back: how.read_back, full_vmcore: how.full_vmcore })
            }
            _ = tokio::signal::ctrl_c() => Err(Failure::host("interrupted while guests were being prepared")),
        }
    }

    async fn collect(
        mut preparing: JoinSet<Result<Prepared, StageError>>,
    ) -> Result<BTreeMap<(KernelName, Guest), (Arc<Stage>, Vec<Knob>)>, Failure> {
        let of = preparing.len() as u64;
        let mut progress = Progress::begin("guests");
        progress.at(0, of, "booting and settling, once for each kernel");
        let mut stages = BTreeMap::new();
        while let Some(prepared) = preparing.join_next().await {
            let (key, stage) = prepared.map_err(Failure::host)??;
            stages.insert(key, stage);
            progress.at(stages.len() as u64, of, "booting and settling, once for each kernel");
        }
        progress.end(&format!("{} ready", stages.len()));
        Ok(stages)
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
        let mut assignment = Assignment::new(trial, &instance);
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
