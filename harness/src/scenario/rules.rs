//! What an actor may do in which context, and when: the rules that hold at every point of the sweep.

use super::file::File;
use super::file::actor::{ActorFile, Common, ContextFile, Hold, Oops, Print};
use super::file::meet::{EntersDuring, MeetFile};
use super::{Cast, Lock, check};
use crate::yaml::{At, InputError, Mark, Source};

/// Of all actors: that their contexts and times can be, and that whom they and the meetings name is there.
pub(super) fn check(source: &Source, file: &File, cast: &Cast) -> Result<(), InputError> {
    for actor in &file.actors {
        time(source, actor)?;
        context(source, actor)?;
        only_so_often(source, actor)?;
        if let Some(after) = actor.common().after {
            cast.one(source, &after.actor)?;
        }
    }
    file.meet.iter().try_for_each(|meet| meeting(source, cast, meet))
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

fn time(source: &Source, actor: &ActorFile) -> Result<(), InputError> {
    let Common { name, context, at, after, .. } = actor.common();
    let wrong = |mark, cause| {
        let hint = "give one of the two: `at: 0ms` or `after: { actor: …, edge: entered, delay: 50ms }`";
        Err(source.error(mark, cause, Some(hint.to_owned())))
    };
    match (at, after) {
        (Some(at), Some(_)) => wrong(at.mark, format!("`{}` has both `at` and `after`", name.value)),
        (None, None) if !context.is_some_and(|context| context.comes_by()) => {
            wrong(name.mark, format!("`{}` has neither `at` nor `after`", name.value))
        }
        _ => Ok(()),
    }
}

fn context(source: &Source, actor: &ActorFile) -> Result<(), InputError> {
    let Common { name, context, .. } = actor.common();
    let written = context.map_or(&ContextFile::Thread, |context| &context.value);
    if let ContextFile::Function(function) = written {
        check::symbol(source, function)?;
    }
    let mark = context.map_or(name.mark, |context| context.mark);
    let wrong = |mark: Mark, cause: &str, hint: &str| {
        Err(source.error(mark, format!("`{}` {cause}", name.value), Some(hint.to_owned())))
    };
    match actor {
        ActorFile::Block(_) | ActorFile::Harvest(_) if !matches!(written, ContextFile::Thread) => {
            wrong(mark, "sleeps, which only a thread can", "leave `in` out")
        }
        ActorFile::Hold(Hold { lock: At { value: Lock::Console, .. }, .. })
            if !matches!(written, ContextFile::Thread | ContextFile::PreemptOff | ContextFile::IrqsOff) =>
        {
            let hint = "hold it in `thread`, `preempt-off` or `irqs-off`; it is taken before these begin";
            wrong(mark, "may have to sleep until it has the lock, which only a thread can", hint)
        }
        ActorFile::Hold(Hold { lock: At { value: Lock::RamoopsZone, mark }, .. }) => match context {
            Some(At { value: ContextFile::Function(function), .. }) if function.value == "persistent_ram_write" => {
                Ok(())
            }
            _ => wrong(
                *mark,
                "cannot know which zone is meant",
                "hold it `in: { function: persistent_ram_write }`, whose argument is the zone",
            ),
        },
        ActorFile::Oops(Oops { count, every, .. }) if !matches!(written, ContextFile::Thread) => {
            match count.as_ref().or(every.as_ref()) {
                Some(At { mark, .. }) => wrong(*mark, "oopses once in its context", "only threads can oops again"),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Of messages exactly one of their number and their time is given; and what comes once has no distance.
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
