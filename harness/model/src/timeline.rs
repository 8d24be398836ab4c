//! What the CPUs of a dying guest were seen doing, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::schedule::Held;

/// A trial's timeline: what was seen from outside of the guest, by its kernel's own addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// How many CPUs the guest has.
    pub cpus: u32,
    /// Those of them that were online when the faults were fired; none if all were, or where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<BTreeSet<u32>>,
    /// In order: each one was seen before the next, whichever CPUs they are on.
    pub events: Vec<Event>,
    /// How often a step was passed beyond the events that it may make, by its name; those are not among the events.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub beyond_limit: BTreeMap<String, u64>,
    /// Events for which there was no room; all after the last of [`Self::events`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
    /// Steps that cannot be seen in this kernel.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<AbsentStep>,
    /// What became of each hold of the trial's schedule, if it had one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<Held>,
}

/// A CPU was seen at a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Nanoseconds of the host's monotonic clock since the faults were fired; negative before that.
    pub ns: i64,
    /// The vCPU, from 0.
    pub cpu: u32,
    /// The step, by its name in the probe set: `kmsg_dump`.
    pub step: String,
    /// Which one, where a step has several: the function of a notifier or a dumper, the name of an actor; otherwise
    /// empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// Whether it begins or ends.
    #[serde(default, skip_serializing_if = "StepEdge::is_begin")]
    pub edge: StepEdge,
    /// It tells how things went, and is no step of the order by which kernels are compared: a line printed, a watchdog
    /// touched.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub detail: bool,
}

/// The beginning of a step, or its end.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum StepEdge {
    /// A function is entered.
    #[default]
    Begin,
    /// It is left. A CPU that is stopped never leaves.
    End,
}

/// A step that the probe set has and the kernel has not, or one of its functions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbsentStep {
    /// Its name.
    pub step: String,
    /// The function that is not there, where the step has others; empty: nothing of the step can be seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// Why: `no function oops_exit (inlined, renamed, or not configured)`.
    pub why: String,
}

/// A step of the probe set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// There are several, told apart by [`Event::of`].
    pub several: bool,
    /// Its end is seen as well as its beginning.
    pub ends: bool,
}

/// The steps that a timeline may have, in the order in which a panic reaches them; details last.
pub const STEPS: [Step; 34] = [
    Step::several(Event::ACTOR),
    Step::point("oops_begin"),
    Step::point("oops_end"),
    Step::section("crash_kexec_oops"),
    Step::point("panic"),
    Step::point("nmi_panic"),
    Step::point("panic_cpu"),
    Step::several_points("panic_self_stop"),
    Step::point("panic_redirect"),
    Step::section("smp_send_stop"),
    Step::section("crash_smp_send_stop"),
    Step::point("stop_ipi"),
    Step::several_points("stop_nmi"),
    Step::several_points(Event::STOPPED),
    Step::point("panic_notifiers"),
    Step::several("notifier"),
    Step::section("sys_info"),
    Step::section("kmsg_dump"),
    Step::several("dumper"),
    Step::several("backend_write"),
    Step::section("crash_kexec"),
    Step::point(Event::MACHINE_KEXEC),
    Step::several_points(Event::CAPTURE),
    Step::point("console_unblank"),
    Step::section("console_flush_on_panic"),
    Step::point("emergency_restart"),
    Step::point(Event::PRINTK),
    Step::section("firmware"),
    Step::point("nmi"),
    Step::point(Event::CPU_DOWN),
    Step::point(Event::CPU_UP),
    Step::point(Event::TOUCHES[0]),
    Step::point(Event::TOUCHES[1]),
    Step::point("bust_spinlocks"),
];

/// A line of the console, put where it belongs between the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedLine {
    /// Index of the first event after it; the number of events if there is none.
    pub before: usize,
    /// Without its line end, control characters replaced.
    pub text: String,
}

impl StepEdge {
    /// `begin` or `end`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::End => "end",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
    const fn is_begin(&self) -> bool {
        matches!(self, Self::Begin)
    }
}

impl Step {
    /// Seen once each time a CPU reaches it.
    const fn point(name: &'static str) -> Self {
        Self { name, several: false, ends: false }
    }

    /// Seen once, of each of several things.
    const fn several_points(name: &'static str) -> Self {
        Self { name, several: true, ends: false }
    }

    /// Seen when it begins and when it ends.
    const fn section(name: &'static str) -> Self {
        Self { name, several: false, ends: true }
    }

    /// The same, of each of several.
    const fn several(name: &'static str) -> Self {
        Self { name, several: true, ends: true }
    }
}

/// Which CPUs are online at some moment.
#[derive(Debug, Clone)]
pub struct Online<'a> {
    timeline: &'a Timeline,
    /// CPUs that have come or gone since the faults were fired, and which of the two they did last.
    changed: BTreeMap<u32, bool>,
}

impl Timeline {
    /// The CPUs that are online when the event with this index comes.
    pub fn online_at(&self, index: usize) -> Online<'_> {
        let mut changed = BTreeMap::new();
        for event in self.events.iter().take(index).filter(|event| event.ns >= 0 && event.edge == StepEdge::Begin) {
            match event.step.as_str() {
                Event::CPU_DOWN => drop(changed.insert(event.cpu, false)),
                Event::CPU_UP => drop(changed.insert(event.cpu, true)),
                _ => {}
            }
        }
        Online { timeline: self, changed }
    }

    /// Whether a CPU was online when the faults were fired.
    fn was_online(&self, cpu: u32) -> bool {
        self.online.as_ref().map_or(cpu < self.cpus, |online| online.contains(&cpu))
    }
}

impl Online<'_> {
    /// Whether this one is.
    pub fn has(&self, cpu: u32) -> bool {
        self.changed.get(&cpu).copied().unwrap_or_else(|| self.timeline.was_online(cpu))
    }

    /// All of them, those behind the machine's last.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let behind = self.changed.keys().copied().filter(|cpu| *cpu >= self.timeline.cpus);
        (0..self.timeline.cpus).chain(behind).filter(|cpu| self.has(*cpu))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let cpus = usize::try_from(self.timeline.cpus).unwrap_or(usize::MAX);
        let at_first = self.timeline.online.as_ref().map_or(cpus, BTreeSet::len);
        let differs = |there: bool| {
            let changed = self.changed.iter().filter(move |(_, now)| **now == there);
            changed.filter(move |(cpu, _)| self.timeline.was_online(**cpu) != there).count()
        };
        at_first.saturating_add(differs(true)).saturating_sub(differs(false))
    }
}

impl Event {
    /// The step that a CPU has when it is stopped for good. Nothing may be seen on it afterwards.
    pub const STOPPED: &'static str = "stopped";
    /// The step at which a CPU is taken down.
    pub const CPU_DOWN: &'static str = "cpu_down";
    /// The step at which a CPU has come up.
    pub const CPU_UP: &'static str = "cpu_up";
    /// The step of every message to the kernel's log.
    pub const PRINTK: &'static str = "printk";
    /// The steps by which watchdogs are put off: once for every character that the serial console prints, so that hardly
    /// any trial keeps them all.
    pub const TOUCHES: [&'static str; 2] = ["touch_nmi_watchdog", "touch_softlockup_watchdog"];
    /// The step by which the dead kernel is left for its crash kernel.
    pub const MACHINE_KEXEC: &'static str = "machine_kexec";
    /// The step at which a crash kernel is seen by what it says: its `first_line`, that its agent is `ready`, and `done`,
    /// when nothing more is asked of it.
    pub const CAPTURE: &'static str = "capture";
    /// The step in which one of crashlab's actors is: it begins when the actor enters its critical section.
    pub const ACTOR: &'static str = "actor";
}

impl fmt::Display for Event {
    /// `notifier hung_task_panic end`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        written(f, &self.step, &self.of, self.edge)
    }
}

/// A step in words: which, of what, and that it is the end where it is.
pub(super) fn written(f: &mut fmt::Formatter<'_>, step: &str, of: &str, edge: StepEdge) -> fmt::Result {
    f.write_str(step)?;
    if !of.is_empty() {
        write!(f, " {of}")?;
    }
    if edge == StepEdge::End {
        write!(f, " {}", edge.name())?;
    }
    Ok(())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
