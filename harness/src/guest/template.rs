//! A guest booted once, saved when its agent waits, and restored for every trial: 50 ms instead of seconds.
//!
//! The RAM lies in a file that the guest wrote while it booted; a restored guest maps it copy-on-write, so that nothing
//! is copied and nothing a trial does is seen by the next. The rest of the machine (some 300 kB) is a migration stream.
//! Three things are not in it:
//!
//! - the `fw_cfg` item with the directives: a restored guest reads the new process's, which is how a trial gets its
//!   own;
//! - the ERST's file, of which every trial gets a copy as it was when the machine was saved;
//! - the PCI state of `acpi-erst`, which QEMU (7.2 to 10.0, seen) does not migrate: without its BARs the guest's writes
//!   go nowhere and every record is silently lost. They are read when saving and written back through the configuration
//!   ports.

use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::net::UnixListener;

use super::agent::AgentMessage;
use super::error::GuestError;
use super::hooks::Hooks;
use super::log::LogPlace;
use super::machine::{Machine, Ram};
use super::running::{Guest, QMP_DEADLINE, Ready, within};
use super::start::{Given, Start, create};
use super::trace::Tracing;
use crate::locked::{lock, remove_if_abandoned};

/// A saved machine, ready to be restored any number of times.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Template {
    #[serde(skip)]
    dir: PathBuf,
    /// Eight hex digits that follow from the saved machine.
    pub digest: String,
    /// The kernel it was booted with.
    pub kernel: PathBuf,
    /// The initramfs it was booted with.
    pub initramfs: PathBuf,
    /// The words of its command line.
    pub append: Vec<String>,
    /// The kernel's release, as the guest told it.
    pub release: String,
    /// The kernel's ELF notes, as the guest told them.
    pub notes: Vec<u8>,
    /// Where crashlab is.
    pub(super) ready: Ready,
    /// Where the kernel's log is, or why that is not known.
    pub(super) log: Result<LogPlace, String>,
    /// What the guest told of itself, if it was booted with the tracer.
    pub hooks: Option<Hooks>,
    pub(crate) erst_pci: ErstPci,
}

/// Where the guest had put the ERST's registers when it was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErstPci {
    bus: u8,
    slot: u8,
    function: u8,
    bars: [u32; 2],
}

/// Why there is no template.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// The guest did not get as far as its agent.
    #[error("boot the guest that trials are restored from: {0}")]
    Boot(#[source] GuestError),
    /// It could not be saved.
    #[error("save the guest that trials are restored from: {0}")]
    Save(#[source] GuestError),
    /// QEMU does not list the ERST among the PCI devices.
    #[error("save the guest that trials are restored from: its ERST has no registers in PCI memory")]
    NoErst,
    /// The template's own description is not to be read or written.
    #[error("{what} {}: {source}", path.display())]
    Description {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// What the folder of a template that is being made is called, besides letters of chance.
const STAGED: &str = ".new-";

/// A folder that nobody has locked for so long is no longer being made: it is locked right after it was.
const ABANDONED_AFTER: Duration = Duration::from_secs(600);

/// Removes what harnesses that were killed have left of templates; each is as large as a guest's RAM. What cannot be
/// removed is left.
fn remove_abandoned(parent: &Path, after: Duration) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let staged = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(STAGED));
        let age = path.metadata().and_then(|meta| meta.modified()).ok().and_then(|time| time.elapsed().ok());
        if staged && age.is_some_and(|age| age >= after) {
            let _ = remove_if_abandoned(&path);
        }
    }
}

impl Template {
    /// Boots a guest and saves it in `dir`, which appears only when it is complete. What is peculiar to this boot is drawn
    /// from `boot`.
    pub async fn create(
        machine: &Machine,
        (kernel, initramfs, append): (&Path, &Path, &[String]),
        dir: &Path,
        boot: u64,
        boot_deadline: Duration,
        tracing: Option<&Tracing<'_>>,
    ) -> Result<Self, TemplateError> {
        let parent = dir.parent().unwrap_or(dir);
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |source| TemplateError::Description { what, path, source }
        };
        std::fs::create_dir_all(parent).map_err(failed("create", parent))?;
        remove_abandoned(parent, ABANDONED_AFTER);
        let staged = tempfile::Builder::new().prefix(STAGED).tempdir_in(parent).map_err(failed("create", parent))?;
        // Held until it is complete; the kernel gives it up with a harness that is killed.
        let _lock = lock(staged.path()).ok();
        let ram = staged.path().join("ram");
        create(&ram, u64::from(machine.memory_mib) << 20).map_err(TemplateError::Boot)?;
        let start = Start::Boot { kernel, initramfs, append, ram: Ram::Shared(&ram), erst: None };
        let given = Given { boot: Some(boot), ..Given::default() };
        let mut guest =
            Guest::start(machine, start, given, staged.path(), None, tracing).await.map_err(TemplateError::Boot)?;
        let (release, notes, ready) = match guest.message("ready", boot_deadline).await.map_err(TemplateError::Boot)? {
            AgentMessage::Ready { release, notes, page, mapped, code, vmcoreinfo } => {
                (release, notes, Ready { page, mapped, code, vmcoreinfo })
            }
            other => return Err(TemplateError::Boot(GuestError::Agent(format!("it said {other:?} first")))),
        };
        match guest.message("settled", boot_deadline).await.map_err(TemplateError::Boot)? {
            AgentMessage::Settled => (),
            other => return Err(TemplateError::Boot(GuestError::Agent(format!("it said {other:?} after `ready`")))),
        }
        guest.find_log().await;
        let hooks = match tracing {
            Some(tracing) => Some(guest.hooks(tracing.lists).await.map_err(TemplateError::Save)?),
            None => None,
        };
        let pci =
            guest.command("reading the PCI devices", "query-pci", Value::Null).await.map_err(TemplateError::Save)?;
        let erst_pci = ErstPci::find(&pci).ok_or(TemplateError::NoErst)?;
        let log = guest.log.clone();
        let state = staged.path().join("state");
        guest.save(&state).await.map_err(TemplateError::Save)?;
        guest.collect().await.map_err(TemplateError::Save)?;

        let digest = format!("{:x}", Sha256::digest(std::fs::read(&state).map_err(failed("read", &state))?));
        let mut template = Self {
            dir: staged.path().to_owned(),
            digest: digest.chars().take(8).collect(),
            kernel: kernel.to_owned(),
            initramfs: initramfs.to_owned(),
            append: append.to_owned(),
            release,
            notes,
            ready,
            log,
            hooks,
            erst_pci,
        };
        let description = staged.path().join("template.json");
        let text = serde_json::to_vec_pretty(&template).map_err(|e| failed("describe", &description)(e.into()))?;
        std::fs::write(&description, text).map_err(failed("write", &description))?;
        if std::fs::rename(staged.path(), dir).is_err() {
            // Another harness was faster, and its guests may run from what it made: that one is used. Something broken
            // in the way is replaced.
            if let Some(theirs) = Self::open(dir) {
                return Ok(theirs);
            }
            let _ = std::fs::remove_dir_all(dir);
            std::fs::rename(staged.path(), dir).map_err(failed("move the template to", dir))?;
        }
        dir.clone_into(&mut template.dir);
        Ok(template)
    }

    /// The template in `dir`, or `None` if there is none, or one that cannot be read: it is then made anew.
    pub fn open(dir: &Path) -> Option<Self> {
        let text = std::fs::read(dir.join("template.json")).ok()?;
        let mut template: Self = serde_json::from_slice(&text).ok()?;
        dir.clone_into(&mut template.dir);
        let complete = [template.ram(), template.state(), template.erst()];
        complete.iter().all(|file| file.is_file()).then_some(template)
    }

    pub(crate) fn ram(&self) -> PathBuf {
        self.dir.join("ram")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.join("state")
    }

    /// Where QEMU finds the saved state, as a migration's address; `fd`: the file, open in QEMU.
    pub(crate) fn address(&self, machine: &Machine, fd: RawFd) -> String {
        if machine.loads_by_name { format!("file:{}", self.state().display()) } else { format!("fd:{fd}") }
    }

    pub(crate) fn erst(&self) -> PathBuf {
        self.dir.join("erst")
    }
}

impl ErstPci {
    /// `acpi-erst`, in QEMU's `include/hw/pci/pci.h`: Red Hat's vendor id and `PCI_DEVICE_ID_REDHAT_ACPI_ERST`.
    const ID: (u64, u64) = (0x1b36, 0x0012);
    /// `PCI_COMMAND_MEMORY`: the device answers in memory space, which is all it does.
    const COMMAND: u32 = 2;

    /// Finds the device in the answer of `query-pci`.
    fn find(pci: &Value) -> Option<Self> {
        let mut devices = pci.as_array()?.iter().filter_map(|bus| bus.get("devices")?.as_array()).flatten();
        let device = devices.find(|device| {
            let id = |name| device.get("id").and_then(|id| id.get(name)).and_then(Value::as_u64);
            (id("vendor"), id("device")) == (Some(Self::ID.0), Some(Self::ID.1))
        })?;
        let number = |name| device.get(name).and_then(Value::as_u64).and_then(|n| u8::try_from(n).ok());
        let bar = |index: u64| {
            let regions = device.get("regions")?.as_array()?;
            let region = regions.iter().find(|region| region.get("bar").and_then(Value::as_u64) == Some(index))?;
            region.get("address")?.as_u64().and_then(|address| u32::try_from(address).ok()).filter(|at| *at != 0)
        };
        Some(Self {
            bus: number("bus")?,
            slot: number("slot")?,
            function: number("function")?,
            bars: [bar(0)?, bar(1)?],
        })
    }

    /// Whether the device is there as it was, by the answer of `query-pci`.
    pub(super) fn is_in(self, pci: &Value) -> bool {
        Self::find(pci) == Some(self)
    }

    /// Monitor commands that write the registers back, by PCI configuration mechanism 1.
    pub(crate) fn restoring_commands(self) -> [String; 6] {
        let device =
            0x8000_0000 | u32::from(self.bus) << 16 | u32::from(self.slot) << 11 | u32::from(self.function) << 8;
        let select = |register: u32| format!("o/w 0xcf8 {:#x}", device | register);
        let write = |value: u32| format!("o/w 0xcfc {value:#x}");
        [select(0x10), write(self.bars[0]), select(0x14), write(self.bars[1]), select(0x04), write(Self::COMMAND)]
    }
}

impl Guest {
    /// Saves all of a running machine but the RAM, which lies in its file already, to `file`, and leaves it stopped. It
    /// is saved as running, so that it runs on by itself when it is restored.
    async fn save(&mut self, file: &Path) -> Result<(), GuestError> {
        let during = "saving the guest";
        self.only_devices(during, true).await?;
        // A socket, because QEMU's sandbox lets it neither run a program nor, before 8.2, migrate to a file by name; in
        // a folder with a short name, because a socket's name may have 107 bytes only.
        let folder = tempfile::tempdir().map_err(GuestError::io("create a folder for a socket"))?;
        let name = folder.path().join("state");
        let socket = UnixListener::bind(&name).map_err(GuestError::io("listen for the saved state"))?;
        self.command(during, "migrate", json!({"uri": format!("unix:{}", name.display())})).await?;
        let copied = async {
            let (mut stream, _) = socket.accept().await?;
            let mut file = tokio::fs::File::create(file).await?;
            tokio::io::copy(&mut stream, &mut file).await?;
            file.sync_all().await
        };
        let (copied, migrated) = tokio::join!(within(QMP_DEADLINE, copied), self.migrated(during));
        migrated?;
        copied.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())).map_err(GuestError::io("write the saved state"))
    }

    /// Waits for the end of a migration.
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
            Err(error) => Err(self.or_death(error, during).await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query_pci(bar1: u64) -> Value {
        json!([{"bus": 0, "devices": [
            {"bus": 0, "slot": 0, "function": 0, "id": {"vendor": 0x8086, "device": 0x29c0}, "regions": []},
            {"bus": 0, "slot": 2, "function": 0, "id": {"vendor": 0x1b36, "device": 0x0012}, "regions": [
                {"bar": 0, "type": "memory", "address": 0xfebf_c000_u64, "size": 16},
                {"bar": 1, "type": "memory", "address": bar1, "size": 8192}]}]}])
    }

    #[test]
    fn the_ersts_registers_are_written_back() {
        let erst = ErstPci::find(&query_pci(0xfebf_a000)).expect("it is there");
        assert_eq!(
            erst.restoring_commands(),
            [
                "o/w 0xcf8 0x80001010",
                "o/w 0xcfc 0xfebfc000",
                "o/w 0xcf8 0x80001014",
                "o/w 0xcfc 0xfebfa000",
                "o/w 0xcf8 0x80001004",
                "o/w 0xcfc 0x2"
            ]
        );
    }

    #[test]
    fn only_abandoned_templates_are_removed() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = |name: &str| {
            let path = parent.path().join(name);
            std::fs::create_dir(&path).expect("there is room");
            path
        };
        let (complete, abandoned, worked_on) = (folder("0123"), folder(".new-a"), folder(".new-b"));
        let held = lock(&worked_on).expect("nobody else has it");
        remove_abandoned(parent.path(), Duration::from_secs(600));
        assert!(abandoned.is_dir(), "too young");
        remove_abandoned(parent.path(), Duration::ZERO);
        assert!(complete.is_dir() && worked_on.is_dir() && !abandoned.exists());
        drop(held);
        remove_abandoned(parent.path(), Duration::ZERO);
        assert!(!worked_on.exists());
    }

    #[test]
    fn registers_elsewhere_are_noticed() {
        let erst = ErstPci::find(&query_pci(0xfebf_a000)).expect("it is there");
        assert!(erst.is_in(&query_pci(0xfebf_a000)));
        assert!(!erst.is_in(&query_pci(0xfebf_b000)) && !erst.is_in(&query_pci(0)));
    }

    #[test]
    fn a_machine_without_usable_registers_is_refused() {
        assert_eq!(ErstPci::find(&query_pci(0)), None);
        assert_eq!(ErstPci::find(&json!([])), None);
        assert_eq!(ErstPci::find(&json!("nonsense")), None);
    }
}
