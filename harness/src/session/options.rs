//! How a session's trials are run.

use std::sync::Arc;

use super::accelerator::Asked;
use crate::guest::{Accelerator, Time};
use crate::model::Phase;
use crate::model::schedule::Schedule;
use crate::procfs;
use crate::results::{QemuInfo, RunInfo};
use crate::run::default_jobs;

/// Trials of a cell for which a template is made, if it is not said how many there are to be.
const TRIALS_PER_TEMPLATE: u32 = 5;

/// The most templates that are made of each guest unless more are asked for: each takes seconds and some 31 MB.
const MAX_TEMPLATES: u32 = 8;

/// How trials are run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct TrialOptions {
    /// What every trial's seed is derived from.
    pub seed: u64,
    /// How many CPUs of guests may be busy at a time, if not as many as this machine has room for.
    pub jobs: Option<u32>,
    /// What executes the guests.
    pub accelerator: Asked,
    /// How time passes in the guest.
    pub time: Time,
    /// Whether every trial is booted from its first instruction instead of restored from a template.
    pub cold: bool,
    /// How many templates of each guest are made, if that is not left to the number of trials.
    pub templates: Option<u32>,
    /// Whether each trial draws its interleaving.
    pub phase: Phase,
    /// Whether the next boot is asked, after each trial, what pstore has.
    pub read_back: bool,
    /// The kernel of that boot; the kernel under test if none is named.
    pub read_back_kernel: Option<String>,
    /// Whether every guest has a crash kernel.
    pub kdump: bool,
    /// The variant that is the crash kernel; the kernel under test if none is named.
    pub crash_kernel: Option<String>,
    /// Whether all of a dead kernel's memory is kept.
    pub full_vmcore: bool,
    /// Whether guests are traced where this machine can.
    pub trace: bool,
    /// What each trial is made to follow, if it is.
    pub schedule: Option<Arc<Schedule>>,
}

/// How many trials of a cell a run will have, as far as that is known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrialsOfACell {
    /// How many are likely.
    pub likely: u32,
    /// It will not be more.
    pub at_most: u32,
}

impl TrialsOfACell {
    /// This many.
    pub fn exactly(trials: u32) -> Self {
        Self { likely: trials, at_most: trials }
    }
}

impl TrialOptions {
    /// How the trials of a run that was begun before are run; only the number of jobs may be another.
    pub fn again(info: &RunInfo, jobs: Option<u32>) -> Self {
        let QemuInfo { cold, phase, templates, read_back, kdump, full_vmcore, traced, .. } = info.qemu;
        let time = if info.qemu.time == Time::Virtual.to_string() { Time::Virtual } else { Time::Real };
        let kvm = info.qemu.accelerator == Accelerator::Kvm.name();
        Self {
            seed: info.seed,
            jobs,
            accelerator: if kvm { Asked::Kvm } else { Asked::Tcg },
            time,
            cold,
            templates: Some(templates),
            phase,
            read_back,
            read_back_kernel: info.qemu.read_back_kernel.clone(),
            kdump,
            crash_kernel: info.qemu.crash_kernel.clone(),
            full_vmcore,
            trace: traced,
            schedule: info.schedule.clone().map(Arc::new),
        }
    }

    /// The number of templates that the trials of a cell are spread over: as asked for, or by default, but no more than
    /// there may be trials.
    pub fn templates(&self, trials: TrialsOfACell) -> u32 {
        let number = self.templates.unwrap_or_else(|| (trials.likely / TRIALS_PER_TEMPLATE).clamp(1, MAX_TEMPLATES));
        number.min(trials.at_most).max(1)
    }

    /// The busy CPUs at a time that were asked for, or that fit this machine and guests of this size, in MiB.
    pub fn jobs(&self, guest_mib: u64) -> u32 {
        self.jobs.unwrap_or_else(|| {
            let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            default_jobs(processors, available_mib(), guest_mib)
        })
    }
}

/// Memory that the host could give to guests, in MiB; `None` if it does not say.
fn available_mib() -> Option<u64> {
    procfs::bytes("/proc/meminfo", "MemAvailable").map(|bytes| bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(templates: Option<u32>) -> TrialOptions {
        TrialOptions {
            seed: 7,
            jobs: None,
            accelerator: Asked::Auto,
            time: Time::Real,
            cold: false,
            templates,
            phase: Phase::Drawn,
            read_back: false,
            read_back_kernel: None,
            kdump: false,
            crash_kernel: None,
            full_vmcore: false,
            trace: true,
            schedule: None,
        }
    }

    #[test]
    fn there_are_no_more_templates_than_trials() {
        let made = |asked, likely, at_most| options(asked).templates(TrialsOfACell { likely, at_most });
        assert_eq!([1, 5, 10, 40, 400].map(|trials| made(None, trials, trials)), [1, 1, 2, 8, 8]);
        assert_eq!(made(Some(3), 10, 10), 3);
        assert_eq!(made(Some(30), 10, 10), 10);
        assert_eq!(made(Some(30), 20, 500), 30, "a sequential run may have as many trials as that");
    }
}
