//! One point of the sweep: every actor gets to act, and the guest ends in time.

use std::time::Duration;

use super::cast::Cast;
use super::instance::{Planned, at_point};
use super::{Action, Context, Cpu, Edge, Enough, Instance, Start, Stay};
use crate::yaml::{InputError, Mark, Source};

/// Sysctls under which a CPU that stays too long, or a thread that sleeps too long, ends in a panic.
pub(super) const LOCKUPS: [&str; 3] = ["softlockup_panic", "hardlockup_panic", "hung_task_panic"];
/// Sysctls under which an NMI that nobody knows ends in a panic.
pub(super) const NMIS: [&str; 3] = ["unknown_nmi_panic", "panic_on_unrecovered_nmi", "panic_on_io_nmi"];

/// Checks the instance, whose actors are those of `cast`.
pub(super) fn check(source: &Source, cast: &Cast, instance: &Instance) -> Result<(), InputError> {
    let marks = || cast.0.iter().map(|role| role.file.name().mark);
    for ((actor, mark), role) in instance.actors.iter().zip(marks()).zip(&cast.0) {
        if lasts(actor) >= instance.deadline {
            let cause = format!("`{}` lasts beyond the deadline{}", actor.name, at_point(instance));
            let hint = "shorten it, or give the scenario a later `deadline`".to_owned();
            return Err(source.error(mark, cause, Some(hint)));
        }
        let Some(Start::After { actor: awaited, edge: Edge::Left, .. }) = &actor.start else { continue };
        let never = instance.actors.iter().any(|other| other.name == *awaited && other.action.never_leaves());
        let edge = role.file.common().after.and_then(|after| after.edge.as_ref());
        if let (true, Some(edge)) = (never, edge) {
            let cause = format!("`{awaited}` never leaves: its CPU does not come back{}", at_point(instance));
            return Err(source.error(edge.mark, cause, Some("wait for `edge: entered`".to_owned())));
        }
    }
    let written: Vec<(&Planned, Mark)> = instance.actors.iter().zip(marks()).collect();
    acting(source, instance, &written)?;
    // A trial with a program ends with that at the latest.
    let ends = instance.workload.is_some() && instance.actors.is_empty();
    if ends || instance.actors.iter().any(|actor| ends_guest(actor, instance)) {
        return Ok(());
    }
    let mark = written.first().map_or_else(Mark::default, |(_, mark)| *mark);
    let hint = "add a `panic` or a `reboot`, or a sysctl that turns something into a panic: kernel.panic_on_oops, \
                kernel.panic_on_warn, kernel.unknown_nmi_panic, kernel.softlockup_panic, kernel.hardlockup_panic, \
                kernel.hung_task_panic";
    Err(source.error(mark, format!("no actor ends the guest{}", at_point(instance)), Some(hint.to_owned())))
}

/// The longest that it may take until an actor is through, after what it waits for. What has no end lasts not at all.
fn lasts(actor: &Planned) -> Duration {
    let start = actor.start.as_ref().map_or(Duration::ZERO, |start| match start {
        Start::At(delay) | Start::After { delay, .. } => delay.longest(),
    });
    let stay = match &actor.action {
        Action::Oops { count, every, .. } | Action::Print { enough: Enough::Count(count), every } => {
            every.longest().saturating_mul(count.saturating_sub(1))
        }
        action => match action.stay() {
            Some(Stay::For(time)) => time.longest(),
            Some(Stay::Forever) | None => Duration::ZERO,
        },
    };
    start.saturating_add(stay)
}

/// Whether one of these sysctls of the kernel's is set to something but 0.
pub(super) fn any_set(instance: &Instance, names: &[&str]) -> bool {
    let meant = |path: &str| path.strip_prefix("/proc/sys/kernel/").is_some_and(|name| names.contains(&name));
    instance.knobs.iter().any(|knob| meant(&knob.path) && knob.value != "0")
}

/// Whether the guest ends by what an actor does, sooner or later.
pub(super) fn ends_guest(actor: &Planned, instance: &Instance) -> bool {
    match actor.action {
        Action::Panic | Action::Reboot => true,
        Action::Oops { .. } => any_set(instance, &["panic_on_oops"]),
        Action::Warn => any_set(instance, &["panic_on_warn"]),
        Action::Nmi => any_set(instance, &NMIS),
        Action::Block { .. } => any_set(instance, &["hung_task_panic"]),
        Action::Spin { .. } | Action::Hold { .. } => any_set(instance, &LOCKUPS),
        Action::Print { .. } | Action::Harvest { .. } => false,
    }
}

/// Whether an actor may bring the CPU of `at` to `context`, where something has to come by.
fn brings(actor: &Planned, at: &Planned, instance: &Instance) -> bool {
    let ends = ends_guest(actor, instance);
    let panics = ends && !matches!(actor.action, Action::Reboot);
    // Who panics for a lock-up, a hung task or an NMI from outside may be any CPU.
    let its_own = matches!(actor.action, Action::Oops { .. } | Action::Panic | Action::Warn | Action::Reboot);
    let there = !its_own || may_be_one(&actor.cpu, &at.cpu);
    there
        && match at.context {
            Context::Notifier(_) => panics,
            _ => ends || matches!(actor.action, Action::Oops { .. }),
        }
}

fn may_be_one(a: &Cpu, b: &Cpu) -> bool {
    match (a, b) {
        (Cpu::Number(a), Cpu::Number(b)) => a == b,
        (Cpu::Number(one), Cpu::AnyOf(many)) | (Cpu::AnyOf(many), Cpu::Number(one)) => many.contains(one),
        (Cpu::AnyOf(a), Cpu::AnyOf(b)) => a.iter().any(|cpu| b.contains(cpu)),
    }
}

/// Whom an actor waits for: of each of these groups one has to act before it can.
fn waits_for<'a>(actor: &Planned, instance: &'a Instance) -> Vec<Vec<&'a Planned>> {
    let mut groups = Vec::new();
    if let Some(Start::After { actor: name, .. }) = &actor.start {
        groups.push(instance.actors.iter().filter(|other| other.name == *name).collect());
    }
    // Others than these may come by for any reason.
    if matches!(actor.context, Context::Notifier(_) | Context::Dumper | Context::BackendWrite) {
        let comers = instance.actors.iter().filter(|other| other.name != actor.name && brings(other, actor, instance));
        groups.push(comers.collect());
    }
    groups
}

/// That every actor gets to act: none waits, directly or not, for one that waits for it.
fn acting(source: &Source, instance: &Instance, written: &[(&Planned, Mark)]) -> Result<(), InputError> {
    let mut acting: Vec<&str> = Vec::new();
    let mut waiting = written.to_vec();
    loop {
        let (free, stuck): (Vec<_>, Vec<_>) = waiting.iter().copied().partition(|(actor, _)| {
            let acts = |others: &Vec<&Planned>| others.iter().any(|other| acting.contains(&other.name.as_str()));
            waits_for(actor, instance).iter().all(acts)
        });
        let Some((first, _)) = stuck.first() else { return Ok(()) };
        if free.is_empty() {
            let chain = chain(first, instance, &acting);
            let last = chain.last().copied().unwrap_or(first);
            let mark = written.iter().find(|(actor, _)| actor.name == last.name).map(|(_, mark)| *mark);
            let (cause, hint) = if waits_for(last, instance).iter().any(Vec::is_empty) {
                let (nothing, missing) = match last.context {
                    Context::Notifier(_) => ("panics", "a `panic`"),
                    _ => ("dumps the log", "an `oops` or a `panic`"),
                };
                let cpu = match &last.cpu {
                    Cpu::Number(cpu) => format!("CPU {cpu}"),
                    Cpu::AnyOf(_) => "its CPU".to_owned(),
                };
                let cause = format!("nothing {nothing} on {cpu}, so `{}` never acts", last.name);
                (cause, format!("put {missing} on this CPU"))
            } else {
                let names: Vec<&str> = chain.iter().map(|actor| actor.name.as_str()).collect();
                (format!("`{}` waits for itself", last.name), format!("who waits for whom: {}", names.join(" -> ")))
            };
            return Err(source.error(mark.unwrap_or_default(), cause, Some(hint)));
        }
        acting.extend(free.iter().map(|(actor, _)| actor.name.as_str()));
        waiting = stuck;
    }
}

/// Who waits for whom, from `first` on, until one waits for nobody or comes again. Those who act are waited for no more.
fn chain<'a>(first: &'a Planned, instance: &'a Instance, acting: &[&str]) -> Vec<&'a Planned> {
    let mut chain = vec![first];
    let mut actor = first;
    loop {
        let groups = waits_for(actor, instance);
        let unmet = groups.iter().find(|others| !others.iter().any(|other| acting.contains(&other.name.as_str())));
        let Some(next) = unmet.and_then(|others| others.first().copied()) else { return chain };
        let again = chain.iter().any(|earlier| earlier.name == next.name);
        chain.push(next);
        if again {
            return chain;
        }
        actor = next;
    }
}
