//! How guests are traced.

use std::path::PathBuf;
use std::sync::Arc;

use harness_protocol::page::TRACER_AT;

use crate::evidence::Probes;
use crate::guest::{CrashlabAddresses, Guest, GuestError, Hooks, ListHead, Rules, Template, Tracing};
use crate::kernel::Kernel;
use crate::model::order::OwnStep;
use crate::probes::{self, KernelFiles, LinkedProbes, ProbesError};
use crate::tracer::Tracer;

/// A tracer, and where it looks in the guests of one kernel.
#[derive(Debug)]
pub(super) struct GuestTracer {
    plugin: PathBuf,
    files: KernelFiles,
    /// What is known of the kernel before it has booted.
    linked: LinkedProbes,
    /// In restored guests it sleeps until it is needed.
    sleeps: bool,
}

impl GuestTracer {
    /// In virtual time the vCPUs take turns and none becomes idle by itself, so that a guest could not wake anybody:
    /// then it must not sleep.
    pub fn new(tracer: &Tracer, kernel: &Kernel, vmlinux: PathBuf, sleeps: bool) -> Result<Self, ProbesError> {
        let files = KernelFiles::read(kernel, vmlinux)?;
        let linked = LinkedProbes::of(&tracer.set, &files)?;
        Ok(Self { plugin: tracer.plugin.clone(), files, linked, sleeps })
    }

    /// What a booted guest is asked for.
    pub fn asked(&self) -> &[ListHead] {
        &self.linked.lists
    }

    /// Probes for a guest that is booted rather than restored.
    pub fn for_boot(&self) -> Tracing<'_> {
        let LinkedProbes { probes, lists, anchor, .. } = &self.linked;
        let probes = &probes.probes;
        Tracing { plugin: &self.plugin, probes, lists, anchor: *anchor, slide: 0, doorbell: None, rules: None }
    }

    /// Probes for a guest that is restored from `template`; none if its guest told no hooks.
    pub fn for_restored<'a>(&'a self, probes: &'a Probes, template: &Template) -> Option<Tracing<'a>> {
        let slide = template.slide?;
        let doorbell = self.sleeps.then_some(template.crashlab.page.saturating_add(TRACER_AT as u64));
        let probes = &probes.probes;
        Some(Tracing { plugin: &self.plugin, probes, lists: &[], anchor: 0, slide, doorbell, rules: None })
    }

    /// What is looked for once a guest whose kernel runs `slide` bytes above its link addresses has told of itself.
    pub fn with_hooks(&self, hooks: &Hooks, slide: u64, crashlab: CrashlabAddresses) -> Result<Probes, ProbesError> {
        self.linked.with_hooks(hooks, slide, crashlab, &self.files)
    }

    /// What is looked for, with the steps of a scenario's own.
    pub fn with_steps(&self, probes: Arc<Probes>, steps: &[OwnStep]) -> Result<Arc<Probes>, GuestError> {
        if steps.is_empty() {
            return Ok(probes);
        }
        probes::with_steps(&probes, steps, &self.files).map(Arc::new).map_err(not_found)
    }

    /// Asks a guest that has just booted for what it can tell of itself, and has that and the steps of the scenario's own
    /// looked for too. `rules`: which of its vCPUs are held, by what is looked for, if any are.
    pub async fn complete(
        &self,
        guest: &mut Guest,
        slide: u64,
        steps: &[OwnStep],
        rules: impl FnOnce(&Probes) -> Option<Rules>,
    ) -> Result<Arc<Probes>, GuestError> {
        let crashlab = guest.crashlab()?;
        let hooks = guest.hooks(&self.linked.lists).await?;
        let all = self.with_hooks(&hooks, slide, crashlab).map_err(not_found)?;
        let all = self.with_steps(Arc::new(all), steps)?;
        let more = all.probes.get(self.linked.probes.probes.len()..).unwrap_or_default();
        guest.add_probes(more, rules(&all).as_ref()).await?;
        Ok(all)
    }
}

fn not_found(error: ProbesError) -> GuestError {
    let what = "find what is to be looked for".to_owned();
    GuestError::Io { what, source: std::io::Error::other(error) }
}
