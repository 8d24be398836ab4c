//! The kernels of a run, as many of them as there can be.

use std::collections::BTreeMap;

use super::cancellation::Cancellation;
use super::catalogue::Catalogue;
use super::event::{Event, Events};
use super::qemu::kernel;
use super::rig::{NoKernel, Rig};
use crate::failure::Failure;
use crate::kernel::{Kernel, KernelError};
use crate::model::KernelName;

/// The kernels of a run.
pub struct Kernels<K> {
    /// Those that can be booted, in the order in which they were asked for.
    pub built: Vec<(KernelName, K)>,
    /// Why there is none of these.
    pub missing: BTreeMap<KernelName, String>,
    /// Whether something that was asked for could not be built.
    pub failed: bool,
    /// Why, in full, as long as nobody was told.
    failures: Vec<Failure>,
}

/// The kernels of these names, built or taken from the cache, but for those whose variant is not meant for its base.
pub async fn kernels_to_pack(
    catalogue: &Catalogue,
    names: &[KernelName],
    events: &Events,
    cancellation: &Cancellation,
) -> Result<Vec<Kernel>, Failure> {
    let mut kernels = Vec::new();
    for name in names {
        match kernel(catalogue, name, events, cancellation).await? {
            Ok(kernel) => kernels.push(kernel),
            Err(error @ KernelError::NotForBase { .. }) => events.note(&format!("left out: {}", error.first_line())),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(kernels)
}

impl<K> Kernels<K> {
    /// Builds the kernel of this name, or takes it from the cache. That there can be none is noted.
    pub async fn add<R: Rig<Kernel = K>>(
        &mut self,
        rig: &R,
        catalogue: &Catalogue,
        name: &KernelName,
    ) -> Result<(), Failure> {
        match rig.build(catalogue, name).await? {
            Ok(kernel) => self.built.push((name.clone(), kernel)),
            Err(NoKernel { reason, not_for_base, failure }) => {
                self.missing.insert(name.clone(), reason);
                self.failed |= !not_for_base;
                self.failures.push(failure);
            }
        }
        Ok(())
    }

    /// Says why some could not be built, which does not keep the others from being run; if there are no others, the last of
    /// these reasons is an error.
    pub fn report(&mut self, events: &Events) -> Result<(), Failure> {
        let last = if self.built.is_empty() { self.failures.pop() } else { None };
        for failure in self.failures.drain(..) {
            events.send(&Event::Failed(&failure));
        }
        last.map_or(Ok(()), Err)
    }

    /// One kernel alone.
    pub fn only(name: KernelName, kernel: K) -> Self {
        Self { built: vec![(name, kernel)], ..Self::none() }
    }

    /// None yet.
    pub fn none() -> Self {
        Self { built: Vec::new(), missing: BTreeMap::new(), failed: false, failures: Vec::new() }
    }

    /// The kernel of this name, if it could be built.
    pub fn of(&self, name: &KernelName) -> Option<&K> {
        self.built.iter().find(|(known, _)| known == name).map(|(_, kernel)| kernel)
    }
}
