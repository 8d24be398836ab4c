//! Ending a build from outside.

use std::io;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, getpriority_process, kill_process_group, setpriority_pgrp};

/// How far builds stand back behind guests, which run beside them: as much as what nice(1) starts.
const NICE: i32 = 10;

/// Ends the builds of one [`Store`](super::Store), now and later; may be cloned and sent to a signal handler's thread.
#[derive(Debug, Clone, Default)]
pub struct Canceller(Arc<Mutex<Running>>);

#[derive(Debug, Default)]
struct Running {
    cancelled: bool,
    groups: Vec<Pid>,
}

impl Canceller {
    /// Asks every running program to end, as Ctrl-C would, and starts no more. The build returns
    /// [`KernelError::Cancelled`](super::KernelError::Cancelled) when they have ended.
    pub fn cancel(&self) {
        let mut running = self.lock();
        running.cancelled = true;
        for group in &running.groups {
            // It may have ended by itself: then there is nothing to do.
            let _ = kill_process_group(*group, Signal::TERM);
        }
    }

    /// Whether [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Starts a program unless cancelled (`None`), at a lower priority than this one. No cancellation can fall between the start
    /// and the note of it.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<Option<(Child, Pid)>> {
        let mut running = self.lock();
        if running.cancelled {
            return Ok(None);
        }
        let child = command.spawn()?;
        let group = Pid::from_child(&child);
        // If it is not nice it is a build all the same.
        let _ = getpriority_process(None).and_then(|own| setpriority_pgrp(Some(group), own + NICE));
        running.groups.push(group);
        Ok(Some((child, group)))
    }

    /// A program is about to be reaped: its number may soon be another's.
    pub(super) fn forget(&self, group: Pid) {
        self.lock().groups.retain(|known| *known != group);
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        // The list is whole whatever happened to the thread that had it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
