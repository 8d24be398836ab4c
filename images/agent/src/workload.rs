//! The user's program: run beside the actors, and watched until its time is over.

use std::io::{self, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use harness_protocol::{AgentMessage, Exit, Workload, image};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::host::Host;

/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// How long what it has written last may take from the pipe; children of its may keep that open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Where the program finds what it may draw from: a number that is another one in each trial.
const SEED: &str = "HARNESS_SEED";

/// Runs the program until it ends or its time is over, and tells the host what it writes and how it ends.
pub fn run(host: &mut Host, workload: &Workload) -> Result<(), String> {
    allow(&workload.cpus)?;
    let until = Instant::now() + workload.lasting;
    let fail = |error: io::Error| format!("run {}: {error}", image::WORKLOAD);
    let (mut child, output) = start(workload).map_err(fail)?;
    let mut room = Workload::OUTPUT_BYTES;
    let exit = loop {
        if let Some(status) = child.try_wait().map_err(fail)? {
            break exit(status);
        }
        if Instant::now() >= until {
            break Exit::Stopped;
        }
        match output.recv_timeout(LOOK) {
            Ok(piece) => hand_on(host, &piece, &mut room)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(LOOK),
        }
    };
    // And whatever it has started.
    let _ = Pid::from_raw(child.id().cast_signed()).map(|group| kill_process_group(group, Signal::KILL));
    let _ = child.wait();
    while let Ok(piece) = output.recv_timeout(LAST_WORDS) {
        hand_on(host, &piece, &mut room)?;
    }
    host.say(&AgentMessage::Exited(exit))
}

/// Starts it in a process group of its own; what it writes comes in pieces.
fn start(workload: &Workload) -> io::Result<(Child, Receiver<Vec<u8>>)> {
    let (mut reader, writer) = io::pipe()?;
    let mut command = Command::new(image::WORKLOAD);
    command.args(&workload.arguments).env(SEED, workload.seed.to_string()).process_group(0);
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let child = command.spawn()?;
    // Our copies of its end of the pipe: open, they would keep it from ending.
    drop(command);
    let (pieces, output) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            let piece = buffer.get(..n).unwrap_or_default().to_vec();
            if pieces.send(piece).is_err() {
                break;
            }
        }
    });
    Ok((child, output))
}

fn hand_on(host: &mut Host, piece: &[u8], room: &mut usize) -> Result<(), String> {
    let piece = piece.get(..piece.len().min(*room)).unwrap_or_default();
    *room -= piece.len();
    if piece.is_empty() { Ok(()) } else { host.say(&AgentMessage::Output(piece.to_vec())) }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

/// Lets the agent, and whatever it starts, run on these CPUs; on all, if none is named.
fn allow(cpus: &[u32]) -> Result<(), String> {
    let mut set = CpuSet::new();
    let all: Vec<usize> = (0..CpuSet::MAX_CPU).collect();
    let named: Vec<usize> = cpus.iter().filter_map(|cpu| usize::try_from(*cpu).ok()).collect();
    for cpu in if named.is_empty() { all } else { named } {
        set.set(cpu);
    }
    sched_setaffinity(None, &set).map_err(|e| format!("let the program run on CPUs {cpus:?}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_a_code_or_a_signal() {
        assert_eq!(exit(ExitStatus::from_raw(3 << 8)), Exit::Code(3));
        assert_eq!(exit(ExitStatus::from_raw(11)), Exit::Signal(11));
    }
}
