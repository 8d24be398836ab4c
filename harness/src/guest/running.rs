//! A guest while it runs.

use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness_qmp::{Event, Events, Qmp};
use serde_json::json;
use thiserror::Error;
use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::agent::{Lines, Word};
use super::drain::{Captured, drain};
use super::machine::{Descriptors, ERST_BYTES, Files, Machine, PAGE_BYTES, Ram};
use super::process::Process;
use super::remains::{Remains, Waited};

/// QEMU answers within milliseconds; this long only on a host that is about to fall over.
const QMP_DEADLINE: Duration = Duration::from_secs(20);

/// Directives are padded to this size: the guest's kernel learns the size of an `fw_cfg` item once, when it boots, so a
/// restored guest can only be given as many bytes as the template was.
const DIRECTIVES_BYTES: usize = 2048;

/// Why a guest could not be started or driven. Never the kernel's fault.
#[derive(Debug, Error)]
pub enum GuestError {
    /// A file or a process of the host's.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// QEMU ended when it should not have.
    #[error("QEMU ended ({status}) while {during}{stderr}")]
    Died {
        /// How.
        status: String,
        /// What was being done.
        during: &'static str,
        /// What QEMU said, on lines of its own.
        stderr: String,
    },
    /// QMP failed.
    #[error("while {during}: {source}")]
    Qmp {
        /// What was being done.
        during: &'static str,
        /// Why it failed.
        source: harness_qmp::Error,
    },
    /// The agent said no.
    #[error("the guest's agent failed: {0}")]
    Agent(String),
    /// The agent did not say what it should have in time.
    #[error("the guest did not say `{awaited}` within {after:?}; the end of its console:\n{console}")]
    Silent {
        /// The word that was waited for.
        awaited: &'static str,
        /// How long.
        after: Duration,
        /// The last lines of the console.
        console: String,
    },
    /// The guest ended before the agent said what it should have.
    #[error("the guest ended before it said `{awaited}`; the end of its console:\n{console}")]
    EndedEarly {
        /// The word that was waited for.
        awaited: &'static str,
        /// The last lines of the console.
        console: String,
    },
    /// The directives do not fit the guest's `fw_cfg` item.
    #[error("the scenario's directives need {0} bytes, more than the {DIRECTIVES_BYTES} that a guest can be given")]
    Directives(usize),
}

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It reset or powered itself off; the text is QEMU's reason (`guest-reset`, `guest-shutdown`, `guest-panic`).
    Ended(String),
    /// It had not ended by the deadline; its vCPUs were still there.
    Deadline,
}

/// What to start with.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// From the first instruction.
    Boot {
        /// The kernel, `bzImage`.
        kernel: &'a Path,
        /// The initramfs.
        initramfs: &'a Path,
        /// Words for the kernel's command line.
        append: &'a [String],
        /// The file for its RAM, if the machine will be saved.
        saved_ram: Option<&'a Path>,
        /// The record store to begin with, which is copied; an empty one if there is none.
        erst: Option<&'a Path>,
    },
    /// From a saved machine.
    Restore(&'a super::Template),
}

/// Sees the console while it comes.
pub type Watch = Box<dyn FnMut(&[u8]) + Send>;

/// A running guest. Dropping it kills it.
#[derive(Debug)]
pub struct Guest {
    process: Process,
    qmp: Qmp,
    events: Events,
    console: JoinHandle<Captured>,
    stderr: JoinHandle<Captured>,
    agent: Lines<BufReader<UnixStream>>,
    workdir: PathBuf,
    /// The thread of each vCPU, on the host.
    threads: Vec<i64>,
    /// The number, in QEMU, of the descriptor that the saved state is read from.
    state_fd: Option<RawFd>,
    /// Physical address of crashlab's page, once it is known.
    page: Option<u64>,
    memory: u64,
}

impl Guest {
    /// Starts a guest whose own files are in `workdir`, an empty private folder, and lets it run. Without `directives` the
    /// agent waits for them: such a guest is there to be saved.
    pub async fn start(
        machine: &Machine,
        start: Start<'_>,
        directives: Option<&str>,
        workdir: &Path,
        watch: Option<Watch>,
    ) -> Result<Self, GuestError> {
        let mut guest = Self::start_paused(machine, start, directives, workdir, watch).await?;
        if let Start::Restore(template) = start {
            guest.settle(template).await?;
            guest.page = Some(template.page);
        }
        guest.command("letting the guest run", "cont", json!({})).await?;
        Ok(guest)
    }

    async fn start_paused(
        machine: &Machine,
        start: Start<'_>,
        directives: Option<&str>,
        workdir: &Path,
        watch: Option<Watch>,
    ) -> Result<Self, GuestError> {
        let (erst, told) = (workdir.join("erst"), workdir.join("directives"));
        write(&told, &padded(directives.unwrap_or(""))?)?;
        let own = OwnFiles { erst: &erst, directives: &told };
        match start {
            Start::Boot { kernel, initramfs, append, saved_ram, erst: records } => {
                match records {
                    Some(records) => copy(records, &erst)?,
                    None => create(&erst, ERST_BYTES)?,
                }
                let ram = saved_ram.map_or(Ram::Private, Ram::Shared);
                let files = own.with(kernel, initramfs, ram);
                Self::launch(machine, &files, append, None, workdir, watch).await
            }
            Start::Restore(template) => {
                copy(&template.erst(), &erst)?;
                let ram = template.ram();
                let state = std::fs::File::open(template.state()).map_err(io("open the template's state"))?;
                let files = own.with(&template.kernel, &template.initramfs, Ram::CopyOnWrite(&ram));
                Self::launch(machine, &files, &template.append, Some(state.into()), workdir, watch).await
            }
        }
    }

    async fn launch(
        machine: &Machine,
        files: &Files<'_>,
        append: &[String],
        state: Option<OwnedFd>,
        workdir: &Path,
        watch: Option<Watch>,
    ) -> Result<Self, GuestError> {
        let (qmp, qmp_theirs) = pair()?;
        let (console, console_theirs) = pair()?;
        let (agent, agent_theirs) = pair()?;
        let descriptors = Descriptors {
            qmp: qmp_theirs.as_raw_fd(),
            console: console_theirs.as_raw_fd(),
            agent: agent_theirs.as_raw_fd(),
            state: state.as_ref().map(AsRawFd::as_raw_fd),
        };
        let mut command = Command::new(&machine.qemu);
        command.args(machine.arguments(files, descriptors, append)).current_dir(workdir);
        let inherited: Vec<OwnedFd> = [qmp_theirs, console_theirs, agent_theirs].into_iter().chain(state).collect();
        let mut process =
            Process::start(command, &inherited).map_err(io(&format!("start {}", machine.qemu.display())))?;
        // Our copies of QEMU's ends: open, they would keep the sockets alive when QEMU is dead.
        drop(inherited);

        let mut watch = watch;
        let console = tokio::spawn(drain(console, move |bytes| {
            if let Some(watch) = &mut watch {
                watch(bytes);
            }
        }));
        let stderr = process.take_stderr();
        let stderr = tokio::spawn(async move {
            match stderr {
                Some(stderr) => drain(stderr, |_| ()).await,
                None => Captured::default(),
            }
        });
        match Qmp::connect(qmp, QMP_DEADLINE).await {
            Ok((qmp, events)) => Ok(Self {
                process,
                qmp,
                events,
                console,
                stderr,
                agent: Lines::new(BufReader::new(agent)),
                workdir: workdir.to_owned(),
                threads: Vec::new(),
                state_fd: descriptors.state,
                page: None,
                memory: u64::from(machine.memory_mib) << 20,
            }),
            Err(harness_qmp::Error::Closed { .. }) => Err(died(process, stderr, "it was being started").await),
            Err(source) => Err(GuestError::Qmp { during: "greeting QEMU", source }),
        }
    }

    /// Loads the saved state, then sets what QEMU does not restore.
    async fn settle(&mut self, template: &super::Template) -> Result<(), GuestError> {
        let during = "restoring the guest";
        let fd = self.state_fd.unwrap_or(-1);
        self.prepare_migration(during).await?;
        self.command(during, "migrate-incoming", json!({"uri": format!("fd:{fd}")})).await?;
        self.migrated(during).await?;
        let during = "restoring the ERST's PCI state";
        for line in template.erst_pci.restoring_commands() {
            self.hmp(during, &line).await?;
        }
        // Without its registers the ERST swallows every record, and the kernel would be blamed for the loss.
        let pci = self.command(during, "query-pci", json!({})).await?;
        if template.erst_pci.is_in(&pci) {
            return Ok(());
        }
        let source = io::Error::other("its registers are not where the guest had put them");
        Err(GuestError::Io { what: during.to_owned(), source })
    }

    /// Saves all of a stopped machine but the RAM, which lies in its file already, to `file`.
    pub(super) async fn save(&mut self, file: &Path) -> Result<(), GuestError> {
        let during = "saving the guest";
        self.prepare_migration(during).await?;
        // A socket, because QEMU's sandbox lets it neither run a program nor, before 8.2, migrate to a file by name; in a
        // folder with a short name, because a socket's name may have 107 bytes only.
        let folder = tempfile::tempdir().map_err(io("create a folder for a socket"))?;
        let name = folder.path().join("state");
        let socket = UnixListener::bind(&name).map_err(io("listen for the saved state"))?;
        self.command(during, "migrate", json!({"uri": format!("unix:{}", name.display())})).await?;
        let copied = async {
            let (mut stream, _) = socket.accept().await?;
            let mut file = tokio::fs::File::create(file).await?;
            tokio::io::copy(&mut stream, &mut file).await?;
            file.sync_all().await
        };
        let (copied, migrated) = tokio::join!(within(QMP_DEADLINE, copied), self.migrated(during));
        migrated?;
        copied.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())).map_err(io("write the saved state"))
    }

    /// RAM and the shared files stay where they are, only the rest of the machine moves; and its end is to be an event.
    async fn prepare_migration(&self, during: &'static str) -> Result<(), GuestError> {
        let on = |name| json!({"capability": name, "state": true});
        let capabilities = json!({"capabilities": [on("x-ignore-shared"), on("events")]});
        self.command(during, "migrate-set-capabilities", capabilities).await.map(drop)
    }

    /// Waits for the end of a migration, in either direction.
    async fn migrated(&mut self, during: &'static str) -> Result<(), GuestError> {
        let done = self.until(during, QMP_DEADLINE, |event| {
            let status = event.data.get("status").filter(|_| event.name == "MIGRATION")?.as_str()?;
            matches!(status, "completed" | "failed").then(|| status == "completed")
        });
        match done.await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let _ = self.process.kill().await;
                Err(self.death(during).await)
            }
            Err(GuestError::Qmp { source: harness_qmp::Error::Closed { .. }, .. }) => Err(self.death(during).await),
            Err(error) => Err(error),
        }
    }

    /// One QMP command, by name.
    pub(super) async fn command(
        &self,
        during: &'static str,
        name: &str,
        arguments: serde_json::Value,
    ) -> Result<serde_json::Value, GuestError> {
        self.qmp.execute_raw(name, arguments, QMP_DEADLINE).await.map_err(|source| GuestError::Qmp { during, source })
    }

    pub(super) async fn hmp(&self, during: &'static str, line: &str) -> Result<String, GuestError> {
        self.qmp.hmp(line, QMP_DEADLINE).await.map_err(|source| GuestError::Qmp { during, source })
    }

    /// Waits for an event that `wanted` makes something of.
    async fn until<T>(
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

    /// The agent's next word. Lines that are none of its words are passed over; a word that reports an error is one.
    ///
    /// `awaited` is for the error when it does not come within `deadline`, or when the guest ends before.
    pub async fn word(&mut self, awaited: &'static str, deadline: Duration) -> Result<Word, GuestError> {
        let (agent, events) = (&mut self.agent, &mut self.events);
        let said = within(deadline, async {
            loop {
                tokio::select! {
                    // The agent first: what it said before the guest's end counts, however late we come to read it.
                    biased;
                    line = agent.next() => match line.map(|line| Word::parse(&line)) {
                        Some(Some(word)) => return Said::Word(word),
                        Some(None) => (),
                        None => return Said::Died,
                    },
                    event = events.next() => match event {
                        Ok(event) if event.name == "SHUTDOWN" => return Said::Ended,
                        Ok(_) => (),
                        Err(_) => return Said::Died,
                    },
                }
            }
        })
        .await;
        match said {
            Some(Said::Word(Word::Error(text))) => Err(GuestError::Agent(text)),
            Some(Said::Word(word)) => {
                if let Word::Ready { page, .. } = word {
                    self.page = Some(page);
                }
                Ok(word)
            }
            Some(Said::Died) => Err(self.death("waiting for the guest's agent").await),
            Some(Said::Ended) => Err(GuestError::EndedEarly { awaited, console: self.console_tail().await }),
            None => Err(GuestError::Silent { awaited, after: deadline, console: self.console_tail().await }),
        }
    }

    /// Asks QEMU which host thread runs each vCPU, for [`Waited`]. Costs one round trip.
    pub async fn find_threads(&mut self) -> Result<(), GuestError> {
        let cpus = self.command("asking for the vCPUs", "query-cpus-fast", json!({})).await?;
        let cpus = cpus.as_array().map(Vec::as_slice).unwrap_or_default();
        self.threads = cpus.iter().filter_map(|cpu| cpu.get("thread-id")?.as_i64()).collect();
        Ok(())
    }

    /// How long the vCPUs have run, and waited for a processor of the host, so far.
    pub fn waited(&self) -> Option<Waited> {
        Waited::read(self.process.id()?, &self.threads)
    }

    /// Waits for the guest's end, at most until the deadline.
    pub async fn end(&mut self, deadline: Duration) -> Result<End, GuestError> {
        let events = &mut self.events;
        let ended = within(deadline, async {
            loop {
                match events.next().await {
                    Ok(event) if event.name == "SHUTDOWN" => {
                        let reason = event.data.get("reason").and_then(|reason| reason.as_str());
                        return Ok(End::Ended(reason.unwrap_or("unknown").to_owned()));
                    }
                    Ok(_) => (),
                    Err(source) => return Err(source),
                }
            }
        })
        .await;
        match ended {
            None => Ok(End::Deadline),
            Some(Ok(end)) => Ok(end),
            Some(Err(harness_qmp::Error::Closed { .. })) => Err(self.death("the guest was running").await),
            Some(Err(source)) => Err(GuestError::Qmp { during: "waiting for the guest's end", source }),
        }
    }

    /// The registers of every vCPU, as QEMU's monitor shows them: where a hung guest stands.
    pub async fn registers(&self) -> Result<String, GuestError> {
        self.hmp("reading the registers of a hung guest", "info registers -a").await
    }

    /// Reads crashlab's page from the guest's memory; empty if the guest has not told where it is.
    async fn read_page(&self) -> Result<Vec<u8>, GuestError> {
        let during = "reading crashlab's page";
        let Some(page) = self.page else { return Ok(Vec::new()) };
        // The address comes from the guest: outside of its RAM there may be a device that minds being read.
        if !page.is_multiple_of(PAGE_BYTES) || page.checked_add(PAGE_BYTES).is_none_or(|end| end > self.memory) {
            return Err(GuestError::Agent(format!(
                "it says that crashlab's page is at {page:#x}, which is not in its RAM"
            )));
        }
        let file = self.workdir.join("page");
        let arguments = json!({"val": page, "size": PAGE_BYTES, "filename": file});
        self.command(during, "pmemsave", arguments).await?;
        read(&file, PAGE_BYTES)
    }

    /// Stops QEMU for good and collects what is left. The console is complete then: the socket is read to its end.
    pub async fn remains(mut self) -> Result<Remains, GuestError> {
        let waited = self.waited();
        let page = self.read_page().await?;
        self.process.kill().await.map_err(io("kill QEMU"))?;
        let console = self.console.await.unwrap_or_default().into_bytes();
        let stderr = self.stderr.await.unwrap_or_default().into_bytes();
        Ok(Remains { console, stderr, erst: read(&self.workdir.join("erst"), ERST_BYTES)?, page, waited })
    }

    async fn death(&mut self, during: &'static str) -> GuestError {
        let status = within(QMP_DEADLINE, self.process.wait()).await;
        let stderr = std::mem::replace(&mut self.stderr, tokio::spawn(async { Captured::default() }));
        described_death(status, stderr, during).await
    }

    async fn console_tail(&mut self) -> String {
        let _ = self.process.kill().await;
        let console = std::mem::replace(&mut self.console, tokio::spawn(async { Captured::default() }));
        last_lines(&console.await.unwrap_or_default().into_bytes(), 25)
    }
}

/// What came while the agent's word was waited for.
enum Said {
    Word(Word),
    Ended,
    Died,
}

/// The files of a guest's that every trial has of its own.
struct OwnFiles<'a> {
    erst: &'a Path,
    directives: &'a Path,
}

impl<'a> OwnFiles<'a> {
    fn with(&self, kernel: &'a Path, initramfs: &'a Path, ram: Ram<'a>) -> Files<'a> {
        Files { kernel, initramfs, erst: self.erst, directives: self.directives, ram }
    }
}

async fn died(mut process: Process, stderr: JoinHandle<Captured>, during: &'static str) -> GuestError {
    let status = within(QMP_DEADLINE, process.wait()).await;
    described_death(status, stderr, during).await
}

async fn described_death(
    status: Option<io::Result<std::process::ExitStatus>>,
    stderr: JoinHandle<Captured>,
    during: &'static str,
) -> GuestError {
    let Some(Ok(status)) = status else {
        return GuestError::Died { status: "its sockets are closed".into(), during, stderr: String::new() };
    };
    let said = last_lines(&stderr.await.unwrap_or_default().into_bytes(), 10);
    let stderr = if said.is_empty() { said } else { format!(":\n{said}") };
    GuestError::Died { status: status.to_string(), during, stderr }
}

/// The last lines of what a guest or QEMU wrote, made safe for a message.
fn last_lines(bytes: &[u8], count: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.lines().map(|line| line.replace(|c: char| c.is_control(), "")).collect();
    lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
}

async fn within<T>(deadline: Duration, future: impl Future<Output = T>) -> Option<T> {
    timeout(deadline, future).await.ok()
}

fn padded(directives: &str) -> Result<Vec<u8>, GuestError> {
    let mut bytes = directives.as_bytes().to_vec();
    if bytes.len() > DIRECTIVES_BYTES {
        return Err(GuestError::Directives(bytes.len()));
    }
    bytes.resize(DIRECTIVES_BYTES, b'\n');
    Ok(bytes)
}

/// Our end, for the runtime, and QEMU's.
fn pair() -> Result<(UnixStream, OwnedFd), GuestError> {
    let what = "make a socket for QEMU";
    let (ours, theirs) = StdStream::pair().map_err(io(what))?;
    ours.set_nonblocking(true).map_err(io(what))?;
    Ok((UnixStream::from_std(ours).map_err(io(what))?, theirs.into()))
}

pub(super) fn create(path: &Path, bytes: u64) -> Result<(), GuestError> {
    std::fs::File::create_new(path)
        .and_then(|file| file.set_len(bytes))
        .map_err(io(&format!("create {}", path.display())))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), GuestError> {
    std::fs::write(path, bytes).map_err(io(&format!("write {}", path.display())))
}

fn copy(from: &Path, to: &Path) -> Result<(), GuestError> {
    std::fs::copy(from, to).map(drop).map_err(io(&format!("copy {} to {}", from.display(), to.display())))
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, GuestError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(io(&format!("read {}", path.display())))?;
    Ok(bytes)
}

pub(super) fn io(what: &str) -> impl FnOnce(io::Error) -> GuestError {
    let what = what.to_owned();
    move |source| GuestError::Io { what, source }
}
