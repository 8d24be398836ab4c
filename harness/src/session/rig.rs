//! The seam between a session and the machine: what kernels are built and crashed on.

use std::ops::Range;
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::guests::Preparation;
use crate::failure::Failure;
use crate::model::KernelName;
use crate::results::{KernelInfo, QemuInfo};
use crate::run::RunTrial;
use crate::scenario::{Guest, Instance, Knob};

/// What kernels are built and crashed on: this machine's QEMU, or a table of outcomes in tests.
pub trait Rig {
    /// A kernel that can be crashed.
    type Kernel;

    /// The QEMU and how it is used, for `run.json`, but for the number of templates.
    fn describe(&self) -> QemuInfo;

    /// That guests of this shape can be run here, as far as that is known before their kernels are built.
    fn check_guest(&self, guest: &Guest) -> Result<(), Failure>;

    /// Builds a kernel, with its crash kernel if it has another one, or takes it from the cache. The inner error is why
    /// there can be no such kernel; the host is not to blame for that.
    fn build(
        &self,
        catalogue: &Catalogue,
        name: &KernelName,
    ) -> impl Future<Output = Result<Result<Self::Kernel, NoKernel>, Failure>>;

    /// What it was made from, for `run.json`.
    fn describe_kernel(&self, kernel: &Self::Kernel) -> KernelInfo;

    /// A digest of what its guests execute, crashlab included: two kernels with the same one are the same, byte for byte.
    fn binary_digest(&self, kernel: &Self::Kernel) -> Result<String, Failure>;

    /// What the kernel's variant sets at run time, before each trial.
    fn knobs(&self, kernel: &Self::Kernel) -> Vec<Knob>;

    /// The words of the variant's on the kernel's command line.
    fn command_line(&self, kernel: &Self::Kernel) -> Vec<String>;

    /// What the kernel lacks of what the instance needs, in words.
    fn missing_requirement(&self, kernel: &Self::Kernel, instance: &Instance) -> Result<Option<String>, Failure>;

    /// Begins to prepare guests for each pair of a kernel and an instance, in their order, with the templates of these numbers.
    /// Pairs whose guests are alike share them. No trial may begin before the preparation is finished.
    fn prepare(
        &self,
        preparation: &mut Preparation,
        pairs: &[(&Self::Kernel, &Instance)],
        templates: Range<u32>,
    ) -> impl Future<Output = Result<Vec<Arc<dyn RunTrial>>, Failure>>;
}

/// Why there can be no such kernel.
#[derive(Debug)]
pub struct NoKernel {
    /// In a line.
    pub reason: String,
    /// Whether the variant is simply not meant for the base.
    pub not_for_base: bool,
    /// In full.
    pub failure: Failure,
}
