//! What an actor may do in which context, and when: the rules that hold at every point of the sweep.

use super::file::File;
use super::file::actor::{ActorFile, Common, ContextFile, Oops, Print};
use super::file::meet::{EntersDuring, MeetFile};
use super::{Action, Cast, Failing, Lock, Reboot, check};
use crate::model::errors::MAX_ERRNO;
use crate::yaml::{At, InputError, Mark, Source};

/// Checks that the contexts and times of all actors are possible, and that the actors which they and the preconditions name
/// exist.
pub(super) fn check(source: &Source, file: &File, cast: &Cast) -> Result<(), InputError> {
    let mut exits = cast.0.iter().filter(|role| matches!(role.file, ActorFile::Exit(_)));
    if let (Some(_), Some(second)) = (exits.next(), exits.next()) {
        return Err(source.error(second.file.name().mark, "the agent ends once, and no second time", None));
    }
    for actor in &file.actors {
        one_time(source, actor)?;
        only_so_often(source, actor)?;
        if let Some(after) = actor.common().after {
            cast.one(source, &after.actor)?;
        }
    }
    file.meet.iter().try_for_each(|meet| meeting(source, cast, meet))
}

const ONE_TIME: &str = "give one of the two: `at: 0ms` or `after: { actor: …, edge: entered, delay: 50ms }`";

fn one_time(source: &Source, actor: &ActorFile) -> Result<(), InputError> {
    let Common { name, at, after, .. } = actor.common();
    match (at, after) {
        (Some(at), Some(_)) => {
            let cause = format!("`{}` has both `at` and `after`", name.value);
            Err(source.error(at.mark, cause, Some(ONE_TIME.to_owned())))
        }
        _ => Ok(()),
    }
}

fn meeting(source: &Source, cast: &Cast, meet: &MeetFile) -> Result<(), InputError> {
    match meet {
        MeetFile::EntersDuring(EntersDuring { actor, of, .. }) => {
            cast.one(source, actor)?;
            if cast.each(source, of)?.iter().any(|role| role.name == actor.value) {
                return Err(source.error(of.mark, "an actor cannot enter during itself", None));
            }
        }
        MeetFile::Left(alone) | MeetFile::NeverLeft(alone) => {
            cast.one(source, &alone.actor)?;
        }
        MeetFile::Apart(apart) => {
            cast.one(source, &apart.actor)?;
            cast.one(source, &apart.from)?;
            if apart.actor.value == apart.from.value {
                return Err(source.error(apart.from.mark, "an actor is never apart from itself", None));
            }
        }
    }
    Ok(())
}

/// At one point of the sweep: whether the actor can do that in this context, and when. What is wrong with a context is
/// shown where it stands; without one that is at the actor's name.
pub(super) fn in_context<T>(
    source: &Source,
    actor: &ActorFile,
    action: &Action<T>,
    context: &At<&ContextFile>,
) -> Result<(), InputError> {
    let Common { name, at, after, .. } = actor.common();
    if at.is_none() && after.is_none() && !context.is_event_driven() {
        return Err(source.error(
            name.mark,
            format!("`{}` has neither `at` nor `after`", name.value),
            Some(ONE_TIME.to_owned()),
        ));
    }
    if let ContextFile::Function(function) = context.value {
        check::symbol(source, function)?;
    }
    let wrong = |cause: &str, hint: &str| {
        Err(source.error(context.mark, format!("`{}` {cause}", name.value), Some(hint.to_owned())))
    };
    match action {
        Action::Block { .. }
        | Action::Harvest { .. }
        | Action::Exhaust
        | Action::SynchronizeRcu { .. }
        | Action::Reboot { how: Reboot::Orderly | Reboot::PowerOff }
            if !matches!(context.value, ContextFile::Thread) =>
        {
            wrong("sleeps, which only a thread can", "leave `in` out")
        }
        Action::Hold { lock: Lock::Console | Lock::Efivars | Lock::EfiRuntime, .. }
            if !matches!(context.value, ContextFile::Thread | ContextFile::PreemptOff | ContextFile::IrqsOff) =>
        {
            let hint = "hold it in `thread`, `preempt-off` or `irqs-off`; it is taken before these begin";
            wrong("may have to sleep until it has the lock, which only a thread can", hint)
        }
        Action::Hold { lock: Lock::RamoopsZone, .. } => match context.value {
            ContextFile::Function(function) if function.value == "persistent_ram_write" => Ok(()),
            _ => wrong(
                "cannot know which zone is meant",
                "hold it `in: { function: persistent_ram_write }`, whose argument is the zone",
            ),
        },
        Action::Fail { failing, part, .. } => match context.value {
            ContextFile::Function(_) if part.is_some() || *failing == Failing::Torn => {
                wrong("may be given no record there", "`part` and `kind: torn` are for `in: backend-write`")
            }
            ContextFile::BackendWrite if matches!(failing, Failing::Error(error) if *error < -MAX_ERRNO) => {
                wrong("is no firmware there", "name an error of the kernel's, such as ENOSPC")
            }
            ContextFile::Function(_) | ContextFile::BackendWrite => Ok(()),
            _ => wrong(
                "is no function there",
                "let it fail `in: backend-write`, or in a function by its name, `in: { function: NAME }`",
            ),
        },
        Action::Oops { count: 2.., .. } if !matches!(context.value, ContextFile::Thread) => {
            wrong("oopses once in its context", "only threads can oops again")
        }
        _ => Ok(()),
    }
}

/// Checks that exactly one of the number of messages and their time is given, and that what comes once has no distance.
fn only_so_often(source: &Source, actor: &ActorFile) -> Result<(), InputError> {
    let wrong = |mark: Mark, name: &At<String>, cause: &str, hint: &str| {
        Err(source.error(mark, format!("`{}` {cause}", name.value), Some(hint.to_owned())))
    };
    match actor {
        ActorFile::Print(Print { name, count, lasting, .. }) => match (count, lasting) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            (None, None) => wrong(name.mark, name, "has neither `count` nor `for`", "say how much is enough"),
            (Some(count), Some(_)) => wrong(count.mark, name, "has both `count` and `for`", "give one of the two"),
        },
        ActorFile::Oops(Oops { name, count: None, every: Some(every), .. }) => {
            wrong(every.mark, name, "oopses once, so nothing comes in between", "give a `count`, or leave `every` out")
        }
        _ => Ok(()),
    }
}
