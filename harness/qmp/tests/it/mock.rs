//! A QEMU which says what a test tells it to.
// Values are passed as `json!` makes them.
#![allow(clippy::needless_pass_by_value)]

use std::time::Duration;

use harness_qmp::{Error, Event, Events, Qmp};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf};
use tokio::time::timeout;

/// A deadline for what must succeed.
pub const SOON: Duration = Duration::from_secs(10);

/// The room in the pipe between mock and client, in bytes.
pub const PIPE: usize = 4096;

/// The greeting of Debian's QEMU 7.2.22, as it was recorded.
pub const GREETING: &str = r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian 1:7.2+dfsg-7+deb12u18+b3"}, "capabilities": ["oob"]}}"#;

/// The server's end.
pub struct Mock {
    commands: Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
}

impl Mock {
    pub fn new(stream: DuplexStream) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { commands: BufReader::new(reader).lines(), writer }
    }

    /// A client which is connected, and the mock it is connected to.
    pub async fn connected() -> (Self, Qmp, Events) {
        let (here, there) = tokio::io::duplex(PIPE);
        let mut mock = Self::new(here);
        let (client, ()) = tokio::join!(Qmp::connect(there, SOON), mock.handshake());
        let (qmp, events) = client.unwrap();
        (mock, qmp, events)
    }

    pub async fn handshake(&mut self) {
        self.send(GREETING).await;
        let command = self.command().await;
        assert_eq!(command["execute"], "qmp_capabilities");
        self.reply(&command, json!({})).await;
    }

    /// The next command; fails if the client hung up.
    pub async fn command(&mut self) -> Value {
        let line = self.line().await.expect("the client hung up");
        serde_json::from_str(&line).unwrap()
    }

    /// The next line, also one that the client did not end; `None` if it hung up.
    pub async fn line(&mut self) -> Option<String> {
        // Longer than any wait of the client's, so that this is not what runs out first.
        timeout(10 * SOON, self.commands.next_line())
            .await
            .expect("the client neither sent a line nor hung up")
            .unwrap()
    }

    /// Whether the client hung up, with all its commands read.
    pub async fn hung_up(&mut self) -> bool {
        self.line().await.is_none()
    }

    /// One line as QEMU ends them.
    pub async fn send(&mut self, line: &str) {
        self.send_bytes(format!("{line}\r\n").as_bytes()).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).await.unwrap();
    }

    pub async fn event(&mut self, name: &str, data: Value) {
        let timestamp = json!({"seconds": 1_795_322_463, "microseconds": 5});
        self.send(&json!({"event": name, "data": data, "timestamp": timestamp}).to_string()).await;
    }

    pub async fn reply(&mut self, command: &Value, value: Value) {
        self.send(&json!({"return": value, "id": command["id"]}).to_string()).await;
    }

    /// Answers the next command with `value`, and says what the command was.
    pub async fn answer(&mut self, value: Value) -> Value {
        let command = self.command().await;
        self.reply(&command, value).await;
        command
    }

    /// Takes part in one round trip, which proves that the connection is usable.
    pub async fn prove_usable(&mut self, qmp: &Qmp) {
        let (reply, _) = tokio::join!(qmp.execute_raw("ping", Value::Null, SOON), self.answer(json!("pong")));
        assert_eq!(reply.unwrap(), "pong");
    }
}

/// The next event or the end; one of them must come.
pub async fn next(events: &mut Events) -> Result<Event, Error> {
    timeout(SOON, events.next()).await.expect("neither an event nor the end was told")
}

/// The text of an error.
pub fn text<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    result.unwrap_err().to_string()
}
