//! The second serial port, `ttyS1`: what the guest's agent says there, and after it a crash kernel's console.

pub use harness_protocol::{AgentMessage, CrashlabAddresses, Exit, Note};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::stream::{Captured, Keep as _};
use super::trace::monotonic_ns;

/// No honest line is longer: a record of pstore in hexadecimal has some 20 kB.
const LINE_LIMIT: u64 = 256 << 10;

/// A file of a guest's `/sys/fs/pstore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PstoreFile {
    /// Its name there.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Our end of the port.
#[derive(Debug)]
pub(super) struct AgentPort {
    lines: Lines<BufReader<UnixStream>>,
    /// Lines that are no messages of the agent's: a crash kernel's console.
    capture_console: Captured,
    /// When the first of these lines came, by [`monotonic_ns`].
    first_line_ns: Option<u64>,
    /// Whether the agent has not said anything yet, so that what comes is the firmware's.
    before_agent: bool,
}

impl AgentPort {
    /// Of a guest that boots, or is restored from one whose agent has said that it is ready.
    pub fn new(socket: UnixStream, boots: bool) -> Self {
        let lines = Lines::new(BufReader::new(socket));
        Self { lines, capture_console: Captured::default(), first_line_ns: None, before_agent: boots }
    }

    /// The agent's next message; `None` if the port is closed. Cancel safe.
    pub async fn next(&mut self) -> Option<AgentMessage> {
        loop {
            let line = self.lines.next().await?;
            if let Some(message) = AgentMessage::parse(&line) {
                self.before_agent = false;
                return Some(message);
            }
            if self.before_agent {
                continue;
            }
            self.first_line_ns.get_or_insert_with(monotonic_ns);
            self.capture_console.push(line.as_bytes());
        }
    }

    /// Reads a crash kernel's console, which stalls it when nobody does, until the port is closed. Cancel safe.
    pub async fn read_console(&mut self) {
        while let Some(line) = self.lines.next().await {
            self.capture_console.push(line.as_bytes());
        }
    }

    /// Says a line to the agent.
    pub async fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.lines.say(line).await
    }

    /// The number of bytes that have come of a crash kernel's console.
    pub fn captured(&self) -> u64 {
        self.capture_console.len()
    }

    /// When the first line of a crash kernel's console came, in nanoseconds of the host's monotonic clock.
    pub const fn first_line_ns(&self) -> Option<u64> {
        self.first_line_ns
    }

    /// All of a crash kernel's console.
    pub fn into_capture_console(self) -> Vec<u8> {
        self.capture_console.finish()
    }
}

/// Lines as they come from a guest.
#[derive(Debug)]
pub(super) struct Lines<S> {
    stream: S,
    /// The beginning of a line whose end has not come yet; kept here so that waiting for it can be given up and
    /// resumed.
    partial: Vec<u8>,
}

impl<S: AsyncBufRead + Unpin> Lines<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, partial: Vec::new() }
    }

    /// The next line, of which at most [`LINE_LIMIT`] bytes are taken; `None` at the end of the stream. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<String> {
        let room = LINE_LIMIT.saturating_sub(self.partial.len() as u64);
        let n = (&mut self.stream).take(room).read_until(b'\n', &mut self.partial).await.ok()?;
        if n == 0 && self.partial.is_empty() {
            return None;
        }
        let line = std::mem::take(&mut self.partial);
        Some(String::from_utf8_lossy(&line).into_owned())
    }
}

impl<S: AsyncBufRead + AsyncWrite + Unpin> Lines<S> {
    /// The stream, where no more lines are due.
    pub(super) const fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Says a line to the guest.
    async fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.stream.write_all(format!("{line}\n").as_bytes()).await?;
        self.stream.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_firmware_says_before_the_agent_is_nobodys_console() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut port = AgentPort::new(ours, true);
        let mut guest = AgentPort::new(theirs, false);
        // The firmware clears the screen and ends no line, the agent begins with the end of one.
        guest.say("\u{1b}[2J\u{1b}[01;01H").await.unwrap();
        guest.say("settled").await.unwrap();
        assert_eq!(port.next().await, Some(AgentMessage::Settled));
        assert_eq!((port.captured(), port.first_line_ns()), (0, None));
        guest.say("[    0.000000] Linux version 6.12.117").await.unwrap();
        guest.say("alive").await.unwrap();
        assert_eq!(port.next().await, Some(AgentMessage::Alive));
        assert!(port.captured() > 0 && port.first_line_ns().is_some());
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let endless = vec![b'x'; 1 << 20];
        let line = Lines::new(&endless[..]).next().await;
        assert_eq!(line.map(|l| l.len() as u64), Some(LINE_LIMIT));
    }
}
