//! Guests of QEMU's: what each kernel's trials are restored from, made before the trials begin.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::event::{Event, Events};
use crate::failure::Failure;
use crate::guest::Watch;
use crate::model::{KernelName, TrialRecord};
use crate::run::{RunTrial, TrialFuture};
use crate::scenario::Guest;
use crate::trial::{self, Assignment, GuestSource, GuestSourceError};

/// How many guests boot or settle at once, for each processor. With many more a QEMU does not answer in time.
const AT_ONCE: usize = 2;

/// What guests are told apart by: the kernel, and their shape.
pub type Key = (KernelName, Guest);

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

/// A template that was made, or could not be.
struct Made {
    key: Key,
    number: u32,
    result: Result<(), GuestSourceError>,
}

/// Gives each source of guests the templates of these numbers, first the first one of each, several at a time: a guest that settles
/// leaves the processors idle. If a template cannot be made the others are used; if a source has none, that is an error.
pub async fn make_templates(
    sources: &BTreeMap<Key, Arc<GuestSource>>,
    numbers: Range<u32>,
    events: &Events,
) -> Result<(), Failure> {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let room = Arc::new(Semaphore::new(processors * AT_ONCE));
    let mut making = JoinSet::new();
    for number in numbers {
        for (key, guests) in sources {
            let (key, guests, room) = (key.clone(), Arc::clone(guests), Arc::clone(&room));
            making.spawn(async move {
                // It is never closed.
                let _place = room.acquire_owned().await;
                Made { key, number, result: guests.add_template(number).await }
            });
        }
    }
    let of = making.len() as u64;
    events.send(&Event::Preparing { ended: 0, of });
    let (mut ready, mut ended) = (BTreeSet::new(), 0);
    let mut failed = Vec::new();
    while let Some(made) = making.join_next().await {
        let Made { key, number, result } = made.map_err(Failure::host)?;
        match result {
            Ok(()) => drop(ready.insert(key)),
            Err(error) => failed.push((key, number, error)),
        }
        ended += 1;
        events.send(&Event::Preparing { ended, of });
    }
    events.send(&Event::Prepared { ready: of - failed.len() as u64 });
    for (key, number, error) in failed {
        if !ready.contains(&key) {
            return Err(error.into());
        }
        events
            .note(&format!("note: cannot make template {number} of {}; the run continues with fewer: {error}", key.0));
    }
    Ok(())
}
