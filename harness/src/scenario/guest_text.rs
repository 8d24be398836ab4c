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

use std::time::Duration;

use harness_protocol::{Arm, Directive, Part, directive};

use super::{
    Action, Actor, Context, Cpu, Drawn, Failing, Knob, OopsKind, Planned, PrintLimit, Reboot, Start, Stay, Workload,
};
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
        let instance = self.instance;
        let mut directives = vec![Directive::Nonce(nonce.to_owned()), Directive::Witnesses(witnesses)];
        directives.extend(firing.cpu.map(Directive::RunOn));
        directives.extend(instance.knobs.iter().map(Knob::directive));
        // crashlab lets an actor wait only for one that is armed already.
        let mut actors: Vec<(&Actor, &Planned)> = self.actors.iter().zip(&instance.actors).collect();
        actors.sort_by_key(|(actor, _)| waits_behind(actor, &self.actors));
        directives.extend(
            actors.into_iter().map(|(actor, planned)| arm(actor, planned.cpu == Cpu::Any, instance.guest.pstore)),
        );
        directives.extend(instance.reload_on.map(Directive::ReloadCrashKernel));
        directives.extend(instance.ends.survives().then_some(Directive::ReportAfter(instance.deadline)));
        let exits = self.actors.iter().find(|actor| actor.action == Action::Exit);
        directives.extend(exits.map(|actor| Directive::ExitOn(actor.cpu)));
        directives.extend(instance.workload.as_ref().map(|workload| {
            let Workload { arguments, cpus, lasting } = workload.clone();
            Directive::Workload(harness_protocol::Workload { lasting, seed: self.seed, cpus, arguments })
        }));
        directives.extend(instance.background.clone().map(Directive::Efivars));
        directives.push(Directive::Fire { after: firing.after });
        directive::text(&directives)
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

/// The actor as crashlab is told of it, on a guest with this back end of pstore's; whether it acts on whichever CPU comes by.
fn arm(actor: &Actor, anywhere: bool, pstore: Backend) -> Directive {
    let Actor { name, cpu, action, context, start } = actor;
    let (count, every) = match action {
        Action::Oops { count: 1, .. } => (None, None),
        Action::Oops { count, every, .. } | Action::Print { limit: PrintLimit::Count(count), every } => {
            (Some(*count), Some(*every))
        }
        Action::Print { every, .. } => (None, Some(*every)),
        Action::Fail { times, .. } => (*times, None),
        _ => (None, None),
    };
    // The host sends an NMI or a machine check when it is due, in no context that could be chosen: its CPU waits from
    // firing on, whatever else it has to do by then.
    let chosen = !matches!(action, Action::Nmi | Action::Mce);
    // A CPU that idles already need not begin to idle again. An actor with a time of its own has a thread on its CPU,
    // which wakes it.
    let woken = (*context == Context::Idle).then_some(Start::At(Duration::ZERO));
    let start = start.as_ref().or(woken.as_ref());
    Directive::Arm(
        Arm {
            cpu: (!anywhere).then_some(*cpu),
            context: chosen.then(|| context.kind()),
            function: actor.function(pstore).filter(|_| chosen),
            lock: match action {
                Action::Hold { lock, .. } => Some(*lock),
                _ => None,
            },
            kind: match action {
                Action::Oops { kind, .. } if *kind != OopsKind::default() => Some(*kind),
                _ => None,
            },
            failure: match action {
                Action::Fail { failing, .. } => Some(failing.kind()),
                _ => None,
            },
            error: match action {
                Action::Fail { failing: Failing::Error(error), .. } => Some(*error),
                _ => None,
            },
            part: match action {
                Action::Fail { part, .. } if *context == Context::BackendWrite => {
                    Some(part.map_or(Part::Any, Part::Number))
                }
                _ => None,
            },
            how: match action {
                Action::Reboot { how } if *how != Reboot::default() => Some(*how),
                _ => None,
            },
            target: match action {
                Action::Call { to: target } | Action::Switch { target, .. } => Some(*target),
                _ => None,
            },
            stay: action.stay().map(|stay| match stay {
                Stay::For(time) => harness_protocol::Stay::For(*time),
                Stay::Forever => harness_protocol::Stay::Forever,
            }),
            count,
            every: every.filter(|every| !every.is_zero()),
            start: start.filter(|_| chosen).map(|start| match start {
                Start::At(at) => harness_protocol::Start::At(*at),
                Start::After { actor, edge, delay } => {
                    harness_protocol::Start::After { actor, edge: *edge, delay: *delay }
                }
            }),
            ..Arm::new(name, action.kind(), *cpu)
        }
        .to_string(),
    )
}
