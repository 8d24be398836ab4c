//! Which tests run side by side: those of one file or folder, as many as there are test threads, and no others.
//!
//! Tests of one file are written to get along. Those of different files are not: one would wait while another builds a
//! kernel for minutes, or meet the load of its guests. Cargo keeps test binaries apart by itself; this does the same for the
//! modules of one binary.

use std::panic::Location;
use std::sync::{Condvar, Mutex};

static TURNS: Turns = Turns::new();

/// The group whose tests run, and the number of turns it holds.
struct Turns {
    running: Mutex<(String, usize)>,
    idle: Condvar,
}

/// The right of a test to run. It is given back when this is dropped.
pub struct Turn<'a>(&'a Turns);

/// Waits until no test of another group than the caller's runs. A test may hold several turns of its own group; one of
/// another it would wait for without end.
pub fn wait_for_turn(caller: &Location) -> Turn<'static> {
    TURNS.take(group(caller.file()))
}

impl Turns {
    const fn new() -> Self {
        Self { running: Mutex::new((String::new(), 0)), idle: Condvar::new() }
    }

    fn take(&self, group: &str) -> Turn<'_> {
        let running = self.running.lock().unwrap();
        let mut running = self.idle.wait_while(running, |(of, turns)| *turns > 0 && of != group).unwrap();
        group.clone_into(&mut running.0);
        running.1 += 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.running.lock().unwrap().1 -= 1;
        self.0.idle.notify_all();
    }
}

/// The name below `tests/<binary>/` of the file or folder that a test is in.
fn group(file: &str) -> &str {
    let below = file.rsplit_once("/tests/").and_then(|(_, below)| below.split_once('/')).map_or(file, |(_, name)| name);
    below.split_once('/').map_or(below, |(folder, _)| folder)
}

mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_group_is_a_file_or_folder_below_the_binary() {
        assert_eq!(group("harness/tests/on_guests/kdump.rs"), "kdump.rs");
        assert_eq!(group("harness/tests/on_guests/faults/disk.rs"), "faults");
        assert_eq!(group("/work/tests/harness/tests/on_guests/faults/disk.rs"), "faults");
    }

    #[test]
    fn a_group_waits_until_every_test_of_another_is_over() {
        let (turns, begun, over) = (Turns::new(), Barrier::new(2), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let (first, second) = (turns.take("a.rs"), turns.take("a.rs"));
            scope.spawn(|| {
                begun.wait();
                let _turn = turns.take("b.rs");
                assert!(over.load(Ordering::SeqCst), "a.rs still runs");
            });
            begun.wait();
            drop(first);
            std::thread::yield_now();
            over.store(true, Ordering::SeqCst);
            drop(second);
        });
    }
}
