//! What is written beside each kernel: where it came from and how it was made.

use serde::{Deserialize, Serialize};

use super::Version;
use super::module::MODULE;

/// The files that are kept of a build.
pub(super) const FILES: [&str; 6] = ["bzImage", "vmlinux", "System.map", "config", MODULE, "build.log"];
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
    /// The GNU build id of `vmlinux`, in hex.
    pub build_id: String,
    /// How long it took.
    pub durations: Durations,
    /// How large it is.
    pub sizes: Sizes,
}

/// A source, by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// `package`, `tarball` or `git`.
    pub kind: String,
    /// The package, the tarball's path, or `tree@commit`.
    pub name: String,
    /// The hash of the commit, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// SHA-256 of the tarball, or one that stands for the commit.
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
