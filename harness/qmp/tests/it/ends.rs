//! How a connection ends: every waiter must learn it at once, with the cause, and after all that was said before.
//!
//! "At once" is told by the paused clock, which stands still as long as anybody has something to do.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::mock::{self, GREETING, Mock, SOON, next, text};
use harness_qmp::{Error, Events, MAX_LINE, Qmp};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::time::Instant;

/// Starts two commands and a wait for an event, lets `end` happen to the mock, and gives what the three were told, and
/// what they are told who come later.
async fn told(mut mock: Mock, client: &Qmp, events: &mut Events, end: impl AsyncFnOnce(Mock)) -> [String; 5] {
    let started = Instant::now();
    let (first, second, event, ()) = tokio::join!(
        client.execute_raw("first", Value::Null, SOON),
        client.execute_raw("second", Value::Null, SOON),
        next(events),
        async {
            mock.command().await;
            mock.command().await;
            end(mock).await;
        }
    );
    let later = client.execute_raw("later", Value::Null, SOON).await;
    let later_event = next(events).await;
    assert_eq!(started.elapsed(), Duration::ZERO, "everybody must be told at once");
    [text(first), text(second), text(event), text(later), text(later_event)]
}

fn all_told(cause: &str) -> [String; 5] {
    ["running first", "running second", "waiting for an event", "running later", "waiting for an event"]
        .map(|doing| format!("{doing}: {cause}"))
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_is_told_to_all_at_once() {
    let (mock, client, mut events) = Mock::connected().await;
    let told = told(mock, &client, &mut events, async |mock| drop(mock)).await;
    assert_eq!(told, all_told("the QMP connection is closed"));
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_qemu_left_unfinished_is_no_message() {
    let (mock, client, mut events) = Mock::connected().await;
    let told = told(mock, &client, &mut events, async |mut mock| {
        mock.send_bytes(br#"{"event": "SHUTDOWN"}"#).await;
    });
    assert_eq!(told.await, all_told("the QMP connection is closed"));
}

#[tokio::test(start_paused = true)]
async fn nonsense_ends_the_connection_with_its_cause() {
    let (mock, client, mut events) = Mock::connected().await;
    let told = told(mock, &client, &mut events, async |mut mock| {
        mock.send("{\"event\": STOP}").await;
        assert!(mock.hung_up().await);
    });
    let cause = "QEMU sent what is no JSON object: expected value at line 1 column 11: `{\\\"event\\\": STOP}\\r\\n`";
    assert_eq!(told.await, all_told(cause));
}

/// Recorded from QEMU 7.2.22, which was sent a command nested 2000 deep.
#[tokio::test(start_paused = true)]
async fn a_command_which_qemu_cannot_read_ends_the_connection_with_its_cause() {
    let (mock, client, mut events) = Mock::connected().await;
    let told = told(mock, &client, &mut events, async |mut mock| {
        mock.send(r#"{"error": {"class": "GenericError", "desc": "JSON nesting depth limit exceeded"}}"#).await;
    });
    assert_eq!(told.await, all_told("QEMU could not read a command: JSON nesting depth limit exceeded"));
}

#[tokio::test(start_paused = true)]
async fn an_endless_line_ends_the_connection_after_a_bounded_read() {
    let (mock, client, mut events) = Mock::connected().await;
    let mut taken = 0;
    let (mut here, there) = tokio::io::duplex(mock::PIPE);
    // A second connection, to count what it takes.
    let connecting = tokio::join!(Qmp::connect(there, SOON), async {
        here.write_all(format!("{GREETING}\n{{\"return\": {{}}, \"id\": 1}}\n").as_bytes()).await.unwrap();
    });
    let (endless, mut endless_events) = connecting.0.unwrap();
    while let Ok(written) = here.write(&[b' '; 1000]).await {
        taken += written;
    }
    let cause = format!("QEMU sent a line longer than {MAX_LINE} bytes");
    assert_eq!(text(next(&mut endless_events).await), format!("waiting for an event: {cause}"));
    assert_eq!(text(endless.hmp("x", SOON).await), format!("running human-monitor-command: {cause}"));
    let limit = usize::try_from(MAX_LINE).unwrap();
    assert!((limit..limit + 5 * mock::PIPE).contains(&taken), "{taken}");

    // The end, told to all; and the longest line that is allowed.
    let told = told(mock, &client, &mut events, async |mut mock| {
        mock.send_bytes(&vec![b'x'; limit + 1]).await;
    });
    assert_eq!(told.await, all_told(&cause));
}

#[tokio::test(start_paused = true)]
async fn the_longest_line_is_read() {
    let (mut mock, client, _events) = Mock::connected().await;
    let limit = usize::try_from(MAX_LINE).unwrap();
    let (reply, ()) = tokio::join!(client.execute_raw("long", Value::Null, SOON), async {
        let command = mock.command().await;
        let frame = json!({"return": "", "id": command["id"]}).to_string().len() + 1;
        let line = json!({"return": "x".repeat(limit - frame), "id": command["id"]}).to_string() + "\n";
        assert_eq!(line.len(), limit);
        mock.send_bytes(line.as_bytes()).await;
    });
    assert!(reply.unwrap().as_str().is_some_and(|text| text.len() > limit - 100));
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_the_end_is_heard_before_it() {
    let (mut mock, client, mut events) = Mock::connected().await;
    let (reply, ()) = tokio::join!(client.execute_raw("quit", Value::Null, SOON), async move {
        mock.event("SHUTDOWN", json!({"guest": false, "reason": "host-qmp-quit"})).await;
        mock.answer(json!({})).await;
    });
    assert_eq!(reply.unwrap(), json!({}));
    assert_eq!(next(&mut events).await.unwrap().name, "SHUTDOWN");
    assert!(matches!(next(&mut events).await, Err(Error::Closed { .. })));
    assert!(matches!(next(&mut events).await, Err(Error::Closed { .. })));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_client_closes_the_stream_and_ends_the_events() {
    let (mut mock, client, mut events) = Mock::connected().await;
    mock.event("STOP", json!({})).await;
    mock.prove_usable(&client).await;
    drop(client);
    assert!(mock.hung_up().await);
    assert_eq!(next(&mut events).await.unwrap().name, "STOP");
    assert_eq!(text(next(&mut events).await), "waiting for an event: the QMP connection is closed");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_client_ends_a_write_that_is_stuck() {
    let (mut mock, client, mut events) = Mock::connected().await;
    let big = json!("x".repeat(3 * mock::PIPE));
    assert!(matches!(client.execute_raw("big", big, SOON).await, Err(Error::Deadline { .. })));
    drop(client);
    assert!(matches!(next(&mut events).await, Err(Error::Closed { .. })));
    assert_eq!(mock.line().await.map(|line| line.len()), Some(mock::PIPE));
    assert!(mock.hung_up().await);
}

/// A stream on which writing fails from some time on, while what comes in can still be read.
struct NoMoreWrites {
    stream: DuplexStream,
    /// Writes that work.
    left: usize,
    error: io::ErrorKind,
}

impl AsyncRead for NoMoreWrites {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for NoMoreWrites {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.left == 0 {
            return Poll::Ready(Err(self.error.into()));
        }
        self.left -= 1;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

async fn connected_for_one_write(error: io::ErrorKind) -> (Mock, Qmp, Events) {
    let (here, stream) = tokio::io::duplex(mock::PIPE);
    let mut mock = Mock::new(here);
    let stream = NoMoreWrites { stream, left: 1, error };
    let (client, ()) = tokio::join!(Qmp::connect(stream, SOON), mock.handshake());
    let (client, events) = client.unwrap();
    (mock, client, events)
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_does_not_lose_the_last_words() {
    let (mut mock, client, mut events) = connected_for_one_write(io::ErrorKind::BrokenPipe).await;
    // The write fails while nothing is there to be read; the last words come only then.
    let (result, ()) = tokio::join!(client.execute_raw("late", Value::Null, SOON), async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        mock.event("SHUTDOWN", json!({})).await;
    });
    assert_eq!(text(result), "running late: the QMP connection is closed");
    assert_eq!(next(&mut events).await.unwrap().name, "SHUTDOWN");
    assert!(matches!(next(&mut events).await, Err(Error::Closed { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_ends_the_connection_though_the_peer_stays() {
    let (_mock, client, mut events) = connected_for_one_write(io::ErrorKind::OutOfMemory).await;
    let result = client.execute_raw("late", Value::Null, SOON).await;
    assert!(matches!(&result, Err(Error::Io { error, .. }) if error.kind() == io::ErrorKind::OutOfMemory));
    assert_eq!(text(result), "running late: the QMP stream failed: out of memory");
    assert!(matches!(next(&mut events).await, Err(Error::Io { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_only_stopped_reading_is_gone_too() {
    let (_mock, client, mut events) = connected_for_one_write(io::ErrorKind::BrokenPipe).await;
    let result = client.execute_raw("late", Value::Null, SOON).await;
    assert_eq!(text(result), "running late: the QMP connection is closed");
    assert!(matches!(next(&mut events).await, Err(Error::Closed { .. })));
}

/// What the harness uses: a socket pair. A peer that goes with commands unread resets it, which is not another error.
#[tokio::test]
async fn a_reset_socket_is_a_closed_one() {
    let (mut here, there) = tokio::net::UnixStream::pair().unwrap();
    let serve = async {
        here.write_all(format!("{GREETING}\n").as_bytes()).await.unwrap();
        // One byte of `qmp_capabilities`: the rest is unread when the socket is dropped.
        here.read_u8().await.unwrap();
        here.write_all(b"{\"return\": {}, \"id\": 1}\n{\"event\": \"STOP\"}\n").await.unwrap();
        drop(here);
    };
    let (client, ()) = tokio::join!(Qmp::connect(there, SOON), serve);
    let (client, mut events) = client.unwrap();
    assert_eq!(next(&mut events).await.unwrap().name, "STOP");
    assert!(matches!(next(&mut events).await, Err(Error::Closed { .. })));
    assert!(matches!(client.hmp("x", SOON).await, Err(Error::Closed { .. })));
}
