//! The port by which the agent on a crash kernel hands over `/proc/vmcore`: it is asked for a piece, and gives it.

use std::io;
use std::time::Duration;

pub use harness_protocol::capture::Greeting;
use harness_protocol::capture::{MAX_PIECE, Request};
use serde_json::Value;
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::sleep;

use super::agent::Lines;
use super::error::GuestError;
use super::running::Guest;

/// How long it may take for a piece: milliseconds, on a host that is not about to fall over.
const PIECE_DEADLINE: Duration = Duration::from_secs(20);

/// Why a piece could not be had.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The capture kernel did not go on.
    #[error("the capture kernel {0} while its /proc/vmcore was being read")]
    Stuck(String),
    /// Our side failed.
    #[error(transparent)]
    Guest(#[from] GuestError),
}

/// Our end of the port.
#[derive(Debug)]
pub(super) struct Port(Lines<BufReader<UnixStream>>);

impl Port {
    pub fn new(stream: UnixStream) -> Self {
        Self(Lines::new(BufReader::new(stream)))
    }

    /// The agent's first line; `None` if the port is closed. Cancel safe.
    pub async fn greeting(&mut self) -> Option<Greeting> {
        self.0.next().await.map(|line| Greeting::parse(&line))
    }

    /// What lies at a place of the file; less of it where the file ends, or cannot be read.
    async fn read(&mut self, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let asked = u32::try_from(bytes).unwrap_or(MAX_PIECE).min(MAX_PIECE);
        let stream = self.0.stream();
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

impl Guest {
    /// What lies in the capture kernel's `/proc/vmcore` from `at` on; less of it at its end, or where it cannot be read.
    pub async fn vmcore(&mut self, at: u64, bytes: usize) -> Result<Vec<u8>, CaptureError> {
        let mut found = Vec::new();
        while found.len() < bytes {
            let piece = self.piece(at.saturating_add(found.len() as u64), bytes - found.len()).await?;
            if piece.is_empty() {
                break;
            }
            found.extend(piece);
        }
        Ok(found)
    }

    async fn piece(&mut self, at: u64, bytes: usize) -> Result<Vec<u8>, CaptureError> {
        let Self { port, events, agent, capture_console, ended, .. } = self;
        let stuck = |how: String| Err(CaptureError::Stuck(how));
        let Some(port) = port else { return stuck("has no port".to_owned()) };
        let answered = async {
            let read = port.read(at, bytes);
            let deadline = sleep(PIECE_DEADLINE);
            tokio::pin!(read, deadline);
            loop {
                tokio::select! {
                    biased;
                    piece = &mut read => return match piece {
                        Ok(piece) => Some(Ok(piece)),
                        Err(error) if error.kind() == io::ErrorKind::Other => {
                            Some(stuck(format!("said nonsense ({error})")))
                        }
                        Err(_) => None,
                    },
                    event = events.next() => match event {
                        Ok(event) if event.name == "SHUTDOWN" => {
                            *ended = true;
                            let reason = event.data.get("reason").and_then(Value::as_str).unwrap_or("unknown");
                            return Some(stuck(format!("ended ({reason})")));
                        }
                        Ok(_) => (),
                        Err(_) => return None,
                    },
                    // Its console, which stalls it when nobody reads.
                    line = agent.next() => capture_console.push(line?.as_bytes()),
                    () = &mut deadline => return Some(stuck(format!("did not answer for {PIECE_DEADLINE:?}"))),
                }
            }
        };
        match answered.await {
            Some(answer) => answer,
            None => Err(self.death("a capture kernel was asked for /proc/vmcore").await.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A port whose other end gives `answer` to whatever is asked.
    async fn asked(answer: &[u8], bytes: usize) -> (io::Result<Vec<u8>>, Vec<u8>) {
        let (ours, mut theirs) = UnixStream::pair().expect("sockets can be made");
        theirs.write_all(answer).await.expect("there is room");
        let read = Port::new(ours).read(0x1_0000_0002, bytes).await;
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
