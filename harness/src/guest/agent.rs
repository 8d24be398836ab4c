//! The lines that the guest's agent sends on the second serial port.

pub use harness_protocol::{AgentMessage as Word, Note};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

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

/// The agent's lines as they come.
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

    /// Says a line to the agent.
    pub(super) async fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.stream.write_all(format!("{line}\n").as_bytes()).await?;
        self.stream.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_without_end_is_cut() {
        let endless = vec![b'x'; 1 << 20];
        let line = Lines::new(&endless[..]).next().await;
        assert_eq!(line.map(|l| l.len() as u64), Some(LINE_LIMIT));
    }
}
