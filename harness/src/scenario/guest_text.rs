//! A drawn instance as the text which the guest's agent reads from `fw_cfg`.
//!
//! One instruction a line, words separated by one blank, times in microseconds; the agent executes them in order. An
//! actor is armed after the one that it waits for. What has its default value is left out, but for the context:
//!
//! ```text
//! nonce 0123456789abcdef
//! witnesses 32
//! run-on 2
//! set /proc/sys/kernel/panic_on_oops 0
//! arm dump spin cpu=1 in=function function=erst_write for_us=700000
//! arm oops oops cpu=1 in=thread at_us=0
//! arm panic panic cpu=0 in=thread after=dump edge=entered delay_us=50000
//! fire after_us=1250
//! ```

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::{Action, Actor, Context, Drawn, Enough, Notifier, OopsKind, Start, Stay};
use crate::model::pstore::Backend;

/// Where and when the agent fires the faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Firing {
    /// On which CPU; on whichever it is, if none is named.
    pub cpu: Option<u32>,
    /// How long after the last witness line, in whole microseconds.
    pub after: Duration,
}

impl Drawn<'_> {
    /// The text for the agent. `nonce` (16 lowercase hex digits) marks the trial's lines in the guest's log, of which
    /// `witnesses` are written before the faults are fired.
    ///
    /// Names and values were checked when the scenario was read: none of them has a line break in it, no name a blank.
    pub fn to_guest(&self, nonce: &str, witnesses: u32, firing: Firing) -> String {
        GuestText { drawn: self, nonce, witnesses, firing }.to_string()
    }
}

struct GuestText<'a> {
    drawn: &'a Drawn<'a>,
    nonce: &'a str,
    witnesses: u32,
    firing: Firing,
}

impl Display for GuestText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "nonce {}", self.nonce)?;
        writeln!(f, "witnesses {}", self.witnesses)?;
        if let Some(cpu) = self.firing.cpu {
            writeln!(f, "run-on {cpu}")?;
        }
        for knob in &self.drawn.instance.knobs {
            writeln!(f, "set {} {}", knob.path, knob.value)?;
        }
        // crashlab lets an actor wait only for one that is armed already.
        let mut actors: Vec<&Actor> = self.drawn.actors.iter().collect();
        actors.sort_by_key(|actor| waits_behind(actor, &self.drawn.actors));
        for actor in actors {
            arm(f, actor, self.drawn.instance.guest.pstore)?;
        }
        if let Some(cpu) = self.drawn.instance.reload_on {
            writeln!(f, "reload-crash-kernel {cpu}")?;
        }
        match self.firing.after.as_micros() {
            0 => writeln!(f, "fire"),
            us => writeln!(f, "fire after_us={us}"),
        }
    }
}

/// How many actors have to be armed before this one: the length of the chain that it waits behind.
fn waits_behind(actor: &Actor, all: &[Actor]) -> usize {
    let awaited = |actor: &&Actor| match &actor.start {
        Some(Start::After { actor: name, .. }) => all.iter().find(|other| other.name == *name),
        Some(Start::At(_)) | None => None,
    };
    // The chain ends, as the scenario was checked; that of an instance made by hand may not.
    std::iter::successors(awaited(&actor), awaited).take(all.len()).count()
}

fn arm(f: &mut Formatter<'_>, actor: &Actor, pstore: Backend) -> fmt::Result {
    let Actor { name, cpu, action, context, start } = actor;
    write!(f, "arm {name} {} cpu={cpu}", action.keyword())?;
    // An NMI from outside has no context to be chosen.
    if *action != Action::Nmi {
        write!(f, " in={}", word(context))?;
        if let Some(function) = context.function(pstore) {
            write!(f, " function={function}")?;
        }
    }
    match action {
        Action::Hold { lock, .. } => write!(f, " lock={}", lock.name())?,
        Action::Oops { kind, .. } if *kind != OopsKind::default() => write!(f, " kind={}", kind.name())?,
        _ => {}
    }
    match action.stay() {
        Some(Stay::For(time)) => write!(f, " for_us={}", time.as_micros())?,
        Some(Stay::Forever) => write!(f, " for_us=ever")?,
        None => {}
    }
    match action {
        Action::Oops { count: 1, .. } => {}
        Action::Oops { count, .. } | Action::Print { enough: Enough::Count(count), .. } => write!(f, " count={count}")?,
        _ => {}
    }
    match action {
        Action::Oops { count: 1, .. } => {}
        Action::Oops { every, .. } | Action::Print { every, .. } if !every.is_zero() => {
            write!(f, " every_us={}", every.as_micros())?;
        }
        _ => {}
    }
    match start {
        // The host sends it when it is due: its CPU waits from firing on, whatever else it has to do by then.
        _ if *action == Action::Nmi => {}
        None => {}
        Some(Start::At(at)) => write!(f, " at_us={}", at.as_micros())?,
        Some(Start::After { actor, edge, delay }) => {
            write!(f, " after={actor} edge={} delay_us={}", edge.name(), delay.as_micros())?;
        }
    }
    writeln!(f)
}

/// The agent's word for a context.
const fn word(context: &Context) -> &'static str {
    match context {
        Context::Thread => "thread",
        Context::PreemptOff => "preempt-off",
        Context::IrqsOff => "irqs-off",
        Context::Softirq => "softirq",
        Context::Hardirq => "hardirq",
        Context::Nmi => "nmi",
        Context::StopMachine => "stop-machine",
        Context::Notifier(Notifier::First) => "notifier-first",
        Context::Notifier(Notifier::Last) => "notifier-last",
        Context::Notifier(Notifier::Hypervisor) => "notifier-hypervisor",
        Context::Notifier(Notifier::Info) => "notifier-info",
        Context::Notifier(Notifier::PreReboot) => "notifier-pre-reboot",
        Context::Notifier(Notifier::PostReboot) => "notifier-post-reboot",
        Context::Idle | Context::Dumper | Context::BackendWrite | Context::ConsoleWrite | Context::Function(_) => {
            "function"
        }
    }
}
