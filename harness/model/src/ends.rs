//! What a kernel dies of, by its author's word or by what its scenario has in it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a guest ends: what its kernel dies of, or that it does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndsBy {
    /// A panic: that of a `panic` actor or with the `panic-line`, if there is one of these; otherwise any.
    Panic,
    /// An oops, with `kernel.panic_on_oops`.
    Oops,
    /// An oops in an interrupt or an NMI, or on a stack of their kind: a panic whatever `kernel.panic_on_oops` says.
    OopsInInterrupt,
    /// An oops of the idle task: a panic whatever `kernel.panic_on_oops` says.
    OopsInIdle,
    /// As many oopses as `kernel.oops_limit` says.
    OopsLimit,
    /// A warning, with `kernel.panic_on_warn`.
    Warning,
    /// As many warnings as `kernel.warn_limit` says.
    WarnLimit,
    /// A stack whose protector was written over.
    StackProtector,
    /// A grace period that does not end, with `kernel.panic_on_rcu_stall`.
    RcuStall,
    /// A CPU that no other thread gets, with `kernel.softlockup_panic`.
    SoftLockup,
    /// A CPU that takes no interrupts, with `kernel.hardlockup_panic`.
    HardLockup,
    /// A task that sleeps for too long, with `kernel.hung_task_panic`.
    HungTask,
    /// Memory that is used up, with `vm.panic_on_oom` or with nobody left to kill.
    OutOfMemory,
    /// The end of PID 1.
    InitDeath,
    /// A machine check.
    MachineCheck,
    /// An NMI that nobody knows, with `kernel.unknown_nmi_panic` or its like.
    Nmi,
    /// A reset without a panic.
    Reboot,
    /// The power is switched off, without a panic.
    PowerOff,
    /// Nothing: it is alive when the deadline is over.
    Survives,
}

impl EndsBy {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::Panic,
        Self::Oops,
        Self::OopsInInterrupt,
        Self::OopsInIdle,
        Self::OopsLimit,
        Self::Warning,
        Self::WarnLimit,
        Self::StackProtector,
        Self::RcuStall,
        Self::SoftLockup,
        Self::HardLockup,
        Self::HungTask,
        Self::OutOfMemory,
        Self::InitDeath,
        Self::MachineCheck,
        Self::Nmi,
        Self::Reboot,
        Self::PowerOff,
        Self::Survives,
    ];

    /// The word for it in files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Oops => "oops",
            Self::OopsInInterrupt => "oops-in-interrupt",
            Self::OopsInIdle => "oops-in-idle",
            Self::OopsLimit => "oops-limit",
            Self::Warning => "warning",
            Self::WarnLimit => "warn-limit",
            Self::StackProtector => "stack-protector",
            Self::RcuStall => "rcu-stall",
            Self::SoftLockup => "soft-lockup",
            Self::HardLockup => "hard-lockup",
            Self::HungTask => "hung-task",
            Self::OutOfMemory => "out-of-memory",
            Self::InitDeath => "init-death",
            Self::MachineCheck => "machine-check",
            Self::Nmi => "nmi",
            Self::Reboot => "reboot",
            Self::PowerOff => "power-off",
            Self::Survives => "survives",
        }
    }

    /// Whether the kernel panics.
    pub const fn panics(self) -> bool {
        !matches!(self, Self::Reboot | Self::PowerOff | Self::Survives)
    }

    /// How its panic's text may begin, behind `Kernel panic - not syncing: `: in Linux 5.10 to 7.2. A machine check has many
    /// words for what was found; `panic` itself has whatever is given it.
    pub const fn panic_texts(self) -> &'static [&'static str] {
        match self {
            // arch/x86/kernel/dumpstack.c, oops_end()
            Self::Oops => &["Fatal exception"],
            Self::OopsInInterrupt => &["Fatal exception in interrupt"],
            // kernel/exit.c, make_task_dead() and do_exit()
            Self::OopsInIdle => &["Attempted to kill the idle task!"],
            Self::OopsLimit => &["Oopsed too often"],
            Self::InitDeath => &["Attempted to kill init!"],
            // kernel/panic.c, check_panic_on_warn() and __stack_chk_fail()
            Self::Warning => &["kernel: panic_on_warn set", "panic_on_warn set"],
            Self::WarnLimit => &["kernel: system warned too often"],
            Self::StackProtector => &["stack-protector:"],
            // kernel/rcu/tree_stall.h, kernel/watchdog.c, kernel/hung_task.c
            Self::RcuStall => &["RCU Stall"],
            Self::SoftLockup => &["softlockup: hung tasks"],
            Self::HardLockup => &["Hard LOCKUP"],
            Self::HungTask => &["hung_task: blocked tasks"],
            // mm/oom_kill.c
            Self::OutOfMemory => &["Out of memory:", "System is deadlocked on memory"],
            // arch/x86/kernel/cpu/mce/core.c
            Self::MachineCheck => {
                &["Fatal machine check", "Fatal local machine check", "Timeout: Not all CPUs entered"]
            }
            // arch/x86/kernel/nmi.c
            Self::Nmi => &["NMI: Not continuing", "NMI IOCK error: Not continuing"],
            Self::Panic | Self::Reboot | Self::PowerOff | Self::Survives => &[],
        }
    }

    /// What a panic with this text comes of: the one whose words are all in it, of several the one with the most.
    pub fn of_panic_text(text: &str) -> Option<Self> {
        let words =
            |end: Self| end.panic_texts().iter().filter(|begin| text.starts_with(**begin)).map(|it| it.len()).max();
        Self::ALL
            .into_iter()
            .filter_map(|end| Some((words(end)?, end)))
            .max_by_key(|(length, _)| *length)
            .map(|(_, end)| end)
    }
}

impl fmt::Display for EndsBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What a guest is known or said to end by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// One of these; empty if that is not known.
    pub by: Vec<EndsBy>,
    /// It is the author's word, so that a trial which ends in another way does not count; otherwise it is what the actors
    /// lead one to expect.
    pub said: bool,
}

impl Ends {
    /// Whether the guest is to be alive when its deadline is over.
    pub fn survives(&self) -> bool {
        self.by.contains(&EndsBy::Survives)
    }

    /// Whether there may be a panic.
    pub fn may_panic(&self) -> bool {
        self.by.is_empty() || self.by.iter().any(|end| end.panics())
    }

    /// How the panic's text begins, where all that the guest may end by have the same one.
    pub fn panic_text(&self) -> Option<&'static str> {
        let mut panics = self.by.iter().filter(|end| end.panics());
        match (panics.next(), panics.next()) {
            (Some(end), None) => match end.panic_texts() {
                [text] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_files() {
        for end in EndsBy::ALL {
            assert_eq!(serde_json::to_value(end).unwrap(), end.word());
        }
    }

    #[test]
    fn a_panics_text_tells_what_it_comes_of() {
        for end in EndsBy::ALL {
            for text in end.panic_texts() {
                assert_eq!(EndsBy::of_panic_text(&format!("{text} and more")), Some(end), "{text}");
            }
            assert!(end.panics() || end.panic_texts().is_empty(), "{end}");
        }
        assert_eq!(EndsBy::of_panic_text("crashlab 0123456789abcdef"), None);
        assert_eq!(EndsBy::of_panic_text(""), None);
    }

    #[test]
    fn a_text_is_known_if_there_is_one_way_to_panic_with_one_text() {
        let text = |by: &[EndsBy]| Ends { by: by.to_vec(), said: true }.panic_text();
        assert_eq!(text(&[EndsBy::RcuStall, EndsBy::Reboot]), Some("RCU Stall"));
        for unknown in [&[][..], &[EndsBy::Panic], &[EndsBy::OutOfMemory], &[EndsBy::Oops, EndsBy::Nmi]] {
            assert_eq!(text(unknown), None, "{unknown:?}");
        }
    }
}
