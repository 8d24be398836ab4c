//! Where a guest's pstore keeps the log, and how large it is there.

use serde::{Deserialize, Serialize};

/// The back end that a guest's pstore writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The firmware's record store, which QEMU's `acpi-erst` keeps in a file.
    #[default]
    Erst,
    /// A part of memory that a reset leaves alone.
    Ramoops(Ramoops),
}

/// The sizes of ramoops' zones, as its parameters tell them to the kernel. There is no zone for ftrace.
///
/// Sizes of zones are powers of two, which the kernel would otherwise make of them (`ramoops_probe()`,
/// `fs/pstore/ram.c`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ramoops {
    /// Bytes of a zone for one dump.
    pub record: u32,
    /// How many of them there are.
    pub records: u32,
    /// Bytes of the zone for the console's output; 0: none.
    pub console: u32,
    /// Bytes of the zone for what user space writes to `/dev/pmsg0`; 0: none.
    pub pmsg: u32,
    /// Parity bytes of each block of 128; 0: no ECC.
    pub ecc: u32,
}

impl Default for Ramoops {
    fn default() -> Self {
        Self { record: 64 << 10, records: 4, console: 64 << 10, pmsg: 0, ecc: 0 }
    }
}

impl Ramoops {
    /// Bytes of all zones together.
    pub fn bytes(&self) -> u64 {
        u64::from(self.record) * u64::from(self.records) + u64::from(self.console) + u64::from(self.pmsg)
    }
}

impl Backend {
    /// Whether it keeps the console's output too.
    pub const fn has_console(&self) -> bool {
        matches!(self, Self::Ramoops(Ramoops { console: 1.., .. }))
    }
}
