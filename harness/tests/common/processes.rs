//! A harness that runs while a test looks at it, and the processes below it.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use rustix::process::Signal;

use super::{Project, text};

/// A harness in the background. Dropping it kills it, so that a test that fails leaves none.
pub struct Background {
    child: Child,
    stderr: PathBuf,
}

impl Background {
    /// Starts it in a process group of its own; what it says on standard error goes to a file.
    pub fn start(project: &Project, mut command: Command) -> Self {
        let stderr = project.path().join("stderr");
        let file = std::fs::File::create(&stderr).unwrap();
        let child = command.stdout(Stdio::null()).stderr(file).process_group(0).spawn().unwrap();
        Self { child, stderr }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on standard error.
    pub fn said(&self) -> String {
        text(&std::fs::read(&self.stderr).unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        send(self.pid(), signal);
    }

    /// The QEMUs it has started, by their process ids.
    pub fn qemus(&self) -> Vec<u32> {
        children_of(self.pid()).into_iter().filter(|pid| is_qemu(*pid)).collect()
    }

    /// Waits until something is so while the harness runs.
    pub fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        wait_until(what, || {
            let so = done(self);
            let ended = self.child.try_wait().unwrap();
            assert!(so || ended.is_none(), "{what}: not before the harness ended ({ended:?}):\n{}", self.said());
            so
        });
    }

    /// Waits for its end; the exit code, none if a signal killed it.
    pub fn end(mut self) -> (Option<i32>, String) {
        wait_until("the harness's end", || self.child.try_wait().unwrap().is_some());
        (self.child.wait().unwrap().code(), self.said())
    }

    /// Kills it as `kill -9` does, and waits until what it had started is gone, which it is without anybody's help.
    pub fn kill(self) {
        // Stopped first, so that it cannot start another after the look at them.
        self.signal(Signal::STOP);
        let children = children_of(self.pid());
        self.signal(Signal::KILL);
        assert_eq!(self.end().0, None);
        wait_until_gone(&children);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until these processes are dead, which they have to be without anybody's help.
pub fn wait_until_gone(processes: &[u32]) {
    wait_until("every QEMU is gone", || processes.iter().all(|pid| command_of(*pid).is_empty()));
}

pub fn send(pid: u32, signal: Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    // A process that has just ended by itself is no longer there.
    let _ = rustix::process::kill_process(pid, signal);
}

/// What any thread of a process has started.
fn children_of(pid: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children =
        |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
    threads
        .map(children)
        .flat_map(|text| text.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}

/// Whether it is a QEMU.
pub fn is_qemu(pid: u32) -> bool {
    command_of(pid).contains("qemu-system")
}

/// Its command line; empty if it is dead, also if nobody has waited for it yet.
fn command_of(pid: u32) -> String {
    let path = format!("/proc/{pid}/cmdline");
    std::fs::read(Path::new(&path)).map(|bytes| text(&bytes)).unwrap_or_default()
}

/// Long enough for a machine that builds the kernel first.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(1800), "{what}: not within half an hour");
        std::thread::sleep(Duration::from_millis(10));
    }
}
