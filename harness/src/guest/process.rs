//! One QEMU process that cannot outlive the harness, with the sockets it inherits.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::process::{Child, Command};

/// A running QEMU, killed when this is dropped, and killed by the kernel when the harness dies in any other way.
///
/// The parent-death signal is tied to the *thread* that starts the process: start it from a thread that lives as long
/// as the harness does (the runtime's own), never from a blocking pool.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts `command` directly, without a shell, in a process group of its own (so that Ctrl-C in a terminal reaches
    /// the harness only), with `inherited` kept open in it under the same numbers.
    pub fn start(mut command: Command, inherited: &[OwnedFd]) -> io::Result<Self> {
        command.kill_on_drop(true);
        die_with_parent_inheriting(command.as_std_mut(), inherited);
        Ok(Self { child: command.spawn()? })
    }

    /// What QEMU writes to its standard error; can be taken once.
    pub fn take_stderr(&mut self) -> Option<tokio::process::ChildStderr> {
        self.child.stderr.take()
    }

    /// The process id, as long as it has not been reaped.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until QEMU has ended by itself.
    pub async fn wait(&mut self) -> io::Result<std::process::ExitStatus> {
        self.child.wait().await
    }

    /// Kills QEMU and reaps it.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }
}

/// Ties a QEMU that is not yet started to this process, as [`Process::start`] says, with `inherited` kept open in it.
pub(crate) fn die_with_parent_inheriting(command: &mut std::process::Command, inherited: &[OwnedFd]) {
    let numbers: Vec<RawFd> = inherited.iter().map(AsRawFd::as_raw_fd).collect();
    let parent = getpid();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let before_exec = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The harness may have died between the fork and the line above; then no signal will ever come.
        if getppid() != Some(parent) {
            return Err(io::Error::other("the harness died while QEMU was being started"));
        }
        for number in &numbers {
            // SAFETY: the descriptors stay open in the parent until the child has started, and the child has a copy of
            // its table; the borrow ends within the loop's turn.
            #[expect(unsafe_code, reason = "a number is all that survives the fork")]
            let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(*number) };
            fcntl_setfd(fd, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: the closure runs between fork and exec and makes only async-signal-safe system calls (prctl, getppid,
    // fcntl); it allocates nothing unless it fails, and then the child only reports the error and exits.
    #[expect(unsafe_code, reason = "the parent-death signal can only be set in the child")]
    unsafe {
        command.pre_exec(before_exec)
    };
}
