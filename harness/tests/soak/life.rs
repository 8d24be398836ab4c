//! One harness, from its start to its end.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Figures;
use super::bed::{Bed, Guests};
use super::fault::{Came, inflict};
use crate::common::processes::is_qemu;
use crate::common::text;

/// How a harness ended.
pub struct Ended {
    pub status: ExitStatus,
    /// By a fault.
    pub killed: bool,
    /// A disk was full while it ran.
    pub full: bool,
    /// A QEMU was killed, its own or one that it looked at the machine with.
    pub qemu_killed: bool,
    /// What it said on standard error.
    pub said: String,
    /// The trials that it reported as finished, where it does that one by one.
    pub reported: Vec<u64>,
}

impl Ended {
    /// Whether it has done all that it was to do, by its own account.
    pub fn complete(&self) -> bool {
        self.status.success()
    }
}

/// Runs a harness, and inflicts faults on it until it ends. One that never does is killed in the end, which is wrong.
pub fn live(
    bed: &Bed,
    kind: Guests,
    results: &Path,
    mut command: Command,
    mut random: fastrand::Rng,
    figures: &mut Figures,
) -> Ended {
    const DEADLINE: Duration = Duration::from_secs(900);
    let pauses = match kind {
        Guests::Free => 5..200,
        Guests::Real => 200..4000,
    };
    // Not on the disks that may be full.
    let [reported, said] = ["reported", "said"].map(|name| bed.project.path().join(name));
    command.stdout(File::create(&reported).unwrap()).stderr(File::create(&said).unwrap()).process_group(0);
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    let (mut killed, mut full, mut qemu_killed) = (false, false, false);
    let status = loop {
        if let Some(status) = ended_within(&mut child, Duration::from_millis(random.u64(pauses.clone()))) {
            break status;
        }
        let qemus: Vec<u32> = bed.processes().into_iter().filter(|pid| is_qemu(*pid)).collect();
        figures.qemus_seen += qemus.len();
        match inflict(bed, kind, (child.id(), &qemus), &mut random, &mut figures.inflicted) {
            Came::Killed => {
                killed = true;
                break child.wait().unwrap();
            }
            Came::Full => full = true,
            Came::QemuKilled => qemu_killed = true,
            Came::Else => (),
        }
        if began.elapsed() > DEADLINE {
            figures.wrong.push(format!("{kind}: a harness did not end within {DEADLINE:?} ({})", results.display()));
            child.kill().unwrap();
            break child.wait().unwrap();
        }
    };
    figures.lives += 1;
    let lines = text(&std::fs::read(reported).unwrap());
    let reported = lines.lines().filter_map(|line| line.parse().ok()).collect();
    // Of the harness itself its last word is a report, which is not read here.
    let reported = if kind == Guests::Free { reported } else { Vec::new() };
    Ended { status, killed, full, qemu_killed, said: text(&std::fs::read(said).unwrap()), reported }
}

fn ended_within(child: &mut Child, time: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + time;
    loop {
        let ended = child.try_wait().unwrap();
        if ended.is_some() || Instant::now() > until {
            return ended;
        }
        sleep(Duration::from_millis(2));
    }
}
