//! From a kernel to what its guests start from.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cli::context::Context;
use crate::cli::crash_kernels::CrashKernels;
use crate::cli::execution::TRIALS_TO_DECIDE;
use crate::cli::run::How;
use crate::cli::stages::Stages;
use crate::cli::{Failure, doctor, skips};
use crate::guest::Machine;
use crate::kernel::Kernel;
use crate::model::CellKey;
use crate::preflight::Report;
use crate::tracer::Tracer;

/// What guests are made with.
pub struct Workshop {
    pub how: How,
    pub machine: Machine,
    pub qemu_version: String,
    pub tracer: Option<Tracer>,
    /// How many templates the trials of each kernel are spread over.
    pub templates: u32,
}

impl Workshop {
    /// What this machine has.
    pub async fn of(context: &Context, how: How, report: &Report) -> Result<Self, Failure> {
        let (machine, qemu_version) = doctor::machine(report, how.time)?;
        let tracer = how.tracer(context, &machine).await?;
        let templates = how.templates(TRIALS_TO_DECIDE);
        Ok(Self { how, machine, qemu_version, tracer, templates })
    }

    /// What guests of one kernel start from. The inner error is the reason why this kernel is passed over.
    pub async fn stages(
        &self,
        context: &Context,
        (kernel, crash_kernels): (&Kernel, &CrashKernels),
        cell: &Arc<CellKey>,
    ) -> Result<Result<Stages, String>, Failure> {
        if let Some(reason) = skips::why_skipped(context, kernel, cell, &mut BTreeMap::new())? {
            return Ok(Err(reason));
        }
        let kernels = (std::slice::from_ref(kernel), crash_kernels);
        let cells = std::slice::from_ref(cell);
        let prepare = || {
            let (machine, tracer) = (self.machine.clone(), self.tracer.as_ref());
            Stages::prepare(context, kernels, cells, machine, &self.qemu_version, &self.how, 0..self.templates, tracer)
        };
        // Once more: it may have been the host, which was busy.
        let mut prepared = prepare().await;
        if prepared.as_ref().is_err_and(Failure::is_input) {
            prepared = prepare().await;
        }
        match prepared {
            Ok(stages) => Ok(Ok(stages)),
            Err(failure) if failure.is_input() => Ok(Err(failure.first_line())),
            Err(failure) => Err(failure),
        }
    }
}
