//! `run.json`: what went into a run.

use serde::{Deserialize, Serialize};

use crate::model::bisection::Bisected;
use crate::model::schedule::Schedule;
use crate::model::{CellKey, Channel, Expectation, GuestChange, Phase};
use crate::plan::Shard;

/// The form of the run's folder that this harness writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// Every input of a run, with its digest. All digests are SHA-256, lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// [`SCHEMA_VERSION`] when it was written.
    pub schema_version: u32,
    /// The run's name, also that of its folder.
    pub run_id: String,
    /// Wall-clock start, RFC 3339, UTC.
    pub started: String,
    /// The command line, program first.
    pub command: Vec<String>,
    /// The harness itself.
    pub harness: HarnessInfo,
    /// The machine it ran on.
    pub host: HostInfo,
    /// The QEMU that ran the guests.
    pub qemu: QemuInfo,
    /// The kernels under test.
    pub kernels: Vec<KernelInfo>,
    /// The scenarios' files, by the scenarios' names.
    pub scenarios: Vec<FileDigest>,
    /// The suite the plan was made from, if it was.
    pub suite: Option<String>,
    /// What every trial's seed was derived from.
    pub seed: u64,
    /// Trials asked for per cell, unless the cell says otherwise.
    pub trials_per_cell: u32,
    /// Guests at a time.
    pub jobs: u32,
    /// Which part of the plan it ran, if not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// When it had enough trials of a cell, if that was left to what they showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// What was looked for and where, if it is a bisection. Its kernels come as they are built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bisected: Option<Bisected>,
    /// How orders were searched that lose the log, if it is such a search. Its trials are more than its cells have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explored: Option<ExploredInfo>,
    /// What its trials were made to follow, if they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// The ids of the runs it was merged from, if it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub merged_from: Vec<String>,
    /// The machines that those ran on, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostInfo>,
    /// The whole plan, also of a shard: each cell in its order, and what was expected of it.
    pub cells: Vec<PlannedCell>,
}

/// That a run went on with each cell until it was decided; what that means is said in `docs/statistics.md`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Until {
    /// The share of false verdicts among all that are given, at most.
    pub error_rate: f64,
    /// Shares that differ by less are the same.
    pub margin: f64,
    /// No cell got more trials.
    pub at_most: u32,
}

/// How orders are searched that lose the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExploredInfo {
    /// The channel that is looked at.
    pub channel: Channel,
    /// The actors that begin at once, whatever the scenario says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub free: Vec<String>,
    /// Whether orders are forced on top of those that lose it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deepens: bool,
}

/// Which harness it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HarnessInfo {
    /// The crate's version.
    pub version: String,
    /// `git describe --always --dirty`, where the harness was built from a checkout.
    pub git: Option<String>,
}

/// Which machine it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInfo {
    /// The distribution, as `PRETTY_NAME` of os-release(5) has it.
    pub os: String,
    /// The host's kernel, as `uname -r` has it.
    pub kernel: String,
    /// The CPU's model.
    pub cpu: String,
    /// Logical CPUs the harness may use.
    pub cores: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
}

/// Which QEMU it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct QemuInfo {
    /// The program.
    pub path: String,
    /// Its version, as it says itself.
    pub version: String,
    /// `tcg` or `kvm`.
    pub accelerator: String,
    /// How time passed in the guests: `real` or `virtual`.
    pub time: String,
    /// Whether every trial was booted rather than restored.
    pub cold: bool,
    /// Whether trials drew their interleaving. No run that does not say so did.
    #[serde(default = "fixed")]
    pub phase: Phase,
    /// How many templates of each guest its trials were to be spread over.
    #[serde(default = "one")]
    pub templates: u32,
    /// Whether they were traced.
    #[serde(default)]
    pub traced: bool,
    /// Whether the next boot was asked for what pstore kept.
    #[serde(default)]
    pub read_back: bool,
    /// The kernel of that boot, if it was not the kernel under test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_back_kernel: Option<String>,
    /// Whether a crash kernel was loaded in guests whose scenario has none.
    #[serde(default)]
    pub kdump: bool,
    /// The variant that was the crash kernel, if it was not the kernel under test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_kernel: Option<String>,
    /// Whether all of a dead kernel's memory was kept.
    #[serde(default)]
    pub full_vmcore: bool,
}

impl QemuInfo {
    /// The words of a command line by which trials are run in the same way; without the number of templates, which a single
    /// trial does not have.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec!["--accel".to_owned(), self.accelerator.clone(), "--time".to_owned(), self.time.clone()];
        if self.phase != Phase::default() {
            words.extend(["--phase".to_owned(), self.phase.to_string()]);
        }
        let switches = [
            ("--cold", self.cold),
            ("--read-back", self.read_back && self.read_back_kernel.is_none()),
            ("--kdump", self.kdump),
            ("--full-vmcore", self.full_vmcore),
        ];
        words.extend(switches.into_iter().filter(|(_, on)| *on).map(|(switch, _)| switch.to_owned()));
        for (option, kernel) in [("--read-back-kernel", &self.read_back_kernel), ("--crash-kernel", &self.crash_kernel)]
        {
            words.extend(kernel.iter().flat_map(|kernel| [option.to_owned(), kernel.clone()]));
        }
        if !self.traced {
            words.extend(["--trace", "off"].map(str::to_owned));
        }
        words
    }
}

const fn fixed() -> Phase {
    Phase::Fixed
}

const fn one() -> u32 {
    1
}

/// Which kernel it was, and what it was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelInfo {
    /// The variant's name.
    pub variant: String,
    /// The base's name.
    pub base: String,
    /// The key of the build in the cache.
    pub key: String,
    /// The hash of the commit that its source is, if it is one, whatever the base calls it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Digest of the unpatched source.
    pub source_digest: String,
    /// The series, in its order.
    pub patches: Vec<FileDigest>,
    /// Digest of the final `.config`.
    pub config_digest: String,
    /// What the variant adds to its command line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command_line: Vec<String>,
    /// What the variant sets once it has booted, each as `sysctl kernel.panic_print=1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub knobs: Vec<String>,
    /// What the variant asks for in place of the guest's shape that scenarios have.
    #[serde(default, skip_serializing_if = "GuestChange::is_none")]
    pub guest: GuestChange,
    /// The key of the crash kernel that was loaded into it, if that was another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_kernel_key: Option<String>,
    /// The key of the kernel that read what its pstore kept, if that was another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_back_key: Option<String>,
    /// Further arguments that the kernel's make had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub make_arguments: Vec<String>,
    /// The compiler's own version line.
    pub compiler: String,
    /// The kernel's release, as `uname -r` has it in the guest.
    pub release: String,
    /// The GNU build id of `vmlinux`, hexadecimal; empty if the kernel came without a `vmlinux`.
    pub build_id: String,
    /// Digest of its image, if it was built elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Digest of what its guests execute, in a bisection: of `bzImage` and `crashlab.ko`, and of another crash kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_digest: Option<String>,
}

/// A file that was read, and its digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// The file's name, or that of what it describes.
    pub name: String,
    /// SHA-256 of its content, hexadecimal.
    pub sha256: String,
}

/// A cell as it was planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedCell {
    /// Which cell.
    #[serde(flatten)]
    pub key: CellKey,
    /// Trials asked for; none of a cell that is skipped.
    pub trials: u32,
    /// Why it is not run: what its kernel lacks of what the scenario needs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// What was expected of it; empty if it was only to be measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expectation>,
}

impl PlannedCell {
    /// It is not run, for this reason.
    pub fn skip(&mut self, reason: String) {
        self.skipped = Some(reason);
        self.trials = 0;
    }
}
