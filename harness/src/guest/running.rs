//! A guest while it runs.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use harness_qmp::{Event, Events, Qmp};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::agent::{AgentMessage, Lines, Note, PstoreFile};
use super::artifacts::{Artifacts, RamoopsMemory, Waited};
use super::capture::{Greeting, Port};
use super::console::Printing;
use super::death;
use super::drain::Captured;
use super::error::GuestError;
use super::log::{LogPlace, is_ram};
use super::machine::{ERST_BYTES, PAGE_BYTES, RAMOOPS_ADDRESS};
use super::process::Process;
use super::template::ErstPci;
use super::trace::Memory;
use crate::model::pstore::Backend;

/// QEMU answers within milliseconds; this long only on a host that is about to fall over.
pub(super) const QMP_DEADLINE: Duration = Duration::from_secs(20);

/// More files than back ends have records: a guest that says so does not tell the truth.
const PSTORE_FILES: usize = 64;

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It reset or powered itself off; the text is QEMU's reason (`guest-reset`, `guest-shutdown`, `guest-panic`).
    Ended(String),
    /// It had not ended by the deadline; its vCPUs were still there.
    Deadline,
    /// It did nothing any more, or its own clock was past the deadline, however busy the host was.
    Hung,
    /// Its crash kernel has come up, and its agent has said this.
    Captured(Greeting),
}

impl End {
    /// Whether the guest did not end by itself.
    pub const fn is_hung(&self) -> bool {
        matches!(self, Self::Deadline | Self::Hung)
    }
}

/// Sees the console while it comes.
pub type Watch = Box<dyn FnMut(&[u8]) + Send>;

/// A running guest. Dropping it kills it.
#[derive(Debug)]
pub struct Guest {
    pub(super) process: Process,
    pub(super) qmp: Qmp,
    pub(super) events: Events,
    pub(super) console: JoinHandle<Captured>,
    pub(super) console_over: Arc<Notify>,
    pub(super) printing: Printing,
    pub(super) stderr: JoinHandle<Captured>,
    pub(super) agent: Lines<BufReader<UnixStream>>,
    /// Where the agent of a crash kernel answers, if the machine has a port for it.
    pub(super) port: Option<Port>,
    /// What came where the agent speaks and is none of its words: the crash kernel's console.
    pub(super) capture_console: Captured,
    /// When what of a crash kernel was heard.
    pub(super) capture_times: Vec<(&'static str, u64)>,
    pub(super) workdir: PathBuf,
    /// What the agent has said of crashlab, once it has, or its template's had.
    pub(super) ready: Option<Ready>,
    /// Where its kernel's log is, or why that is not known.
    pub(super) log: Result<LogPlace, String>,
    /// Whether it has ended; QEMU has stopped it then.
    pub(super) ended: bool,
    /// Where the ERST's registers have to be, if the guest was restored.
    pub(super) erst_pci: Option<ErstPci>,
    /// What the tracer is told and tells.
    pub(super) trace: Option<Memory>,
    pub(super) cpus: u32,
    pub(super) memory: u64,
    pub(super) pstore: Backend,
}

/// Where crashlab is, in the guest's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ready {
    /// Physical address of the page that it stamps.
    pub page: u64,
    /// Virtual address of that page.
    pub mapped: u64,
    /// Where its section `.text` lies.
    pub code: u64,
    /// Where the kernel tells of its structures.
    pub vmcoreinfo: Option<Note>,
}

impl Guest {
    /// Only the devices' state is to be saved or loaded: the RAM and other shared files stay where they are. With
    /// `events` QEMU tells how a migration goes on.
    pub(super) async fn only_devices(&self, during: &'static str, events: bool) -> Result<(), GuestError> {
        let on = |name| json!({"capability": name, "state": true});
        let mut capabilities = vec![on("x-ignore-shared")];
        if events {
            capabilities.push(on("events"));
        }
        self.command(during, "migrate-set-capabilities", json!({"capabilities": capabilities})).await.map(drop)
    }

    /// One QMP command, by name; `Value::Null` for no arguments.
    pub(super) async fn command(
        &self,
        during: &'static str,
        name: &str,
        arguments: Value,
    ) -> Result<Value, GuestError> {
        self.qmp.execute_raw(name, arguments, QMP_DEADLINE).await.map_err(|source| GuestError::Qmp { during, source })
    }

    pub(super) async fn hmp(&self, during: &'static str, line: &str) -> Result<String, GuestError> {
        self.qmp.hmp(line, QMP_DEADLINE).await.map_err(|source| GuestError::Qmp { during, source })
    }

    /// Waits for an event that `wanted` makes something of.
    pub(super) async fn until<T>(
        &mut self,
        during: &'static str,
        deadline: Duration,
        wanted: impl Fn(&Event) -> Option<T>,
    ) -> Result<T, GuestError> {
        let events = &mut self.events;
        within(deadline, async {
            loop {
                let event = events.next().await.map_err(|source| GuestError::Qmp { during, source })?;
                if let Some(found) = wanted(&event) {
                    return Ok(found);
                }
            }
        })
        .await
        .unwrap_or_else(|| {
            let what = format!("{during}: nothing happened for {deadline:?}");
            Err(GuestError::Io { what, source: io::ErrorKind::TimedOut.into() })
        })
    }

    /// What comes first of the agent's words, the guest's end and QEMU's death; `None` if nothing does within `limit`.
    ///
    /// Lines that are none of the agent's words are a crash kernel's console.
    async fn next(&mut self, limit: Duration) -> Option<GuestEvent> {
        let Self { agent, events, port, capture_console, capture_times, .. } = self;
        within(limit, async {
            loop {
                tokio::select! {
                    // The agent first: what it said before the guest's end counts, however late we come to read it.
                    biased;
                    line = agent.next() => match line.map(|line| (AgentMessage::parse(&line), line)) {
                        Some((Some(word), _)) => return GuestEvent::Message(word),
                        Some((None, line)) => {
                            if capture_times.is_empty() && port.is_some() {
                                capture_times.push(("first_line", monotonic_ns()));
                            }
                            capture_console.push(line.as_bytes());
                        }
                        None => return GuestEvent::Died,
                    },
                    greeting = greeting(port) => match greeting {
                        Some(greeting) => {
                            capture_times.push(("ready", monotonic_ns()));
                            return GuestEvent::Captured(greeting);
                        }
                        None => return GuestEvent::Died,
                    },
                    event = events.next() => match event {
                        Ok(event) if event.name == "SHUTDOWN" => {
                            let reason = event.data.get("reason").and_then(Value::as_str);
                            return GuestEvent::Ended(reason.unwrap_or("unknown").to_owned());
                        }
                        Ok(_) => (),
                        Err(_) => return GuestEvent::Died,
                    },
                }
            }
        })
        .await
    }

    /// The agent's next word. One that reports an error is an error.
    ///
    /// `awaited` is for the error when it does not come within `deadline`, or when the guest ends before.
    pub async fn message(&mut self, awaited: &'static str, deadline: Duration) -> Result<AgentMessage, GuestError> {
        match self.next(deadline).await {
            Some(GuestEvent::Message(AgentMessage::Error(text))) => Err(GuestError::Agent(text)),
            Some(GuestEvent::Message(word)) => {
                if let AgentMessage::Ready { page, mapped, code, vmcoreinfo, .. } = word {
                    self.ready = Some(Ready { page, mapped, code, vmcoreinfo });
                }
                Ok(word)
            }
            Some(GuestEvent::Died) => Err(self.death("waiting for the guest's agent").await),
            Some(GuestEvent::Captured(_) | GuestEvent::Ended(_)) => {
                Err(GuestError::EndedEarly { awaited, console: self.console_tail().await })
            }
            None => Err(self.silent(awaited, deadline).await),
        }
    }

    /// The files of its `/sys/fs/pstore`, of a guest that was told to send them; each may take `deadline`.
    pub async fn pstore_files(&mut self, deadline: Duration) -> Result<Vec<PstoreFile>, GuestError> {
        let mut files = Vec::new();
        loop {
            match self.message("the files of pstore", deadline).await? {
                AgentMessage::Ready { .. } => (),
                AgentMessage::File { .. } if files.len() == PSTORE_FILES => {
                    return Err(GuestError::Agent(format!("it has more than {PSTORE_FILES} files of pstore's")));
                }
                AgentMessage::File { name, bytes } => files.push(PstoreFile { name, bytes }),
                AgentMessage::End => return Ok(files),
                other => return Err(GuestError::Agent(format!("it said {other:?} where files of pstore's were due"))),
            }
        }
    }

    /// Waits up to `limit` for the guest's end; `None` if it has not come by then. An agent that reports an error is
    /// one.
    pub async fn end(&mut self, limit: Duration) -> Result<Option<End>, GuestError> {
        match self.next(limit).await {
            None => Ok(None),
            Some(GuestEvent::Ended(reason)) => {
                self.ended = true;
                Ok(Some(End::Ended(reason)))
            }
            Some(GuestEvent::Captured(greeting)) => Ok(Some(End::Captured(greeting))),
            Some(GuestEvent::Died) => Err(self.death("the guest was running").await),
            Some(GuestEvent::Message(AgentMessage::Error(text))) => Err(GuestError::Agent(text)),
            Some(GuestEvent::Message(word)) => Err(GuestError::Agent(format!("it said {word:?} when nothing was due"))),
        }
    }

    /// That `awaited` did not come in time, with the end of the console; kills the guest.
    pub async fn silent(&mut self, awaited: &'static str, after: Duration) -> GuestError {
        GuestError::Silent { awaited, after, console: self.console_tail().await }
    }

    /// How much has come on a crash kernel's console.
    pub fn has_captured(&self) -> u64 {
        self.capture_console.len()
    }

    /// Reads crashlab's page from the guest's memory, whether it runs or not; empty if it has not told where the page
    /// is.
    pub async fn page(&self) -> Result<Vec<u8>, GuestError> {
        let Some(Ready { page, .. }) = self.ready else { return Ok(Vec::new()) };
        // The address comes from the guest: outside of its RAM there may be a device that minds being read.
        if !page.is_multiple_of(PAGE_BYTES) || !is_ram(self.memory, page, PAGE_BYTES) {
            return Err(GuestError::Agent(format!(
                "it says that crashlab's page is at {page:#x}, which is not in its RAM"
            )));
        }
        self.memory("reading crashlab's page", "page", page, PAGE_BYTES).await
    }

    /// Reads the zones of ramoops from the guest's memory, whether it runs or not; nothing if its pstore does not write
    /// there.
    async fn ramoops(&self) -> Result<Option<RamoopsMemory>, GuestError> {
        let during = "reading the zones of ramoops";
        let Backend::Ramoops(zones) = self.pstore else { return Ok(None) };
        let bytes = zones.bytes();
        if !is_ram(self.memory, RAMOOPS_ADDRESS, bytes) {
            let source = io::Error::other(format!("{bytes} bytes at {RAMOOPS_ADDRESS:#x} are not in the guest's RAM"));
            return Err(GuestError::Io { what: during.to_owned(), source });
        }
        let bytes = self.memory(during, "ramoops", RAMOOPS_ADDRESS, bytes).await?;
        Ok(Some(RamoopsMemory { zones, bytes }))
    }

    /// Reads from the guest's physical memory, which must be RAM, by way of a file of that name in its folder.
    pub(super) async fn memory(
        &self,
        during: &'static str,
        name: &str,
        address: u64,
        bytes: u64,
    ) -> Result<Vec<u8>, GuestError> {
        // Relative to QEMU's current folder.
        self.command(during, "pmemsave", json!({"val": address, "size": bytes, "filename": name})).await?;
        let path = self.workdir.join(name);
        let memory = read(&path, bytes)?;
        if memory.len() as u64 == bytes {
            return Ok(memory);
        }
        // On a full disk `pmemsave` succeeds all the same (QEMU 7.2, seen).
        let why =
            format!("QEMU has written {} bytes of {bytes} to it and says nothing: is the disk full?", memory.len());
        Err(GuestError::io(&format!("read {}", path.display()))(io::Error::other(why)))
    }

    /// That the ERST's registers are where a restored guest has to have them: else it would have swallowed every
    /// record, and the kernel would be blamed for the loss.
    async fn check_erst(&self) -> Result<(), GuestError> {
        let during = "checking the ERST's PCI registers";
        let Some(erst) = self.erst_pci else { return Ok(()) };
        let pci = self.command(during, "query-pci", Value::Null).await?;
        if erst.is_in(&pci) {
            return Ok(());
        }
        let source = io::Error::other("they are not where the guest had put them before it was saved");
        Err(GuestError::Io { what: during.to_owned(), source })
    }

    /// Stops QEMU for good and collects what is left. The console is complete then: the pipe is read to its end.
    pub async fn collect(mut self) -> Result<Artifacts, GuestError> {
        if self.capture_times.iter().any(|(what, _)| *what == "ready") {
            self.capture_times.push(("done", monotonic_ns()));
        }
        // What has not ended would go on writing what is read.
        let stopped = async {
            if self.ended { Ok(()) } else { self.command("stopping the guest", "stop", Value::Null).await.map(drop) }
        };
        let log = async { Ok(self.log_memory().await) };
        let asked = tokio::try_join!(biased; stopped, self.page(), self.ramoops(), self.check_erst(), log);
        let (page, ramoops, log) = match asked {
            Ok(((), page, ramoops, (), log)) => (page, ramoops, log),
            Err(error) => return Err(self.or_death(error, "it was asked for what the guest left").await),
        };
        let waited = self.process.id().and_then(Waited::read);
        self.process.kill().await.map_err(GuestError::io("kill QEMU"))?;
        self.console_over.notify_one();
        let console = self.console.await.unwrap_or_default().into_bytes();
        let stderr = self.stderr.await.unwrap_or_default().into_bytes();
        let erst = read(&self.workdir.join("erst"), ERST_BYTES)?;
        let trace = self.trace.as_ref().map(Memory::read).transpose();
        let trace = trace.map_err(GuestError::io("read the tracer's memory"))?.unwrap_or_default();
        let capture_console = self.capture_console.into_bytes();
        let capture_times = self.capture_times;
        Ok(Artifacts { console, capture_console, capture_times, stderr, erst, ramoops, page, trace, log, waited })
    }

    /// How QEMU died, if that is why `error` came.
    pub(crate) async fn or_death(&mut self, error: GuestError, during: &'static str) -> GuestError {
        match error {
            GuestError::Qmp { source: harness_qmp::Error::Closed { .. }, .. } => self.death(during).await,
            error => error,
        }
    }

    pub(super) async fn death(&mut self, during: &'static str) -> GuestError {
        let status = within(QMP_DEADLINE, self.process.wait()).await;
        let stderr = std::mem::replace(&mut self.stderr, tokio::spawn(async { Captured::default() }));
        death::described(status, stderr, during).await
    }

    async fn console_tail(&mut self) -> String {
        let _ = self.process.kill().await;
        self.console_over.notify_one();
        let console = std::mem::replace(&mut self.console, tokio::spawn(async { Captured::default() }));
        death::last_lines(&console.await.unwrap_or_default().into_bytes(), 25)
    }
}

/// What came.
enum GuestEvent {
    Message(AgentMessage),
    Captured(Greeting),
    Ended(String),
    Died,
}

/// What a crash kernel's agent says first; never, where there is no port for it.
async fn greeting(port: &mut Option<Port>) -> Option<Greeting> {
    match port {
        Some(port) => port.greeting().await,
        None => std::future::pending().await,
    }
}

/// The host's monotonic clock, as the tracer reads it.
pub(crate) fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

pub(super) async fn within<T>(deadline: Duration, future: impl Future<Output = T>) -> Option<T> {
    timeout(deadline, future).await.ok()
}

pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, GuestError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(GuestError::io(&format!("read {}", path.display())))?;
    Ok(bytes)
}
