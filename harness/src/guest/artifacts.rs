//! What is read of a guest, as bytes: at one moment while it runs, and once it has ended.

use std::io;
use std::time::{Duration, Instant};

use harness_protocol::Workload;

use super::agent::Exit;
use super::error::GuestError;
use super::frames::FrameDump;
use super::log::LogMemory;
use super::machine::RAMOOPS_ADDRESS;
use super::monitor::Monitor;
use super::process::Waited;
use super::silence::Heard;
use crate::model::pstore::{Backend, Ramoops};

/// What was seen of a running guest at one moment, from outside; the guest does not notice.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// The guest's time, as [`super::Clock`] has it.
    pub guest_time: Duration,
    /// The number of bytes that have come on the console, and on a crash kernel's.
    pub printed: u64,
    /// When the last of them were read.
    pub printed_at: Option<Instant>,
    /// The memory shared with the tracer; empty without one.
    pub trace: Vec<u8>,
    /// crashlab's page.
    pub page: Vec<u8>,
    /// The vCPUs' registers, as QEMU's monitor shows them.
    pub registers: String,
    /// How much of the host's processors QEMU's threads got.
    pub waited: Option<Waited>,
}

impl Sample {
    /// What of it tells whether the guest goes on while something is awaited.
    pub const fn heard(&self) -> Heard {
        Heard { at: self.at, printed_at: self.printed_at, waited: self.waited }
    }
}

/// Everything that is read from a guest after its end. None of it is trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Artifacts {
    /// What `ttyS0` showed; of a flood, the beginning and the end.
    pub console: Vec<u8>,
    /// What `ttyS2` showed, if it has that; of a flood, the beginning and the end.
    pub earlycon: Option<Vec<u8>>,
    /// What its network card sent, if it has one.
    pub frames: Option<FrameDump>,
    /// What its crash kernel showed, if it has one.
    pub capture_console: Vec<u8>,
    /// When a crash kernel's first line was heard, when its agent was ready, and when nothing more was asked of it, in
    /// nanoseconds of the host's monotonic clock; only what happened.
    pub capture_times: Vec<(&'static str, u64)>,
    /// What QEMU itself complained about.
    pub stderr: Vec<u8>,
    /// The backing file of the ERST; empty where the machine has none.
    pub erst: Vec<u8>,
    /// What was there before the guest booted.
    pub before: StoredBefore,
    /// The zones of ramoops, if its pstore wrote there.
    pub ramoops: Option<RamoopsMemory>,
    /// The flash with its EFI variables, if it has EFI firmware.
    pub vars: Option<EfiVars>,
    /// The page shared with crashlab.
    pub page: Vec<u8>,
    /// The memory shared with the tracer; empty without one.
    pub trace: Vec<u8>,
    /// The kernel's log in its memory.
    pub log: LogMemory,
    /// How much of the host's processors QEMU's threads, the vCPUs above all, got.
    pub waited: Option<Waited>,
    /// What became of a program of the user's.
    pub workload: WorkloadLog,
}

/// What was heard of a program of the user's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkloadLog {
    /// The beginning of what it has written.
    pub output: Vec<u8>,
    /// How it ended, if its kernel lived until then.
    pub exit: Option<Exit>,
}

impl WorkloadLog {
    /// Takes what it has written.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = Workload::OUTPUT_BYTES.saturating_sub(self.output.len());
        self.output.extend(bytes.iter().take(room));
    }
}

/// What a guest's pstore found when it booted; of flash with EFI variables see [`EfiVars::since`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredBefore {
    /// The ids of the records in the ERST.
    pub records: Vec<u64>,
    /// The zones of ramoops; empty if there was nothing.
    pub zones: Vec<u8>,
}

/// Flash with EFI variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EfiVars {
    /// An image of it.
    pub bytes: Vec<u8>,
    /// Where in it what the guest itself has written begins: all before that was there when it began.
    pub since: usize,
}

/// The memory of ramoops, and what was told to the kernel of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RamoopsMemory {
    /// The sizes of the zones.
    pub zones: Ramoops,
    /// All zones.
    pub bytes: Vec<u8>,
}

impl RamoopsMemory {
    /// Reads the zones from the guest's memory, whether it runs or not; nothing if its pstore does not write there.
    pub(super) async fn read(monitor: &Monitor, pstore: &Backend) -> Result<Option<Self>, GuestError> {
        let during = "reading the zones of ramoops";
        let Backend::Ramoops(zones) = *pstore else { return Ok(None) };
        let bytes = zones.bytes();
        if !monitor.has_ram(RAMOOPS_ADDRESS, bytes) {
            let source = io::Error::other(format!("{bytes} bytes at {RAMOOPS_ADDRESS:#x} are not in the guest's RAM"));
            return Err(GuestError::Io { what: during.to_owned(), source });
        }
        let bytes = monitor.physical_memory(during, "ramoops", RAMOOPS_ADDRESS, bytes).await?;
        Ok(Some(Self { zones, bytes }))
    }
}
