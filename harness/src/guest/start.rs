//! From nothing to a running guest: booted from its first instruction, or restored from a template.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::time::Duration;

use harness_qmp::Qmp;
use serde_json::{Value, json};
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::process::Command;

use super::agent::Lines;
use super::capture::Port;
use super::console::Console;
use super::death::died;
use super::drain::{Captured, drain};
use super::error::{DIRECTIVES_BYTES, GuestError};
use super::machine::{Descriptors, ENVIRONMENT, ERST_BYTES, Files, Machine, Ram};
use super::process::Process;
use super::running::{Guest, QMP_DEADLINE, Watch};
use super::template::Template;
use super::trace::{Memory, Tracing};

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
        /// Where its RAM is: written through to a file if the machine will be saved, copied from one if something is to
        /// lie in it beforehand.
        ram: Ram<'a>,
        /// The record store to begin with, which is copied; an empty one if there is none.
        erst: Option<&'a Path>,
    },
    /// From a saved machine.
    Restore(&'a Template),
}

/// What one guest is given, besides what it starts from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// What its agent is told. Without directives the agent waits for them: such a guest is there to be saved.
    pub directives: Option<&'a str>,
    /// What the agent draws the peculiarities of this boot from, if it is to draw any.
    pub boot: Option<u64>,
    /// In virtual time: how long a vCPU's turn may last, in the guest's time; if none is given, as long as QEMU likes.
    pub turn: Option<Duration>,
}

impl Guest {
    /// Starts a guest whose own files are in `workdir`, an empty private folder, and lets it run.
    ///
    /// A restored guest is asked for everything at once and runs as soon as its state is loaded, perhaps after this
    /// returns: a state that cannot be loaded ends QEMU, which whoever waits for the guest then learns.
    pub async fn start(
        machine: &Machine,
        start: Start<'_>,
        given: Given<'_>,
        workdir: &Path,
        watch: Option<Watch>,
        tracing: Option<&Tracing<'_>>,
    ) -> Result<Self, GuestError> {
        let (erst, told) = (workdir.join("erst"), workdir.join("directives"));
        std::fs::write(&told, padded(given.directives.unwrap_or(""))?)
            .map_err(GuestError::io(&format!("write {}", told.display())))?;
        let tracer = tracing.map(|tracing| tracing.plugin);
        let own = OwnFiles { erst: &erst, directives: &told, tracer, boot: given.boot, turn: given.turn };
        let restored = matches!(start, Start::Restore(_));
        let what = "make the tracer's memory";
        let memory = tracing.map(|tracing| Memory::new(tracing, restored)).transpose().map_err(GuestError::io(what))?;
        match start {
            Start::Boot { kernel, initramfs, append, ram, erst: records } => {
                match records {
                    Some(records) => copy(records, &erst)?,
                    None => create(&erst, ERST_BYTES)?,
                }
                let files = own.with(kernel, initramfs, ram);
                let guest = Self::launch(machine, &files, append, None, workdir, watch, memory).await?;
                guest.command("letting the guest run", "cont", Value::Null).await?;
                Ok(guest)
            }
            Start::Restore(template) => {
                copy(&template.erst(), &erst)?;
                let ram = template.ram();
                let state = template.state();
                let state =
                    std::fs::File::open(&state).map_err(GuestError::io(&format!("open {}", state.display())))?;
                let files = own.with(&template.kernel, &template.initramfs, Ram::CopyOnWrite(&ram));
                let fd = state.as_raw_fd();
                let mut guest =
                    Self::launch(machine, &files, &template.append, Some(state.into()), workdir, watch, memory).await?;
                (guest.ready, guest.erst_pci) = (Some(template.ready), Some(template.erst_pci));
                guest.log.clone_from(&template.log);
                guest.restore(template, &template.address(machine, fd)).await?;
                Ok(guest)
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
        trace: Option<Memory>,
    ) -> Result<Self, GuestError> {
        let (qmp, qmp_theirs) = pair()?;
        let (agent, agent_theirs) = pair()?;
        let port = machine.crashkernel_mib.map(|_| pair()).transpose()?;
        let (port, port_theirs) = port.map_or((None, None), |(ours, theirs)| (Some(Port::new(ours)), Some(theirs)));
        let (console, console_theirs) = Console::new(watch).map_err(GuestError::io("make a pipe for QEMU"))?;
        let what = "hand the tracer's memory to QEMU";
        let traced = trace.as_ref().map(Memory::descriptor).transpose().map_err(GuestError::io(what))?;
        let descriptors = Descriptors {
            qmp: qmp_theirs.as_raw_fd(),
            console: console_theirs.as_raw_fd(),
            agent: agent_theirs.as_raw_fd(),
            port: port_theirs.as_ref().map(OwnedFd::as_raw_fd),
            trace: traced.as_ref().map(OwnedFd::as_raw_fd),
            restored: state.is_some(),
        };
        let mut command = Command::new(&machine.qemu);
        command.args(machine.arguments(files, descriptors, append)).envs(ENVIRONMENT).current_dir(workdir);
        let inherited: Vec<OwnedFd> = [qmp_theirs, console_theirs, agent_theirs]
            .into_iter()
            .chain(port_theirs)
            .chain(state)
            .chain(traced)
            .collect();
        let mut process = Process::start(command, &inherited)
            .map_err(GuestError::io(&format!("start {}", machine.qemu.display())))?;
        // Our copies of QEMU's ends: open, they would keep the sockets alive when QEMU is dead.
        drop(inherited);

        let (console_over, printing) = (console.over(), console.printing());
        let console = tokio::spawn(console.read());
        let stderr = process.take_stderr();
        let stderr = tokio::spawn(async move {
            match stderr {
                Some(stderr) => drain(stderr).await,
                None => Captured::default(),
            }
        });
        match Qmp::connect(qmp, QMP_DEADLINE).await {
            Ok((qmp, events)) => Ok(Self {
                process,
                qmp,
                events,
                console,
                console_over,
                printing,
                stderr,
                agent: Lines::new(BufReader::new(agent)),
                port,
                capture_console: Captured::default(),
                capture_times: Vec::new(),
                workdir: workdir.to_owned(),
                ready: None,
                log: Err("nobody has looked where it is".to_owned()),
                ended: false,
                erst_pci: None,
                trace,
                cpus: machine.cpus,
                memory: u64::from(machine.memory_mib) << 20,
                pstore: machine.pstore,
            }),
            Err(harness_qmp::Error::Closed { .. }) => Err(died(process, stderr, "it was being started").await),
            Err(source) => Err(GuestError::Qmp { during: "greeting QEMU", source }),
        }
    }

    /// Asks for what QEMU does not restore, for the saved state, and for the guest to run then; in one go, because each
    /// answer that is waited for costs as much as the work.
    ///
    /// The ERST's PCI registers are no part of the saved state, which is why they can be set before it is loaded.
    async fn restore(&mut self, template: &Template, state: &str) -> Result<(), GuestError> {
        let during = "restoring the guest";
        let registers = template.erst_pci.restoring_commands();
        let pci = async {
            let [bar0, to0, bar1, to1, command, to] = registers.each_ref().map(|line| self.hmp(during, line));
            tokio::try_join!(biased; bar0, to0, bar1, to1, command, to)
        };
        let done = tokio::try_join!(
            biased;
            self.only_devices(during, false),
            pci,
            self.command(during, "migrate-incoming", json!({"uri": state})),
            self.command(during, "cont", Value::Null),
        );
        match done {
            Ok(_) => Ok(()),
            Err(error) => Err(self.or_death(error, during).await),
        }
    }
}

/// What every guest has of its own.
struct OwnFiles<'a> {
    erst: &'a Path,
    directives: &'a Path,
    tracer: Option<&'a Path>,
    boot: Option<u64>,
    turn: Option<Duration>,
}

impl<'a> OwnFiles<'a> {
    fn with(&self, kernel: &'a Path, initramfs: &'a Path, ram: Ram<'a>) -> Files<'a> {
        let Self { erst, directives, tracer, boot, turn } = *self;
        Files { kernel, initramfs, erst, directives, ram, tracer, boot, turn }
    }
}

/// The text of the item that the agent reads.
pub(crate) fn padded(directives: &str) -> Result<Vec<u8>, GuestError> {
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
    let (ours, theirs) = StdStream::pair().map_err(GuestError::io(what))?;
    ours.set_nonblocking(true).map_err(GuestError::io(what))?;
    Ok((UnixStream::from_std(ours).map_err(GuestError::io(what))?, theirs.into()))
}

pub(super) fn create(path: &Path, bytes: u64) -> Result<(), GuestError> {
    std::fs::File::create_new(path)
        .and_then(|file| file.set_len(bytes))
        .map_err(GuestError::io(&format!("create {}", path.display())))
}

fn copy(from: &Path, to: &Path) -> Result<(), GuestError> {
    std::fs::copy(from, to).map(drop).map_err(GuestError::io(&format!("copy {} to {}", from.display(), to.display())))
}
