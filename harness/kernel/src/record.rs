//! What is written beside each kernel: where it came from and how it was made.

use serde::{Deserialize, Serialize};

use super::module::MODULE;
use super::{Version, Without};

/// What is booted.
pub(super) const IMAGE: &str = "bzImage";
/// The ELF file with all symbols.
pub(super) const VMLINUX: &str = "vmlinux";
/// Address, type and name of each symbol.
pub(super) const SYSTEM_MAP: &str = "System.map";
/// The final `.config`.
pub(super) const CONFIG: &str = "config";
/// What the build said.
pub(super) const BUILD_LOG: &str = "build.log";
/// The files that are kept of a build.
pub(super) const FILES: [&str; 6] = [IMAGE, VMLINUX, SYSTEM_MAP, CONFIG, MODULE, BUILD_LOG];
/// The file with its [`BuildRecord`].
pub(super) const BUILD_RECORD: &str = "build.json";

/// `build.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// The content address, SHA-256 in hex.
    pub key: String,
    /// The variant it was first built for. Another variant with the same content shares the kernel.
    pub variant: String,
    /// The base, by name.
    pub base: String,
    /// The base's source.
    pub source: SourceRecord,
    /// The series, in order.
    pub patches: Vec<PatchRecord>,
    /// SHA-256 of the options that were asked for.
    pub config: String,
    /// What compiled it.
    pub tools: ToolRecord,
    /// Further arguments that make had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// What `uname -r` says in it.
    pub release: String,
    /// The GNU build id of `vmlinux`, in hex; empty if there is no `vmlinux`.
    pub build_id: String,
    /// How long it took.
    pub durations: Durations,
    /// How large it is.
    pub sizes: Sizes,
    /// What is to be known of it, if it was built elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prebuilt: Option<PrebuiltRecord>,
}

impl BuildRecord {
    /// Whether a file of [`FILES`] is kept of it.
    pub(super) fn has(&self, name: &str) -> bool {
        let symbols = self.prebuilt.as_ref().map_or(&Symbols::All, |prebuilt| &prebuilt.symbols);
        match symbols {
            Symbols::All => true,
            Symbols::Map(_) => name != VMLINUX,
            Symbols::None(_) => name != VMLINUX && name != SYSTEM_MAP,
        }
    }
}

/// What is to be known of a kernel that was built elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrebuiltRecord {
    /// SHA-256 of its image.
    pub image: String,
    /// What is known of its symbols.
    pub symbols: Symbols,
    /// What it lacks of what the harness needs, and can do without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<Lack>,
    /// Options that are modules, and whose modules guests load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loaded: Vec<String>,
    /// The files of these modules and of those that they need, in the order in which they are loaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
}

/// What is known of a kernel's symbols.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Symbols {
    /// There are `vmlinux` and `System.map`.
    All,
    /// There is a `System.map` alone, for this reason.
    Map(String),
    /// There is neither, for this reason.
    None(String),
}

/// An option that a kernel has not as it is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lack {
    /// `CONFIG_KEXEC_FILE`.
    pub option: String,
    /// What it is instead.
    pub got: String,
    /// What is not possible without it.
    pub without: Without,
}

/// A source, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// `package`, `tarball`, `git`, or `prebuilt`.
    pub kind: String,
    /// The package, the path of the tarball or of the image, or `tree@commit`.
    pub name: String,
    /// The hash of the commit, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// SHA-256 of the tarball, or one that stands for the commit or for image, configuration and exported symbols.
    pub digest: String,
    /// The version its Makefile says.
    pub version: Version,
}

/// A patch as it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatchRecord {
    /// Its file's name.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// What the patch program said of hunks which were found on other lines than the patch says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<String>,
}

/// The tools that decide what the kernel's code is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolRecord {
    /// First line of `gcc --version`.
    pub compiler: String,
    /// First line of `ld --version`.
    pub linker: String,
}

/// Wall time of each part, in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durations {
    /// Unpacking the source; 0 if it was unpacked before.
    pub unpack_ms: u64,
    /// Patching the tree.
    pub patch_ms: u64,
    /// Making and checking the config.
    pub configure_ms: u64,
    /// Compiling and linking the kernel.
    pub compile_ms: u64,
    /// Compiling the fault-injection module.
    pub module_ms: u64,
}

/// Sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// `bzImage`.
    pub image: u64,
    /// `vmlinux`.
    pub vmlinux: u64,
    /// `crashlab.ko`.
    pub module: u64,
}
