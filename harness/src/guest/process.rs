//! One QEMU process: it cannot outlive the harness, inherits its ends of sockets, and can be asked how it died.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::confine::Confinement;
use super::error::GuestError;
use super::stream::{Captured, Keep as _, drain};
use crate::blocking::{off_thread, on_lasting_thread};

/// QEMU answers and ends within milliseconds; it takes this long only on a host that is about to fall over.
pub(super) const QEMU_DEADLINE: Duration = Duration::from_secs(60);

/// Lines of QEMU's standard error in a message.
const STDERR_LINES: usize = 10;

/// A running QEMU, killed when this is dropped, and killed by the kernel when the harness dies in any other way.
///
/// The parent-death signal is tied to the *thread* that starts the process, so that is the one that lives as long as the
/// harness does.
#[derive(Debug)]
pub(super) struct Process {
    /// Absent only while another thread reaps it.
    child: Option<Child>,
    /// The task that reads QEMU's standard error; taken when its result is.
    stderr: Option<JoinHandle<Captured>>,
}

impl Process {
    /// Starts `command` directly, without a shell, in a process group of its own (so that Ctrl-C in a terminal reaches
    /// the harness only), held in by `confinement`, with `inherited` kept open in it under the same numbers. These are
    /// closed here: open, they would keep QEMU's sockets alive when it is dead.
    pub async fn start(mut command: Command, confinement: Confinement, inherited: Vec<OwnedFd>) -> io::Result<Self> {
        let runtime = Handle::current();
        // To fork, and to open what the confinement names, takes a millisecond.
        let started = on_lasting_thread(move || {
            let _runtime = runtime.enter();
            command.kill_on_drop(true);
            confinement.apply_to(command.as_std_mut())?;
            die_with_parent_inheriting(command.as_std_mut(), &inherited);
            command.spawn()
        });
        let mut child = started.await?;
        let stderr = child.stderr.take().map(|stderr| tokio::spawn(drain(stderr)));
        Ok(Self { child: Some(child), stderr })
    }

    /// How much of the host's processors it got; `None` where the host does not tell, or once it has been reaped.
    pub fn waited(&self) -> Option<Waited> {
        self.child.as_ref().and_then(Child::id).and_then(Waited::read)
    }

    /// Kills QEMU and reaps it; says how much of the host's processors it had got.
    ///
    /// Another thread does it: when a process is reaped, the kernel forgets all that was looked up of it below `/proc`,
    /// which was seen to take milliseconds on a busy host.
    pub async fn kill(&mut self) -> io::Result<Option<Waited>> {
        let Some(mut child) = self.child.take() else { return Ok(None) };
        let runtime = Handle::current();
        let (child, waited, killed) = off_thread(move || {
            let waited = child.id().and_then(Waited::read);
            let killed = runtime.block_on(child.kill());
            (child, waited, killed)
        })
        .await;
        self.child = Some(child);
        killed.map(|()| waited)
    }

    /// What QEMU wrote to its standard error, once it has ended. Empty if it was taken before.
    pub async fn stderr(&mut self) -> Vec<u8> {
        match self.stderr.take() {
            Some(stderr) => stderr.await.unwrap_or_default().finish(),
            None => Vec::new(),
        }
    }

    /// How a QEMU died that should not have, while `during`.
    pub async fn death(&mut self, during: &'static str) -> GuestError {
        let ended = async { Some(self.child.as_mut()?.wait().await) };
        let Ok(Some(Ok(status))) = timeout(QEMU_DEADLINE, ended).await else {
            return GuestError::Died { status: "its sockets are closed".into(), during, stderr: String::new() };
        };
        let said = last_lines(&self.stderr().await, STDERR_LINES);
        let stderr = if said.is_empty() { said } else { format!(":\n{said}") };
        GuestError::Died { status: status.to_string(), during, stderr }
    }
}

/// Our end of a socket, for the runtime, and QEMU's.
pub(super) fn socket_pair() -> Result<(UnixStream, OwnedFd), GuestError> {
    let what = "make a socket for QEMU";
    let (ours, theirs) = StdStream::pair().map_err(GuestError::io(what))?;
    ours.set_nonblocking(true).map_err(GuestError::io(what))?;
    Ok((UnixStream::from_std(ours).map_err(GuestError::io(what))?, theirs.into()))
}

/// The last lines of what a guest or QEMU wrote, made safe for a message.
pub(super) fn last_lines(bytes: &[u8], count: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.lines().map(|line| line.replace(|c: char| c.is_control(), "")).collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

/// Has a process that is not yet started die with the thread that starts it, however that ends.
pub(crate) fn die_with_parent(command: &mut std::process::Command) {
    let parent = getpid();
    let before_exec = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The harness may have died between the fork and the line above; then no signal will ever come.
        if getppid() != Some(parent) {
            return Err(io::Error::other("the harness died while a program was being started"));
        }
        Ok(())
    };
    // SAFETY: the closure runs between fork and exec and makes only async-signal-safe system calls (prctl, getppid); it
    // allocates nothing unless it fails, and then the child only reports the error and exits.
    #[expect(unsafe_code, reason = "the parent-death signal can only be set in the child")]
    unsafe {
        command.pre_exec(before_exec)
    };
}

/// Has a QEMU that is not yet started die with this process, as [`Process::start`] says, with `inherited` kept open in
/// it.
pub(crate) fn die_with_parent_inheriting(command: &mut std::process::Command, inherited: &[OwnedFd]) {
    let numbers: Vec<RawFd> = inherited.iter().map(AsRawFd::as_raw_fd).collect();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    die_with_parent(command);
    let before_exec = move || {
        for number in &numbers {
            // SAFETY: the descriptors stay open in the parent until the child has started, and the child has a copy of
            // its table; the borrow ends within the loop's turn.
            #[expect(unsafe_code, reason = "a number is all that survives the fork")]
            let fd = unsafe { BorrowedFd::borrow_raw(*number) };
            fcntl_setfd(fd, FdFlags::empty())?;
        }
        Ok(())
    };
    // SAFETY: the closure runs between fork and exec and makes only async-signal-safe system calls (fcntl).
    #[expect(unsafe_code, reason = "a descriptor can be handed on only in the child")]
    unsafe {
        command.pre_exec(before_exec)
    };
}

/// How much of the host's processors a QEMU got: the times of its threads since they were started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waited {
    /// Nanoseconds on a processor.
    pub ran_ns: u64,
    /// Nanoseconds ready to run without a processor.
    pub waited_ns: u64,
}

impl Waited {
    /// Sums up `/proc/PID/task/TID/schedstat` (Linux: `Documentation/scheduler/sched-stats.rst`). `None` where the host
    /// does not keep these figures.
    fn read(pid: u32) -> Option<Self> {
        Self::of_tasks(Path::new(&format!("/proc/{pid}/task")))
    }

    /// A thread that ends between being listed and being read is passed over: QEMU's helpers come and go.
    fn of_tasks(tasks: &Path) -> Option<Self> {
        let times = |text: &str| {
            let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        };
        let mut sum = None;
        for task in std::fs::read_dir(tasks).ok()?.flatten() {
            let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
            let (ran_ns, waited_ns) = times(&text)?;
            let Self { ran_ns: ran, waited_ns: waited } = sum.unwrap_or_default();
            sum = Some(Self { ran_ns: ran + ran_ns, waited_ns: waited + waited_ns });
        }
        sum
    }

    /// Since an earlier reading.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            ran_ns: self.ran_ns.saturating_sub(earlier.ran_ns),
            waited_ns: self.waited_ns.saturating_sub(earlier.waited_ns),
        }
    }

    /// The share of the time ready to run that was spent waiting, 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a share for people to read")]
    pub fn share(self) -> f64 {
        let total = self.ran_ns + self.waited_ns;
        if total == 0 { 0.0 } else { self.waited_ns as f64 / total as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_has_ended_is_passed_over() {
        let tasks = tempfile::tempdir().unwrap();
        for (thread, text) in [("1", Some("100 20 3\n")), ("2", None), ("3", Some("1 2 3\n"))] {
            std::fs::create_dir(tasks.path().join(thread)).unwrap();
            if let Some(text) = text {
                std::fs::write(tasks.path().join(thread).join("schedstat"), text).unwrap();
            }
        }
        assert_eq!(Waited::of_tasks(tasks.path()), Some(Waited { ran_ns: 101, waited_ns: 22 }));
    }

    #[test]
    fn a_host_that_keeps_no_figures_is_not_taken_for_an_idle_one() {
        let tasks = tempfile::tempdir().unwrap();
        std::fs::create_dir(tasks.path().join("1")).unwrap();
        assert_eq!(Waited::of_tasks(tasks.path()), None);
        std::fs::write(tasks.path().join("1/schedstat"), "nonsense").unwrap();
        assert_eq!(Waited::of_tasks(tasks.path()), None);
    }
}
