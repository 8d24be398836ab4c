//! A scenario with its parameters fixed: nothing left to resolve, and nothing yet drawn.

use std::time::Duration;

use harness_protocol::{Directive, EfivarsLoad};

use super::{Action, Actor, Context, Cpu, Lock, PrintLimit, Program, Span, Stay, Workload};
use crate::model::consoles::FurtherConsoles;
use crate::model::ends::Ends;
use crate::model::order::{OrderAssertion, OwnStep};
use crate::model::pstore::Backend;
use crate::model::{Expectation, Params, Precondition, assignments};

/// One point of a scenario's sweep, ready to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// The scenario's name.
    pub scenario: String,
    /// The point.
    pub params: Params,
    /// The guest it needs.
    pub guest: Guest,
    /// From firing the faults to the guest's end; after that the guest counts as hung.
    pub deadline: Duration,
    /// Without any progress for this time the guest counts as hung before its deadline; never longer than that.
    pub quiet: Duration,
    /// Functions that wait, and for how long at most, besides those that are known of every kernel.
    pub waits: Vec<(String, Duration)>,
    /// What the kernel must have for this to be possible.
    pub needs: Needs,
    /// What the agent sets before it arms the actors, in this order.
    pub knobs: Vec<Knob>,
    /// The CPU on which the agent loads the crash kernel anew once the faults are fired, if it does.
    pub reload_on: Option<u32>,
    /// Who does what on which CPU, before it is drawn.
    pub actors: Vec<Actor<Cpu, Span>>,
    /// What user space does from before the faults are fired to the guest's end.
    pub background: Option<EfivarsLoad>,
    /// How the user's program is run, if there is one; it is [`Guest::program`].
    pub workload: Option<Workload>,
    /// What the panic's line begins with behind `Kernel panic - not syncing: `, where that is not what follows from the
    /// actors.
    pub panic_line: Option<String>,
    /// What the guest ends by.
    pub ends: Ends,
    /// What must have happened for the trial to count: first that every actor entered, in the order of the actors, then
    /// what the scenario asks for at this point.
    pub preconditions: Vec<Precondition>,
    /// Steps of the scenario's own.
    pub steps: Vec<OwnStep>,
    /// What must be so in the trial's timeline at this point.
    pub order: Vec<OrderAssertion>,
    /// The titles of reports that the kernel may make, where it is expected to make no others.
    pub allowed_splats: Option<Vec<String>>,
    /// What must be left at this point; nothing is judged where this is empty.
    pub expectations: Vec<Expectation>,
}

/// The shape of a guest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guest {
    /// Virtual CPUs, 1 to 8.
    pub cpus: u32,
    /// How many of them are online when it has booted, from CPU 0 on, as far as the scenario says.
    pub online: u32,
    /// RAM in MiB.
    pub memory_mib: u32,
    /// Words for its kernel's command line, behind those of the variant.
    pub command_line: Vec<String>,
    /// What its pstore writes to.
    pub pstore: Backend,
    /// The boots of the same kernel before, if it has any.
    pub earlier: Option<EarlierBoots>,
    /// The consoles that its kernel has beside `ttyS0`.
    pub consoles: FurtherConsoles,
    /// How much memory is reserved for a crash kernel, in MiB, if one is loaded.
    pub crashkernel_mib: Option<u32>,
    /// How it is booted.
    pub crash_boot: CrashBoot,
    /// A program of the user's that lies in it.
    pub program: Option<Program>,
}

/// Boots of a guest before the trial's, each of which ends by a panic, and whose pstore the next one finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EarlierBoots {
    /// How many.
    pub number: u32,
    /// By how many seconds the guest's clock is set forward from one to the next, back if it is negative.
    pub clock_s: i64,
}

impl EarlierBoots {
    /// When the first of them begins, in Unix seconds: 2026-01-01.
    const FIRST: i64 = 1_767_225_600;

    /// What the clock says at the beginning of boot number `boot`, from 0 on: `2026-01-01T00:00:00`.
    pub fn clock(self, boot: u32) -> String {
        let at = chrono::DateTime::from_timestamp(Self::FIRST + i64::from(boot) * self.clock_s, 0);
        at.unwrap_or_default().format("%Y-%m-%dT%H:%M:%S").to_string()
    }
}

/// How a crash kernel is booted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrashBoot {
    /// How many CPUs it brings up.
    pub cpus: u32,
    /// Words for its command line, behind those that every crash kernel has.
    pub command_line: Vec<String>,
}

impl Default for CrashBoot {
    fn default() -> Self {
        Self { cpus: 1, command_line: Vec::new() }
    }
}

/// How many of `cpus` CPUs a kernel brings up that has these words on its command line (`maxcpus=`, `nosmp`) or has room
/// for (`nr_cpus=`, `possible_cpus=`).
pub fn online(cpus: u32, words: &[String]) -> u32 {
    let mut room = cpus;
    let mut brought_up = cpus;
    for word in words {
        let (option, value) = word.split_once('=').unwrap_or((word, ""));
        match (option, value.parse::<u32>()) {
            // None at boot is the first alone.
            ("maxcpus", Ok(most)) => brought_up = most,
            ("nr_cpus" | "possible_cpus", Ok(most @ 1..)) => room = room.min(most),
            ("nosmp", _) => brought_up = 1,
            _ => {}
        }
    }
    brought_up.min(room).max(1)
}

impl Instance {
    /// Why an actor cannot act in a guest with only `online` CPUs online; none if all can.
    pub fn is_cut_off(&self, online: u32) -> Option<String> {
        let on = |actor: &Planned| match &actor.cpu {
            Cpu::Number(cpu) => Some(*cpu),
            Cpu::AnyOf(cpus) => cpus.iter().copied().max(),
            Cpu::Any => None,
        };
        let cut_off = |actor: &Planned| on(actor).filter(|cpu| *cpu >= online).map(|cpu| (actor.name.clone(), cpu));
        let (name, cpu) = self.actors.iter().find_map(cut_off)?;
        Some(format!("`{name}` may be on CPU {cpu}, and the kernel brings up {online} of {}", self.guest.cpus))
    }

    /// Why it cannot be judged in virtual time; none if it can. There vCPUs take turns, and one that waits for others gives
    /// up the rest of its own: beside one that prints without end, and that no interrupt can take away, what waits a second
    /// of turns does not come to their end.
    pub fn only_in_real_time(&self) -> Option<String> {
        let endless = |actor: &&Planned| {
            matches!(actor.action, Action::Print { limit: PrintLimit::Time(Stay::Forever), .. })
                && matches!(actor.context, Context::IrqsOff | Context::Hardirq | Context::Nmi)
        };
        let Actor { name, .. } = self.actors.iter().find(endless)?;
        Some(format!(
            "in virtual time no CPU that waits comes to an end beside `{name}`, which prints for ever with interrupts off: run \
             it with --time real"
        ))
    }
}

/// What a kernel must have for an instance to be possible on it. Nothing is needed where a list is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needs {
    /// The oldest release of Linux, such as `6.12`.
    pub since: Option<String>,
    /// The newest release of Linux, all of its stable releases included.
    pub until: Option<String>,
    /// Functions, at whose entry something is done.
    pub functions: Vec<String>,
    /// Symbols of whatever kind, whose addresses are looked up.
    pub symbols: Vec<String>,
    /// Options that are built in or a module, such as `CONFIG_PSTORE_RAM`.
    pub config: Vec<String>,
    /// Spin locks that actors hold to keep other CPUs spinning. With `CONFIG_PREEMPT_RT` a waiter sleeps instead.
    pub spinning: Vec<Lock>,
}

/// A file of the guest's `/sys` or `/proc/sys`, and what is written to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Knob {
    /// Absolute path below `/sys/module/` or `/proc/sys/`.
    pub path: String,
    /// Printable ASCII, one line.
    pub value: String,
}

impl Knob {
    /// A parameter of a module, or of a part of the kernel that goes by a module's name.
    pub fn parameter(module: &str, name: &str, value: String) -> Self {
        Self { path: format!("/sys/module/{module}/parameters/{name}"), value }
    }

    /// A sysctl, by its name with dots.
    pub fn sysctl(name: &str, value: String) -> Self {
        Self { path: format!("/proc/sys/{}", name.replace('.', "/")), value }
    }

    /// What has the agent set it.
    pub fn directive(&self) -> Directive {
        Directive::Set { path: self.path.clone(), value: self.value.clone() }
    }
}

/// An actor before it is drawn.
pub(crate) type Planned = Actor<Cpu, Span>;

/// The point of the sweep as the end of a sentence.
pub(crate) fn at_point(instance: &Instance) -> String {
    if instance.params.is_empty() {
        return String::new();
    }
    format!(" at {}", assignments(&instance.params))
}
