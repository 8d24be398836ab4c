//! A guest booted once, saved when its agent waits, and restored for every trial: 50 ms instead of seconds.
//!
//! The RAM lies in a file that the guest wrote while it booted; a restored guest maps it copy-on-write, so that nothing
//! is copied and nothing a trial does is seen by the next. The rest of the machine (some 300 kB) is a migration stream.
//! Four things are not in it:
//!
//! - the `fw_cfg` item with the directives: a restored guest reads the new process's, which is how a trial gets its
//!   own;
//! - the ERST's file, of which every trial gets a copy as it was when the machine was saved;
//! - the file behind flash with EFI variables, likewise. The flash itself is in the stream, and QEMU writes it to the file
//!   when it loads that, unless the guest cannot write it;
//! - the PCI state of `acpi-erst`, which QEMU (7.2 to 10.0, seen) does not migrate: without its BARs the guest's writes
//!   go nowhere and every record is silently lost. They are read when saving and written back through the configuration
//!   ports.

use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::agent::CrashlabAddresses;
use super::error::GuestError;
use super::log::LogPlace;
use super::machine::Machine;
use super::monitor::Monitor;
use super::trace::Hooks;

/// The file of a template's folder that describes it.
pub(super) const DESCRIPTION: &str = "template.json";

/// What a template's files are called while its guest runs; afterwards its digest follows.
pub(super) const RAM: &str = "ram";
pub(super) const STATE: &str = "state";
pub(super) const ERST: &str = "erst";
pub(super) const VARS: &str = "vars";

/// A saved machine, ready to be restored any number of times.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Template {
    /// The folder that it is kept in.
    #[serde(skip)]
    pub(super) dir: PathBuf,
    /// Eight hex digits that follow from the saved machine. Its files are named after them: a harness whose template has
    /// been replaced by another boot of the same guest finds none, rather than files that its addresses do not fit.
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
    pub crashlab: CrashlabAddresses,
    /// How far above its link addresses the kernel runs, in bytes, if that is known.
    pub slide: Option<u64>,
    /// Where the kernel's log is, or why that is not known.
    pub(super) log: Result<LogPlace, String>,
    /// What the guest told of itself, if it was booted with the tracer.
    pub hooks: Option<Hooks>,
    /// Where the guest had put the ERST's registers, if its machine has one.
    pub(crate) erst_pci: Option<ErstPci>,
    /// Whether it has flash with EFI variables.
    pub(super) has_vars: bool,
}

/// Where the guest had put the ERST's registers when it was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErstPci {
    bus: u8,
    slot: u8,
    function: u8,
    bars: [u32; 2],
}

impl Template {
    /// The template in `dir`; `None` if there is none, or one that cannot be read: it is then made anew.
    pub fn open(dir: &Path) -> Option<Self> {
        let text = std::fs::read(dir.join(DESCRIPTION)).ok()?;
        let mut template: Self = serde_json::from_slice(&text).ok()?;
        dir.clone_into(&mut template.dir);
        template.is_complete().then_some(template)
    }

    /// Whether its files are still there.
    pub fn is_complete(&self) -> bool {
        self.kinds().all(|kind| self.file(kind).is_file())
    }

    pub(crate) fn ram(&self) -> PathBuf {
        self.file(RAM)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.file(STATE)
    }

    /// Where QEMU finds the saved state, as a migration's address; `fd`: the file, open in QEMU.
    pub(crate) fn address(&self, machine: &Machine, fd: RawFd) -> String {
        if machine.loads_by_name { format!("file:{}", self.state().display()) } else { format!("fd:{fd}") }
    }

    /// The backing file of the ERST, if it has one.
    pub(crate) fn erst(&self) -> Option<PathBuf> {
        self.erst_pci.map(|_| self.file(ERST))
    }

    /// The flash with EFI variables, if it has any.
    pub(crate) fn vars(&self) -> Option<PathBuf> {
        self.has_vars.then(|| self.file(VARS))
    }

    /// What its files are called while its guest runs.
    fn kinds(&self) -> impl Iterator<Item = &'static str> {
        [RAM, STATE].into_iter().chain(self.erst_pci.map(|_| ERST)).chain(self.has_vars.then_some(VARS))
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.dir.join(format!("{kind}-{}", self.digest))
    }

    /// Gives the files of a machine that has just been saved the names that follow from it.
    pub(super) fn name_files(&self) -> io::Result<()> {
        self.kinds().try_for_each(|kind| std::fs::rename(self.dir.join(kind), self.file(kind)))
    }
}

/// Asks for what QEMU does not restore, for the saved state at `address`, and for the guest to run then; in one go,
/// because each answer that is waited for costs as much as the work.
///
/// The ERST's PCI registers are no part of the saved state, which is why they can be set before it is loaded.
pub(super) async fn load(template: &Template, monitor: &Monitor, address: &str) -> Result<(), GuestError> {
    let during = "restoring the guest";
    let pci = async {
        let Some(erst) = template.erst_pci else { return Ok(()) };
        let registers = erst.restoring_commands();
        let [bar0, to0, bar1, to1, command, to] = registers.each_ref().map(|line| monitor.hmp(during, line));
        tokio::try_join!(biased; bar0, to0, bar1, to1, command, to).map(drop)
    };
    tokio::try_join!(
        biased;
        monitor.migrate_only_devices(during, false),
        pci,
        monitor.command(during, "migrate-incoming", json!({"uri": address})),
        monitor.command(during, "cont", Value::Null),
    )
    .map(drop)
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

    /// Where a guest has put the registers; `None` if they are not in PCI memory.
    pub(super) async fn read(monitor: &Monitor) -> Result<Option<Self>, GuestError> {
        Ok(Self::find(&monitor.command("reading the PCI devices", "query-pci", Value::Null).await?))
    }

    /// Whether the device is there as it was, by the answer of `query-pci`.
    fn is_in(self, pci: &Value) -> bool {
        Self::find(pci) == Some(self)
    }

    /// Checks that a restored guest has the registers where it needs them: otherwise it would have lost every record
    /// without a trace, and the kernel would be blamed.
    pub(super) async fn check(self, monitor: &Monitor) -> Result<(), GuestError> {
        let during = "checking the ERST's PCI registers";
        if self.is_in(&monitor.command(during, "query-pci", Value::Null).await?) {
            return Ok(());
        }
        let source = io::Error::other("they are not where the guest had put them before it was saved");
        Err(GuestError::Io { what: during.to_owned(), source })
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
