//! What is done to a harness while it runs.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::bed::{Bed, Guests};
use crate::common::disk::Disk;
use crate::common::processes::{Signal, send};

/// How often each fault was inflicted.
#[derive(Default)]
pub struct Inflicted {
    kills: u32,
    stops: u32,
    qemu_kills: u32,
    qemu_stops: u32,
    full: u32,
    jumps: u32,
}

impl fmt::Display for Inflicted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, stops, qemu_kills, qemu_stops, full, jumps } = self;
        writeln!(f, "  harnesses killed          {kills:6}")?;
        writeln!(f, "  harnesses stopped         {stops:6}")?;
        writeln!(f, "  QEMUs killed              {qemu_kills:6}")?;
        writeln!(f, "  QEMUs stopped             {qemu_stops:6}")?;
        writeln!(f, "  disks filled              {full:6}")?;
        writeln!(f, "  jumps of the clock        {jumps:6}")
    }
}

/// A fault, and what it takes to inflict it.
enum Fault {
    Kill,
    Stop,
    KillQemu,
    StopQemu,
    Fill,
    Jump,
}

/// The faults that are drawn, as often as they stand here.
fn faults(kind: Guests) -> &'static [Fault] {
    use Fault::{Fill, Jump, Kill, KillQemu, Stop, StopQemu};
    match kind {
        Guests::Free => &[Kill, Kill, Kill, Stop, Fill, Jump],
        Guests::Real => &[Kill, Kill, Stop, KillQemu, KillQemu, KillQemu, StopQemu, StopQemu, Fill, Jump],
    }
}

/// What has come of a fault.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// The harness is dead.
    Killed,
    /// A disk was full.
    Full,
    /// A QEMU is dead.
    QemuKilled,
    /// Nothing that a harness should not be able to take.
    Else,
}

/// Draws a fault and inflicts it on a harness; `qemus` are its children.
pub fn inflict(
    bed: &Bed,
    kind: Guests,
    (harness, qemus): (u32, &[u32]),
    random: &mut fastrand::Rng,
    inflicted: &mut Inflicted,
) -> Came {
    // Drawn whether they are needed or not, so that all that comes later is drawn from the same.
    let (what, which, how_long) = (random.usize(..), random.usize(..), random.u64(1..=1000));
    let of_all = faults(kind);
    let stop = |pid: u32| {
        send(pid, Signal::STOP);
        sleep(Duration::from_millis(how_long));
        send(pid, Signal::CONT);
    };
    let qemu = qemus.get(which % qemus.len().max(1));
    match (&of_all[what % of_all.len()], qemu) {
        (Fault::Kill, _) => {
            send(harness, Signal::KILL);
            inflicted.kills += 1;
            return Came::Killed;
        }
        (Fault::Stop, _) => {
            stop(harness);
            inflicted.stops += 1;
        }
        (Fault::KillQemu, Some(qemu)) => {
            send(*qemu, Signal::KILL);
            inflicted.qemu_kills += 1;
            return Came::QemuKilled;
        }
        (Fault::StopQemu, Some(qemu)) => {
            stop(*qemu);
            inflicted.qemu_stops += 1;
        }
        (Fault::Fill, _) if !bed.disks.is_empty() => {
            fill(&bed.disks[which % bed.disks.len()], Duration::from_millis(how_long));
            inflicted.full += 1;
            return Came::Full;
        }
        (Fault::Jump, _) => {
            let hours = i64::try_from(how_long).unwrap_or(0) % 97 - 48;
            bed.clock.put(&format!("{hours:+}h"));
            inflicted.jumps += 1;
        }
        // No guest runs just now, or no disk may be mounted.
        (Fault::KillQemu | Fault::StopQemu | Fault::Fill, _) => (),
    }
    Came::Else
}

/// Leaves a disk no room for this long, but for what is freed meanwhile and taken by others first.
fn fill(disk: &Disk, how_long: Duration) {
    let path = disk.at().join("filler");
    let mut filler = File::create(&path).unwrap();
    let until = Instant::now() + how_long;
    let block = vec![1; 1 << 20];
    while Instant::now() < until {
        for size in [block.len(), 4096] {
            while filler.write(&block[..size]).is_ok_and(|written| written > 0) {}
        }
        sleep(Duration::from_millis(1));
    }
    std::fs::remove_file(path).unwrap();
}
