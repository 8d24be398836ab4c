//! The port by which the agent on a crash kernel hands over `/proc/vmcore`: it is asked for a piece, and gives it.

use std::io;
use std::time::Duration;

pub use harness_protocol::capture::Greeting;
use harness_protocol::capture::{MAX_PIECE, Request};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

use super::agent::Lines;
use super::error::GuestError;
use super::trace::monotonic_ns;

/// How long the agent may take for a piece: it needs milliseconds, unless the host is about to fall over.
pub(super) const PIECE_DEADLINE: Duration = Duration::from_secs(20);

/// Why a piece of `/proc/vmcore` could not be read.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The capture kernel stopped answering.
    #[error("the capture kernel {0} while its /proc/vmcore was being read")]
    Stuck(String),
    /// Our side failed.
    #[error(transparent)]
    Guest(#[from] GuestError),
}

/// Our end of the port.
#[derive(Debug)]
pub(super) struct CapturePort {
    lines: Lines<BufReader<UnixStream>>,
    /// When the agent greeted, by [`monotonic_ns`].
    ready_ns: Option<u64>,
}

impl CapturePort {
    pub fn new(socket: UnixStream) -> Self {
        Self { lines: Lines::new(BufReader::new(socket)), ready_ns: None }
    }

    /// The agent's first line; `None` if the port is closed. Cancel safe.
    pub async fn greeting(&mut self) -> Option<Greeting> {
        let line = self.lines.next().await?;
        self.ready_ns.get_or_insert_with(monotonic_ns);
        Some(Greeting::parse(&line))
    }

    /// When the agent greeted, in nanoseconds of the host's monotonic clock.
    pub const fn ready_ns(&self) -> Option<u64> {
        self.ready_ns
    }

    /// What lies at a place of the file; less of it where the file ends, or cannot be read.
    pub async fn read(&mut self, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let asked = u32::try_from(bytes).unwrap_or(MAX_PIECE).min(MAX_PIECE);
        let stream = self.lines.stream();
        stream.write_all(&Request { at, bytes: asked }.to_bytes()).await?;
        stream.flush().await?;
        let length = stream.read_u32_le().await?;
        if length > asked {
            return Err(io::Error::other(format!("it answers with {length} bytes to a request for {asked}")));
        }
        let mut piece = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        stream.read_exact(&mut piece).await?;
        Ok(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A port whose other end gives `answer` to whatever is asked.
    async fn asked(answer: &[u8], bytes: usize) -> (io::Result<Vec<u8>>, Vec<u8>) {
        let (ours, mut theirs) = UnixStream::pair().expect("sockets can be made");
        theirs.write_all(answer).await.expect("there is room");
        let read = CapturePort::new(ours).read(0x1_0000_0002, bytes).await;
        let mut request = vec![0; 12];
        theirs.read_exact(&mut request).await.expect("it was asked");
        (read, request)
    }

    #[tokio::test]
    async fn a_piece_is_asked_for_and_taken() {
        let (piece, request) = asked(b"\x03\0\0\0abc", 4).await;
        assert_eq!(piece.expect("there is one"), b"abc");
        assert_eq!(request, [2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0]);
    }

    #[tokio::test]
    async fn more_than_was_asked_for_is_refused() {
        let (piece, _) = asked(b"\x05\0\0\0abcde", 4).await;
        assert_eq!(piece.expect_err("it is too much").to_string(), "it answers with 5 bytes to a request for 4");
    }
}
