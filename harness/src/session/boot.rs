//! From the kernels that a plan is for to guests of theirs: those of one kernel boot while the next one is built.
//!
//! Trials wait for all of them. They go round the cells in turn, so that whatever else the host does meets all kernels alike; with a
//! build beside the trials of the first kernels only, what it does to them would look like a difference between kernels.

use std::ops::Range;

use super::Session;
use super::cells::{Cells, ReadyCells};
use super::guests::Preparation;
use super::kernels::Kernels;
use super::rig::Rig;
use crate::failure::Failure;
use crate::model::KernelName;
use crate::plan::Plan;

/// Cells whose guests boot.
#[derive(Default)]
pub struct Booting {
    cells: ReadyCells,
    preparation: Preparation,
}

impl<R: Rig> Session<R> {
    /// Builds these kernels, or takes them from the cache, one after the other, and has guests of each boot from then on. Cells of
    /// the plan that cannot be run are left out.
    pub(super) async fn build_and_boot(
        &self,
        names: &[KernelName],
        cells: &Cells,
        plan: &mut Plan,
        templates: Range<u32>,
    ) -> Result<(Kernels<R::Kernel>, Booting), Failure> {
        let (mut kernels, mut booting) = (Kernels::none(), Booting::default());
        for (nth, name) in names.iter().enumerate() {
            if names[..nth].contains(name) {
                continue;
            }
            kernels.add(&self.rig, &self.catalogue, name).await?;
            cells.skip(&self.rig, (&kernels, name), plan)?;
            booting.add(self, cells, (&kernels, name), plan, templates.clone()).await?;
        }
        kernels.report(&self.events)?;
        Ok((kernels, booting))
    }

    /// Waits until guests have booted.
    pub(super) async fn booted(&self, booting: Booting) -> Result<ReadyCells, Failure> {
        booting.preparation.finish(&self.events, &self.cancellation).await?;
        Ok(booting.cells)
    }

    /// Prepares guests of the cell at `position`, whose kernel is the only one, while `meanwhile` is done. The inner error is why
    /// trials of it cannot be run.
    pub(super) async fn ready(
        &self,
        (plan, cells): (&Plan, &Cells),
        (position, kernels): (usize, &Kernels<R::Kernel>),
        templates: u32,
        meanwhile: impl Future<Output = Result<(), Failure>>,
    ) -> Result<Result<ReadyCells, String>, Failure> {
        if let Some(reason) = cells.unfit(&self.rig, kernels, position)? {
            return Ok(Err(reason));
        }
        let boot = async || {
            let mut booting = Booting::default();
            for (name, _) in &kernels.built {
                booting.add(self, cells, (kernels, name), plan, 0..templates).await?;
            }
            Ok::<_, Failure>(booting)
        };
        let booting = boot().await?;
        meanwhile.await?;
        let mut booted = self.booted(booting).await;
        // Once more: it may have been the host, which was busy.
        if booted.as_ref().is_err_and(Failure::is_input) {
            booted = self.booted(boot().await?).await;
        }
        match booted {
            Ok(ready) => Ok(Ok(ready)),
            Err(failure) if failure.is_input() => Ok(Err(failure.first_line())),
            Err(failure) => Err(failure),
        }
    }
}

impl Booting {
    /// Has guests boot of those cells that the plan runs on the kernel of this name, if there is one.
    async fn add<R: Rig>(
        &mut self,
        session: &Session<R>,
        cells: &Cells,
        (kernels, name): (&Kernels<R::Kernel>, &KernelName),
        plan: &Plan,
        templates: Range<u32>,
    ) -> Result<(), Failure> {
        let Some(kernel) = kernels.of(name) else { return Ok(()) };
        let how = (session.settings(), templates);
        self.cells.add(cells.prepare(&session.rig, &mut self.preparation, (name, kernel), plan, how).await?);
        Ok(())
    }
}
