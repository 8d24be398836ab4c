//! EFI variables that user space accesses all the while, by the kernel's own file system for them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::sync::mpsc::{self, Sender};
use std::thread;

use harness_protocol::{EfivarsAccess, EfivarsLoad};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};

const EFIVARS: &str = "/sys/firmware/efi/efivars";

/// The vendor of the variables that are rewritten: nobody else.
const VENDOR: &str = "6b5b42d1-17a4-4c5e-8f0f-0f6a9bd4b9c5";

/// In front of a variable's value its file has the attributes: kept, and there for the firmware and for the kernel
/// (`EFI_VARIABLE_NON_VOLATILE`, `_BOOTSERVICE_ACCESS`, `_RUNTIME_ACCESS`).
const ATTRIBUTES: [u8; 4] = [7, 0, 0, 0];

/// Bytes that are written: as many as a record of pstore's has at most, so that the firmware is about as long at it.
const WRITTEN: usize = 1024;

/// Starts the threads. Each has gone round once when this is done, so that all are at it when the faults are fired.
pub fn start(load: &EfivarsLoad) -> Result<(), String> {
    match mount("efivarfs", EFIVARS, "efivarfs", MountFlags::empty(), None) {
        // Somebody has mounted it.
        Ok(()) | Err(Errno::BUSY) => {}
        Err(error) => return Err(format!("mount efivarfs on {EFIVARS}: {error}")),
    }
    for (number, cpu) in load.cpus.iter().copied().enumerate() {
        let (access, (first, gone_round)) = (load.access, mpsc::channel());
        thread::spawn(move || run(access, number, cpu, &first));
        let ended = || Err(format!("{access} EFI variables on CPU {cpu}: the thread has ended"));
        gone_round.recv().unwrap_or_else(|_| ended())?;
    }
    Ok(())
}

/// Goes round for ever, on one CPU, once the first round has gone well; how that went is told.
fn run(access: EfivarsAccess, number: usize, cpu: u32, first: &Sender<Result<(), String>>) {
    let begun = super::run_on(cpu).and_then(|()| {
        let begun = Round::begin(access, number).and_then(|mut round| round.go().map(|()| round));
        begun.map_err(|e| format!("{access} EFI variables: {e}"))
    });
    let mut round = match begun {
        Ok(round) => round,
        Err(error) => {
            let _ = first.send(Err(error));
            return;
        }
    };
    let _ = first.send(Ok(()));
    loop {
        // A variable that is gone, a store that is full: it goes on all the same.
        let _ = round.go();
    }
}

/// What is done in each round.
enum Round {
    Read,
    /// The file stays open: once it is closed the kernel takes it for one that must not be changed.
    Write(File, Vec<u8>),
}

impl Round {
    fn begin(access: EfivarsAccess, number: usize) -> io::Result<Self> {
        Ok(match access {
            EfivarsAccess::Read => Self::Read,
            EfivarsAccess::Write => {
                let mut value = ATTRIBUTES.to_vec();
                value.resize(ATTRIBUTES.len() + WRITTEN, 0);
                Self::Write(File::create(format!("{EFIVARS}/HarnessLoad{number}-{VENDOR}"))?, value)
            }
        })
    }

    fn go(&mut self) -> io::Result<()> {
        match self {
            Self::Read => fs::read_dir(EFIVARS)?.try_for_each(|entry| fs::read(entry?.path()).map(drop)),
            Self::Write(file, value) => {
                // The firmware does not write what is there already.
                if let Some(last) = value.last_mut() {
                    *last = last.wrapping_add(1);
                }
                file.write_all(value)
            }
        }
    }
}
