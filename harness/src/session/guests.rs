//! Guests of QEMU's: what each kernel's trials are restored from, made before the trials begin.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::cancellation::Cancellation;
use super::event::{Event, Events};
use crate::failure::Failure;
use crate::guest::Watch;
use crate::model::{KernelName, TrialRecord};
use crate::run::{RunTrial, TrialFuture};
use crate::trial::{self, Assignment, GuestSource};

/// How many guests boot or settle at once, for each processor. With many more a QEMU does not answer in time.
const AT_ONCE: usize = 2;

impl RunTrial for GuestSource {
    fn run<'a>(
        &'a self,
        assignment: &'a Assignment,
        artifacts: &'a Path,
        watch: Option<Watch>,
    ) -> TrialFuture<'a, TrialRecord> {
        Box::pin(trial::run(self, assignment, artifacts, watch))
    }

    fn rebuild_if_broken(&self) -> TrialFuture<'_, Result<(), String>> {
        Box::pin(async { self.mend().await.map_err(|error| error.to_string()) })
    }
}

/// Guests that are booted to be saved as templates, several at a time: one that settles leaves the processors idle. They boot
/// beside whatever else is done meanwhile, the next kernel's build above all, and are killed when this is dropped.
pub struct Preparation {
    making: JoinSet<Made>,
    room: Arc<Semaphore>,
    /// How many sources of guests get templates.
    sources: usize,
}

/// A template that was made, or could not be.
struct Made {
    /// The number of the source that it is for.
    source: usize,
    kernel: KernelName,
    number: u32,
    result: Result<(), Failure>,
}

impl Default for Preparation {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { making: JoinSet::new(), room: Arc::new(Semaphore::new(processors * AT_ONCE)), sources: 0 }
    }
}

impl Preparation {
    /// Begins to make the templates of these numbers for one source of guests of this kernel.
    pub fn add<F>(&mut self, kernel: &KernelName, numbers: Range<u32>, mut make: impl FnMut(u32) -> F)
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let source = self.sources;
        self.sources += 1;
        for number in numbers {
            let (kernel, room, making) = (kernel.clone(), Arc::clone(&self.room), make(number));
            self.making.spawn(async move {
                // It is never closed.
                let _place = room.acquire_owned().await;
                Made { source, kernel, number, result: making.await }
            });
        }
    }

    /// Waits until all templates are made. If one cannot be made the others are used; if a source has none, that is an error.
    pub async fn finish(mut self, events: &Events, cancellation: &Cancellation) -> Result<(), Failure> {
        if self.making.is_empty() {
            return Ok(());
        }
        cancellation.unless("guests were being prepared", self.all(events)).await?
    }

    async fn all(&mut self, events: &Events) -> Result<(), Failure> {
        let of = self.making.len() as u64;
        events.send(&Event::Preparing { ended: 0, of });
        let (mut ready, mut ended) = (BTreeSet::new(), 0);
        let mut failed = Vec::new();
        while let Some(made) = self.making.join_next().await {
            let Made { source, kernel, number, result } = made.map_err(Failure::host)?;
            match result {
                Ok(()) => drop(ready.insert(source)),
                Err(failure) => failed.push((source, kernel, number, failure)),
            }
            ended += 1;
            events.send(&Event::Preparing { ended, of });
        }
        events.send(&Event::Prepared { ready: of - failed.len() as u64 });
        for (source, kernel, number, failure) in failed {
            if !ready.contains(&source) {
                return Err(failure);
            }
            events.note(&format!(
                "note: cannot make template {number} of {kernel}; the run continues with fewer: {failure}"
            ));
        }
        Ok(())
    }
}
