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
    /// Builds the kernels of these names, or takes them from the cache. One that cannot be built does not keep the others
    /// from being run, if there are any.
    pub async fn build<R: Rig<Kernel = K>>(
        rig: &R,
        catalogue: &Catalogue,
        names: &[KernelName],
        events: &Events,
    ) -> Result<Self, Failure> {
        let mut kernels = Self { built: Vec::new(), missing: BTreeMap::new(), failed: false };
        let mut failures = Vec::new();
        for name in names {
            match rig.build(catalogue, name).await? {
                Ok(kernel) => kernels.built.push((name.clone(), kernel)),
                Err(NoKernel { reason, not_for_base, failure }) => {
                    kernels.missing.insert(name.clone(), reason);
                    kernels.failed |= !not_for_base;
                    failures.push(failure);
                }
            }
        }
        let last = if kernels.built.is_empty() { failures.pop() } else { None };
        for failure in &failures {
            events.send(&Event::Failed(failure));
        }
        last.map_or(Ok(kernels), Err)
    }

    /// One kernel alone.
    pub fn only(name: KernelName, kernel: K) -> Self {
        Self { built: vec![(name, kernel)], missing: BTreeMap::new(), failed: false }
    }

    /// None yet.
    pub fn none() -> Self {
        Self { built: Vec::new(), missing: BTreeMap::new(), failed: false }
    }

    /// The kernel of this name, if it could be built.
    pub fn of(&self, name: &KernelName) -> Option<&K> {
        self.built.iter().find(|(known, _)| known == name).map(|(_, kernel)| kernel)
    }
}
