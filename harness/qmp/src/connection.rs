//! The sending end: the handshake and commands.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize as _, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use crate::message::{self, Message};
use crate::router::Router;
use crate::stream::{self, Outgoing};
use crate::{Error, Events, Greeting};

/// How many commands may stand in the queue to a QEMU that does not read; further ones wait for room.
const OUTGOING: usize = 16;

/// A QMP connection, ready for commands. Several may be under way at once, from several tasks; QEMU runs them one after
/// the other. Dropping it closes the stream.
#[derive(Debug)]
pub struct Qmp {
    greeting: Greeting,
    router: Arc<Router>,
    outgoing: mpsc::Sender<Outgoing>,
    task: AbortHandle,
}

impl Drop for Qmp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Serialize)]
struct Request<'a> {
    execute: &'a str,
    // QEMU reads its monitor byte by byte, at some 4 us each: nothing is said that need not be.
    #[serde(skip_serializing_if = "Value::is_null")]
    arguments: Value,
    id: u64,
}

impl Qmp {
    /// Waits for the greeting and leaves the negotiation mode (`qmp_capabilities`, none enabled), all within
    /// `deadline`.
    ///
    /// # Errors
    /// [`Error::Deadline`]; [`Error::Protocol`] if the other end does not speak QMP; [`Error::Closed`] or
    /// [`Error::Io`].
    ///
    /// # Panics
    /// Outside of a tokio runtime with a time driver.
    pub async fn connect<S>(stream: S, deadline: Duration) -> Result<(Self, Events), Error>
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let started = Instant::now();
        let (reader, writer) = tokio::io::split(stream);
        let mut reader = BufReader::new(reader);
        let line = timeout(deadline, stream::next_line(&mut reader))
            .await
            .map_err(|_| Error::Deadline { command: "greeting".to_owned(), after: deadline })?;
        let doing = || "waiting for QEMU's greeting".to_owned();
        let line = line.map_err(|end| end.while_doing(doing()))?;
        let greeting = match message::parse(&line) {
            Ok(Message::Greeting(greeting)) => greeting,
            Ok(_) => return Err(Error::Protocol { doing: doing(), what: "something else came first".to_owned() }),
            Err(what) => return Err(Error::Protocol { doing: doing(), what }),
        };

        let router = Arc::new(Router::default());
        let (outgoing, lines) = mpsc::channel(OUTGOING);
        let task = tokio::spawn(stream::serve(reader, writer, lines, Arc::clone(&router))).abort_handle();
        let events = Events::new(Arc::clone(&router));
        let qmp = Self { greeting, router, outgoing, task };
        qmp.execute_raw("qmp_capabilities", Value::Null, deadline.saturating_sub(started.elapsed())).await?;
        Ok((qmp, events))
    }

    /// What QEMU said first: its version and what it offers.
    pub fn greeting(&self) -> &Greeting {
        &self.greeting
    }

    /// Runs a command by its name. `arguments` is an object, or null for none; `deadline` counts from the call to the reply.
    ///
    /// Dropping the future gives the command up, as does its deadline: if it was not yet being sent it never will be,
    /// else it may still take effect and its reply is dropped.
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn execute_raw(&self, name: &str, arguments: Value, deadline: Duration) -> Result<Value, Error> {
        let doing = || format!("running {name}");
        let (ticket, answer) = self.router.register().map_err(|end| end.while_doing(doing()))?;
        let mut line = serde_json::to_vec(&Request { execute: name, arguments, id: ticket.id })
            .map_err(|error| Error::Protocol { doing: format!("encoding {name}"), what: error.to_string() })?;
        line.push(b'\n');
        let answered = async {
            self.outgoing.send(Outgoing { id: ticket.id, line }).await.ok()?;
            answer.await.ok()
        };
        match timeout(deadline, answered).await {
            Ok(Some(Ok(value))) => Ok(value),
            Ok(Some(Err(refusal))) => {
                Err(Error::Qemu { command: name.to_owned(), class: refusal.class, desc: refusal.desc })
            }
            Ok(None) => Err(self.router.end().while_doing(doing())),
            Err(_) => Err(Error::Deadline { command: name.to_owned(), after: deadline }),
        }
    }
    /// Runs a line of the human monitor and returns what that prints. An unknown or failing line is not an error for
    /// QMP: the monitor's complaint is in the text.
    ///
    /// # Errors
    /// As [`execute_raw`](Self::execute_raw).
    pub async fn hmp(&self, line: &str, deadline: Duration) -> Result<String, Error> {
        let name = "human-monitor-command";
        let reply = self.execute_raw(name, json!({ "command-line": line }), deadline).await?;
        String::deserialize(reply).map_err(|error| Error::Protocol {
            doing: format!("decoding the reply to {name}"),
            what: error.to_string(),
        })
    }
}
