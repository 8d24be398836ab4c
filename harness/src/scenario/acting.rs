//! One point of the sweep: every actor gets to act, and is through before the guest's time is over.

use std::time::Duration;

use super::cast::Cast;
use super::ends;
use super::file::actor::ActorFile;
use super::instance::{Planned, at_point};
use super::{Action, Context, Cpu, Edge, Instance, PrintLimit, Start, Stay};
use crate::yaml::{InputError, Mark, Source};

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
    switches(source, cast, instance)?;
    let written: Vec<(&Planned, Mark)> = instance.actors.iter().zip(marks()).collect();
    acting(source, instance, &written)
}

/// That it is not known what the guest ends by, where it is not; shown where the actors begin.
pub(super) fn unknown_end(source: &Source, actors: &[ActorFile], instance: &Instance) -> Option<InputError> {
    let mark = actors.first().map_or_else(Mark::default, |actor| actor.name().mark);
    let warning = || {
        let cause = format!("nothing is known to end the guest{}", at_point(instance));
        source.error(mark, cause, Some(ends::missing(instance).to_owned()))
    };
    // A trial with a program alone ends with that at the latest.
    let by_itself = instance.workload.is_some() && instance.actors.is_empty();
    (instance.ends.by.is_empty() && !by_itself).then(warning)
}

/// That a CPU which is taken down is there, that one which is brought up may be away, that no CPU takes itself down, and that
/// nobody is to act on a CPU after it was taken down.
fn switches(source: &Source, cast: &Cast, instance: &Instance) -> Result<(), InputError> {
    let online = instance.guest.online;
    let goes_down = |cpu: u32| {
        let down = |other: &&Planned| other.action == Action::Switch { target: cpu, up: false };
        instance.actors.iter().find(down)
    };
    let comes_up = |cpu: u32| instance.actors.iter().any(|it| it.action == Action::Switch { target: cpu, up: true });
    for (actor, role) in instance.actors.iter().zip(&cast.0) {
        let wrong = |cause: String, hint: &str| {
            let cause = format!("{cause}{}", at_point(instance));
            Err(source.error(role.file.name().mark, cause, Some(hint.to_owned())))
        };
        if let Action::Switch { target, up } = actor.action {
            if actor.cpu == Cpu::Number(target) || matches!(&actor.cpu, Cpu::AnyOf(cpus) if cpus.contains(&target)) {
                return wrong(format!("`{}` may be on CPU {target} itself", actor.name), "put it on another CPU");
            }
            if up && target < online && goes_down(target).is_none() {
                return wrong(format!("CPU {target} is online already"), "write how many are: `guest: { online: 2 }`");
            }
            if !up && target >= online && !comes_up(target) {
                return wrong(format!("CPU {target} is not online"), "let a `cpu-up` bring it up before");
            }
        }
        if let (Cpu::Number(cpu), Some(Start::After { actor: awaited, edge: Edge::Left, .. })) =
            (&actor.cpu, &actor.start)
            && goes_down(*cpu).is_some_and(|down| down.name == *awaited)
        {
            return wrong(
                format!("`{}` is on CPU {cpu}, which `{awaited}` has taken down", actor.name),
                "let it act before",
            );
        }
    }
    Ok(())
}

/// The longest that it may take until an actor is through, after what it waits for. What has no end lasts not at all.
fn lasts(actor: &Planned) -> Duration {
    let start = actor.start.as_ref().map_or(Duration::ZERO, |start| match start {
        Start::At(delay) | Start::After { delay, .. } => delay.longest(),
    });
    let stay = match &actor.action {
        Action::Oops { count, every, .. } | Action::Print { limit: PrintLimit::Count(count), every } => {
            every.longest().saturating_mul(count.saturating_sub(1))
        }
        action => match action.stay() {
            Some(Stay::For(time)) => time.longest(),
            Some(Stay::Forever) | None => Duration::ZERO,
        },
    };
    start.saturating_add(stay)
}

/// Whether an actor may bring the CPU of `at` to `context`, where something has to come by.
fn brings(actor: &Planned, at: &Planned, instance: &Instance) -> bool {
    let ends = ends::of_actor(actor, instance);
    // Who panics for a lock-up, a hung task, an NMI or a machine check from outside may be any CPU.
    let its_own = matches!(
        actor.action,
        Action::Oops { .. } | Action::Panic | Action::Warn | Action::Reboot { .. } | Action::Exit
    );
    let there = !its_own || may_be_one(&actor.cpu, &at.cpu);
    there
        && match at.context {
            Context::Notifier(_) => ends.iter().any(|end| end.panics()),
            _ => !ends.is_empty() || matches!(actor.action, Action::Oops { .. }),
        }
}

fn may_be_one(a: &Cpu, b: &Cpu) -> bool {
    match (a, b) {
        (Cpu::Any, _) | (_, Cpu::Any) => true,
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
    // Others than these may come by for any reason, and so may these where only the author knows why there is a panic.
    let known = instance.actors.iter().any(|other| ends::of_actor(other, instance).iter().any(|end| end.panics()));
    let by_word = instance.ends.said && instance.ends.may_panic() && !known;
    if !by_word && matches!(actor.context, Context::Notifier(_) | Context::Dumper | Context::BackendWrite) {
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
                    Cpu::Any => "any CPU".to_owned(),
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
