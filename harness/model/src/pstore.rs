//! Where a guest's pstore keeps the log, and how large it is there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The back end that a guest's pstore writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", from = "RecordedBackend", into = "RecordedBackend")]
pub enum Backend {
    /// The firmware's record store, which QEMU's `acpi-erst` keeps in a file.
    Erst(Erst),
    /// A part of memory that a reset leaves alone.
    Ramoops(Ramoops),
    /// Variables of EFI firmware, which keeps them in flash.
    Efi(Efi),
}

/// A back end as results have it: the record store by a word alone, as long as nothing is said of it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RecordedBackend {
    Erst,
    ErstStore(Erst),
    Ramoops(Ramoops),
    Efi(Efi),
}

impl From<Backend> for RecordedBackend {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Erst(erst) if erst == Erst::default() => Self::Erst,
            Backend::Erst(erst) => Self::ErstStore(erst),
            Backend::Ramoops(zones) => Self::Ramoops(zones),
            Backend::Efi(efi) => Self::Efi(efi),
        }
    }
}

impl From<RecordedBackend> for Backend {
    fn from(recorded: RecordedBackend) -> Self {
        match recorded {
            RecordedBackend::Erst => Self::default(),
            RecordedBackend::ErstStore(erst) => Self::Erst(erst),
            RecordedBackend::Ramoops(zones) => Self::Ramoops(zones),
            RecordedBackend::Efi(efi) => Self::Efi(efi),
        }
    }
}

/// The record store of the firmware, and what is in it before the guest boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Erst {
    /// How many records it has room for.
    pub records: u32,
    /// Records in it that pstore wrote in earlier boots, each a dump of one part.
    pub used: u32,
    /// Records of earlier boots in it that cannot be read: they end within their header.
    pub damaged: u32,
    /// Records in it that somebody else than pstore wrote.
    pub foreign: u32,
}

impl Erst {
    /// Bytes that one record has room for, its headers included; QEMU's default (`record_size` of `acpi-erst`).
    pub const RECORD: u32 = 8 << 10;
    /// How many records there is room for at most: as many as the header's own record has a map for.
    pub const MOST_RECORDS: u32 = 1000;

    /// How many records are there before the guest boots.
    pub const fn before(&self) -> u32 {
        self.used.saturating_add(self.damaged).saturating_add(self.foreign)
    }

    /// Bytes of the storage: the records, and one more for its header.
    pub fn bytes(&self) -> u64 {
        (u64::from(self.records) + 1) * u64::from(Self::RECORD)
    }
}

impl Default for Erst {
    /// Room for a dozen oopses of three parts each and the panic behind them. What is not written takes no room on the disk.
    fn default() -> Self {
        Self { records: 63, used: 0, damaged: 0, foreign: 0 }
    }
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
    /// How many of the zones for dumps hold one of an earlier boot before the guest boots.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub used: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Default for Ramoops {
    fn default() -> Self {
        Self { record: 64 << 10, records: 4, console: 64 << 10, pmsg: 0, ecc: 0, used: 0 }
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

impl Default for Backend {
    fn default() -> Self {
        Self::Erst(Erst::default())
    }
}

impl Backend {
    /// What there is, by its name alone.
    pub const NAMES: [&str; 3] = ["erst", "ramoops", "efi"];

    /// The one of this name, as it is if nothing else is said.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "erst" => Some(Self::default()),
            "ramoops" => Some(Self::Ramoops(Ramoops::default())),
            "efi" => Some(Self::Efi(Efi::default())),
            _ => None,
        }
    }

    /// The store of EFI variables, if it writes to one.
    pub const fn efi(&self) -> Option<&Efi> {
        match self {
            Self::Efi(efi) => Some(efi),
            Self::Erst(_) | Self::Ramoops(_) => None,
        }
    }

    /// The record store, which every machine has; as it is if nothing is said of it, where pstore writes elsewhere.
    pub fn erst(&self) -> Erst {
        match self {
            Self::Erst(erst) => *erst,
            Self::Ramoops(_) | Self::Efi(_) => Erst::default(),
        }
    }

    /// Whether something of earlier boots is in it before the guest boots, by what is put there from outside.
    pub const fn has_past(&self) -> bool {
        match self {
            Self::Erst(erst) => erst.before() > 0,
            Self::Ramoops(zones) => zones.used > 0,
            Self::Efi(efi) => efi.used > 0 || efi.dumps > 0,
        }
    }

    /// Whether it keeps the console's output too.
    pub const fn has_console(&self) -> bool {
        matches!(self, Self::Ramoops(Ramoops { console: 1.., .. }))
    }
}
