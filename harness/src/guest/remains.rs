//! What a guest leaves behind, as bytes.

use super::log::LogMemory;
use crate::model::pstore::Ramoops;

/// Everything that is read from a guest after its end. All of it is hostile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// What `ttyS0` showed; of a flood, the beginning and the end.
    pub console: Vec<u8>,
    /// What its crash kernel showed, if it has one.
    pub capture_console: Vec<u8>,
    /// When a crash kernel's first line was heard, that its agent is ready, and when nothing more was asked of it, in
    /// nanoseconds of the host's monotonic clock; as far as it came.
    pub capture_times: Vec<(&'static str, u64)>,
    /// What QEMU itself complained about.
    pub stderr: Vec<u8>,
    /// The backing file of the ERST.
    pub erst: Vec<u8>,
    /// The zones of ramoops, if its pstore wrote there.
    pub ramoops: Option<RamoopsMemory>,
    /// The page shared with crashlab.
    pub page: Vec<u8>,
    /// The memory shared with the tracer; empty without one.
    pub trace: Vec<u8>,
    /// The kernel's log in its memory.
    pub log: LogMemory,
    /// What QEMU's threads, the vCPUs above all, got of the host's processors.
    pub waited: Option<Waited>,
}

/// The memory of ramoops, and what was told to the kernel of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RamoopsMemory {
    /// The sizes of the zones.
    pub zones: Ramoops,
    /// All zones.
    pub bytes: Vec<u8>,
}

/// How much of the host's processors a QEMU got: the times of its threads since they were started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Waited {
    /// Nanoseconds on a processor.
    pub ran_ns: u64,
    /// Nanoseconds ready to run without a processor.
    pub waited_ns: u64,
}

impl Waited {
    /// Sums up `/proc/PID/task/TID/schedstat` (Linux: `Documentation/scheduler/sched-stats.rst`). `None` where the host
    /// does not keep these figures.
    pub(super) fn read(pid: u32) -> Option<Self> {
        let mut sum = Self::default();
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
            sum.ran_ns += numbers.next()?.ok()?;
            sum.waited_ns += numbers.next()?.ok()?;
        }
        Some(sum)
    }

    /// Since an earlier reading.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            ran_ns: self.ran_ns.saturating_sub(earlier.ran_ns),
            waited_ns: self.waited_ns.saturating_sub(earlier.waited_ns),
        }
    }

    /// The share of the time ready to run that was spent waiting, 0 to 1.
    #[expect(clippy::cast_precision_loss, reason = "a share for people to read")]
    pub fn share(self) -> f64 {
        let total = self.ran_ns + self.waited_ns;
        if total == 0 { 0.0 } else { self.waited_ns as f64 / total as f64 }
    }
}
