//! What a guest leaves behind, as bytes.

use std::path::Path;

use super::log::LogMemory;
use crate::model::pstore::Ramoops;

/// Everything that is read from a guest after its end. All of it is hostile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Artifacts {
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
        Self::of_tasks(Path::new(&format!("/proc/{pid}/task")))
    }

    /// A thread that ends between being listed and being read is passed over: QEMU's helpers come and go.
    fn of_tasks(tasks: &Path) -> Option<Self> {
        let times = |text: &str| {
            let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        };
        let mut sum = None;
        for task in std::fs::read_dir(tasks).ok()?.flatten() {
            let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
            let (ran_ns, waited_ns) = times(&text)?;
            let Self { ran_ns: ran, waited_ns: waited } = sum.unwrap_or_default();
            sum = Some(Self { ran_ns: ran + ran_ns, waited_ns: waited + waited_ns });
        }
        sum
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_has_ended_is_passed_over() {
        let tasks = tempfile::tempdir().unwrap();
        for (thread, text) in [("1", Some("100 20 3\n")), ("2", None), ("3", Some("1 2 3\n"))] {
            std::fs::create_dir(tasks.path().join(thread)).unwrap();
            if let Some(text) = text {
                std::fs::write(tasks.path().join(thread).join("schedstat"), text).unwrap();
            }
        }
        assert_eq!(Waited::of_tasks(tasks.path()), Some(Waited { ran_ns: 101, waited_ns: 22 }));
    }

    #[test]
    fn a_host_that_keeps_no_figures_is_not_taken_for_an_idle_one() {
        let tasks = tempfile::tempdir().unwrap();
        std::fs::create_dir(tasks.path().join("1")).unwrap();
        assert_eq!(Waited::of_tasks(tasks.path()), None);
        std::fs::write(tasks.path().join("1/schedstat"), "nonsense").unwrap();
        assert_eq!(Waited::of_tasks(tasks.path()), None);
    }
}
