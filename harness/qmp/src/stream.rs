//! The one task that holds the stream: reads lines for the router, writes the lines of commands, and tells the end.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::error::End;
use crate::message::{self, Message};
use crate::router::Router;

/// The longest message of QEMU's that is accepted, in bytes with its newline: 2 MiB, ten times the longest one in
/// ordinary use (the reply to `query-qmp-schema`, 207 kB with QEMU 7.2). Decoded, a message takes some 20 times its
/// length if it is made of small numbers, and at worst, made of tiny objects, 100 times (measured with 4 MiB: 75 MB and
/// 400 MB).
pub const MAX_LINE: u64 = 2 << 20;

/// How long is read on after a write failed, for what QEMU said before it went. A socket whose peer is gone needs no
/// time for this; the limit is for a peer that only stopped reading.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A command's line on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) id: u64,
    pub(crate) line: Vec<u8>,
}

/// Tells the router the end, also when the task is dropped in the middle (`Closed` then).
struct Closer {
    router: Arc<Router>,
    end: End,
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.router.close(self.end.clone());
    }
}

/// Serves a connection to its end.
pub(crate) async fn serve(
    reader: impl AsyncBufRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    // Dropped after `closer`: who finds the queue closed must find the reason too.
    mut outgoing: mpsc::Receiver<Outgoing>,
    router: Arc<Router>,
) {
    let mut closer = Closer { router: Arc::clone(&router), end: End::Closed };
    let mut reading = pin!(read_lines(reader, &router));
    closer.end = tokio::select! {
        biased;
        end = &mut reading => end,
        // What QEMU said before it hung up has come by then, but may not have been read.
        end = write_lines(writer, &mut outgoing, &router) => timeout(LAST_WORDS, reading).await.unwrap_or(end),
    };
    if router.dropped() > 0 {
        tracing::warn!(events = router.dropped(), "events were dropped on a QMP connection that has ended");
    }
}

async fn read_lines(mut reader: impl AsyncBufRead + Unpin, router: &Router) -> End {
    loop {
        let line = match next_line(&mut reader).await {
            Ok(line) => line,
            Err(end) => return end,
        };
        match message::parse(&line) {
            Ok(Message::Event(event)) => router.push_event(event, line.len()),
            Ok(Message::Reply { id, answer }) => router.answer(id, answer),
            Ok(Message::Greeting(_)) => return End::Protocol("QEMU sent a second greeting".to_owned()),
            Err(what) => return End::Protocol(what),
        }
    }
}

/// The next line that is not blank. A line the stream ends within is lost with the stream.
pub(crate) async fn next_line(mut reader: impl AsyncBufRead + Unpin) -> Result<Vec<u8>, End> {
    loop {
        let mut line = Vec::new();
        (&mut reader).take(MAX_LINE + 1).read_until(b'\n', &mut line).await?;
        if u64::try_from(line.len()).is_ok_and(|length| length > MAX_LINE) {
            return Err(End::Protocol(format!("QEMU sent a line longer than {MAX_LINE} bytes")));
        }
        if line.last() != Some(&b'\n') {
            return Err(End::Closed);
        }
        if !line.trim_ascii().is_empty() {
            return Ok(line);
        }
    }
}

async fn write_lines(
    mut writer: impl AsyncWrite + Unpin,
    outgoing: &mut mpsc::Receiver<Outgoing>,
    router: &Router,
) -> End {
    while let Some(Outgoing { id, line }) = outgoing.recv().await {
        // Given up while it stood in the queue, e.g. behind a command QEMU did not read: must not take effect later.
        if !router.is_awaited(id) {
            continue;
        }
        if let Err(error) = write_line(&mut writer, &line).await {
            return error.into();
        }
    }
    End::Closed
}

async fn write_line(writer: &mut (impl AsyncWrite + Unpin), line: &[u8]) -> io::Result<()> {
    writer.write_all(line).await?;
    writer.flush().await
}
