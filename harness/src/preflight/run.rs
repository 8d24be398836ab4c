//! Programs that must answer in time, and that leave nothing behind.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// No more is kept of what a program says on one channel; the longest that is asked for, QEMU's devices, is 16 kB.
const KEPT_BYTES: usize = 1 << 18;

/// No more of a program's words is shown.
const SHOWN_CHARS: usize = 200;

/// How a program ended, and what it said.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// The first line with something in it, of what it said.
    pub fn first_line(&self) -> String {
        [&self.stdout, &self.stderr].into_iter().find_map(|text| first_line(text)).unwrap_or_default()
    }

    /// Why it failed, in its own words if it has any.
    pub fn complaint(&self) -> String {
        first_line(&self.stderr).unwrap_or_else(|| self.status.to_string())
    }
}

/// The first line that is not blank, fit to be shown.
fn first_line(text: &str) -> Option<String> {
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(shown)
}

/// A program's words, fit to be shown: of bounded length, and without control characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect()
}

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    #[error("does not start: {0}")]
    NotStarted(#[from] io::Error),
    #[error("gave no answer within {0:?}")]
    Late(Duration),
}

/// A child and its process group, which is killed when this is dropped before the child's end was seen.
#[derive(Debug)]
pub(super) struct Group {
    pub child: Child,
    id: Option<Pid>,
}

impl Group {
    /// Starts a command made by [`super::Host::command`], with both of its channels to read from.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { child, id })
    }

    /// Waits for the child's end.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.id = None;
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.id {
            // It can only fail when there is nothing left to kill. The runtime reaps the child.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs a command to its end, or to the deadline.
pub(super) async fn run(mut command: Command, deadline: Duration) -> Result<Answer, RunError> {
    let mut group = Group::start(&mut command)?;
    let (stdout, stderr) = (group.child.stdout.take(), group.child.stderr.take());
    // Read before waited for: a child that left while a grandchild still speaks is still in its group at the deadline.
    let answer = async {
        let (stdout, stderr) = tokio::try_join!(read(stdout), read(stderr))?;
        Ok(Answer { status: group.wait().await?, stdout, stderr })
    };
    timeout(deadline, answer).await.unwrap_or(Err(RunError::Late(deadline)))
}

/// Reads a channel to its end and keeps the beginning.
pub(super) async fn read(channel: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let Some(mut channel) = channel else { return Ok(String::new()) };
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = channel.read(&mut buffer).await?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        let room = KEPT_BYTES.saturating_sub(kept.len()).min(bytes.len());
        kept.extend(bytes.iter().take(room));
    }
}
