//! Which tests run side by side: those of one file or folder, as many as there are test threads, and no others.
//!
//! Tests of one file are written to get along. Those of different files were not: one would wait for the kernel that
//! another builds for minutes, or measure what the other's guests cost. Cargo keeps test binaries apart by itself; this
//! does the same for the modules of one binary.

use std::panic::Location;
use std::sync::{Condvar, Mutex};

/// The group whose tests run, and how many hold a turn.
static RUNNING: Mutex<(String, usize)> = Mutex::new((String::new(), 0));
static IDLE: Condvar = Condvar::new();

/// The right of a test to run. It is given back when this is dropped.
pub struct Turn(());

impl Turn {
    /// Waits until no test of another group runs. A test may hold several turns of its own group, and would wait for itself
    /// if it asked for one of another.
    pub fn wait(caller: &Location) -> Self {
        let group = group(caller.file());
        let running = RUNNING.lock().unwrap();
        let mut running = IDLE.wait_while(running, |(of, tests)| *tests > 0 && of != group).unwrap();
        group.clone_into(&mut running.0);
        running.1 += 1;
        Self(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        RUNNING.lock().unwrap().1 -= 1;
        IDLE.notify_all();
    }
}

/// The name below `tests/<binary>/` of the file or folder that a test is in.
fn group(file: &str) -> &str {
    let below = file.rsplit_once("/tests/").and_then(|(_, below)| below.split_once('/')).map_or(file, |(_, name)| name);
    below.split_once('/').map_or(below, |(folder, _)| folder)
}

#[test]
fn a_group_is_a_file_or_folder_below_the_binary() {
    assert_eq!(group("harness/tests/on_guests/kdump.rs"), "kdump.rs");
    assert_eq!(group("harness/tests/on_guests/faults/disk.rs"), "faults");
    assert_eq!(group("/work/tests/harness/tests/on_guests/faults/disk.rs"), "faults");
}
