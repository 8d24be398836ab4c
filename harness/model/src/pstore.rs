//! Where a guest's pstore keeps the log, and how large it is there.

use schemars::JsonSchema;
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
    /// Variables of EFI firmware, which keeps them in flash.
    Efi(Efi),
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

/// The store in which firmware keeps EFI variables, and what is in it before the guest boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Efi {
    /// How large it is.
    pub store: EfiStore,
    /// Bytes that variables of others take in it, besides those that the firmware makes itself.
    pub used: u32,
    /// Dumps of earlier boots in it.
    pub dumps: u32,
    /// Bytes of a variable's data at most (`efi_pstore.record_size`).
    pub record: u32,
    /// Whether its flash cannot be written. The firmware then keeps variables in memory, and tells the kernel that all is well.
    pub read_only: bool,
}

/// The size of a store, which the build of the firmware decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EfiStore {
    /// 56 KiB, of a build of 2 MiB.
    Small,
    /// 256 KiB, of a build of 4 MiB.
    #[default]
    Large,
}

impl Efi {
    /// What the kernel takes for [`Self::record`] if it is told nothing (`EFIVARS_DATA_SIZE_MAX`).
    pub const RECORD: u32 = 1 << 10;
}

impl Default for Efi {
    fn default() -> Self {
        Self { store: EfiStore::default(), used: 0, dumps: 0, record: Self::RECORD, read_only: false }
    }
}

impl EfiStore {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// As files name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
        }
    }
}

impl Backend {
    /// What there is, by its name alone.
    pub const NAMES: [&str; 3] = ["erst", "ramoops", "efi"];

    /// The one of this name, as it is if nothing else is said.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "erst" => Some(Self::Erst),
            "ramoops" => Some(Self::Ramoops(Ramoops::default())),
            "efi" => Some(Self::Efi(Efi::default())),
            _ => None,
        }
    }

    /// The store of EFI variables, if it writes to one.
    pub const fn efi(&self) -> Option<&Efi> {
        match self {
            Self::Efi(efi) => Some(efi),
            Self::Erst | Self::Ramoops(_) => None,
        }
    }

    /// Whether it keeps the console's output too.
    pub const fn has_console(&self) -> bool {
        matches!(self, Self::Ramoops(Ramoops { console: 1.., .. }))
    }
}
