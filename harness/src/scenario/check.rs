//! What makes a scenario impossible, found before anything is built or booted.

use std::time::Duration;

use super::file::{ActorFile, File, KnobFile, MeetFile};
use super::{Actor, Edge, Fault, Instance, Start, order};
use crate::yaml::{At, InputError, Mark, Source, UnknownName, visible};

/// The guest's page has a slot for each actor.
const MAX_ACTORS: usize = 32;
/// The guest's page has 16 bytes for an actor's name, the last of them NUL.
const MAX_ACTOR_NAME: usize = 15;

/// The names of the file: how they are written, that none is taken twice, that those referred to are there.
pub(super) fn names(source: &Source, file: &File) -> Result<(), InputError> {
    source.require_name(&file.name)?;
    name(source, "name", &file.name, 64)?;
    if file.title.trim().is_empty() || file.title.contains(char::is_control) {
        return Err(source.error(file.title.mark, "the title must be one line of text", None));
    }
    for tag in &file.tags {
        name(source, "tag", tag, 64)?;
    }
    for (parameter, _) in &file.params.0 {
        let good = parameter.starts_with(|c: char| c.is_ascii_lowercase())
            && parameter.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !good || parameter.len() > 32 {
            let hint = "a parameter's name is at most 32 small letters, digits and `_`, the first a letter";
            let cause = format!("`{}` cannot be a parameter's name", visible(parameter));
            return Err(source.error(parameter.mark, cause, Some(hint.to_owned())));
        }
    }
    needs(source, file)?;
    knobs(source, file)?;
    actors(source, file)?;
    order::names(source, file)
}

fn name(source: &Source, kind: &str, name: &At<String>, longest: usize) -> Result<(), InputError> {
    let good = !name.starts_with('-')
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if good && name.len() <= longest {
        return Ok(());
    }
    let hint = format!("it is at most {longest} small letters, digits and `-`, and does not begin with `-`");
    Err(source.error(name.mark, format!("`{}` cannot be a {kind}", visible(name)), Some(hint)))
}

/// The value of a parameter, which is one word: it stands in lists of cells and on command lines.
pub(super) fn word(source: &Source, mark: Mark, text: &str) -> Result<(), InputError> {
    let good = text.bytes().all(|b| b.is_ascii_graphic()) && !text.starts_with('$');
    value(source, mark, text, good, "printable ASCII characters without blanks, and does not begin with `$`")
}

/// The value of a knob, which goes to the agent as the rest of a line.
pub(super) fn knob_value(source: &Source, mark: Mark, text: &str) -> Result<(), InputError> {
    let good = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && text.trim() == text;
    value(source, mark, text, good, "printable ASCII characters, none of the outer ones a blank")
}

fn value(source: &Source, mark: Mark, text: &str, good: bool, what: &str) -> Result<(), InputError> {
    if good && !text.is_empty() && text.len() <= 64 {
        return Ok(());
    }
    let hint = format!("a value is 1 to 64 {what}");
    Err(source.error(mark, format!("`{}` cannot be a value", visible(text)), Some(hint)))
}

/// A symbol of the kernel's, which may become a word on a line for the agent.
fn symbol(source: &Source, written: &At<String>) -> Result<(), InputError> {
    let good = written.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && written.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b));
    if good && written.len() <= 64 {
        return Ok(());
    }
    let hint = "a symbol is at most 64 letters, digits, `_` and `.`, the first none of the digits".to_owned();
    Err(source.error(written.mark, format!("`{}` cannot be a symbol of the kernel's", visible(written)), Some(hint)))
}

fn needs(source: &Source, file: &File) -> Result<(), InputError> {
    let needs = &file.needs;
    for release in [&needs.since, &needs.until].into_iter().flatten() {
        let good = |part: &str| !part.is_empty() && part.len() <= 5 && part.bytes().all(|b| b.is_ascii_digit());
        if !release.split('.').all(good) || !(2..=3).contains(&release.split('.').count()) {
            let cause = format!("`{}` is no release of Linux", visible(release));
            let hint = "write it as \"6.12\" or \"6.12.117\"".to_owned();
            return Err(source.error(release.mark, cause, Some(hint)));
        }
    }
    needs.functions.iter().chain(&needs.symbols).try_for_each(|written| symbol(source, written))?;
    for option in &needs.config {
        let good = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !option.strip_prefix("CONFIG_").is_some_and(good) || option.len() > 64 {
            let cause = format!("`{}` cannot be an option of the kernel's", visible(option));
            return Err(source.error(option.mark, cause, Some("write it as CONFIG_PSTORE_RAM".to_owned())));
        }
    }
    Ok(())
}

fn knobs(source: &Source, file: &File) -> Result<(), InputError> {
    let mut seen = Vec::new();
    for knob in &file.knobs {
        let (key, parts) = match knob {
            KnobFile::Parameter(knob) => {
                (("parameter", Some(&*knob.module.value), &*knob.name.value), vec![&knob.module, &knob.name])
            }
            KnobFile::Sysctl(knob) => (("sysctl", None, &*knob.name.value), vec![&knob.name]),
        };
        for part in &parts {
            // The name becomes a part of a path: neither empty nor `.`, `..` or with a slash in it.
            let good =
                |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
            if !part.split('.').all(good) || part.len() > 64 {
                let hint = "it is made of letters, digits, `_` and `-`, with dots between them";
                let cause = format!("`{}` cannot be the name of a knob", visible(part));
                return Err(source.error(part.mark, cause, Some(hint.to_owned())));
            }
        }
        if seen.contains(&key) {
            let mark = parts.last().map(|part| part.mark).unwrap_or_default();
            return Err(source.error(mark, format!("`{}` is set twice", key.2), None));
        }
        seen.push(key);
    }
    Ok(())
}

fn actors(source: &Source, file: &File) -> Result<(), InputError> {
    let known = || file.actors.iter().map(|actor| actor.name().value.as_str());
    let mut seen: Vec<&str> = Vec::new();
    for actor in &file.actors {
        let actor = actor.name();
        name(source, "name of an actor", actor, MAX_ACTOR_NAME)?;
        if seen.contains(&actor.as_str()) {
            let hint = "each actor has a name of its own".to_owned();
            return Err(source.error(actor.mark, format!("there are two actors `{}`", actor.value), Some(hint)));
        }
        seen.push(actor);
        if seen.len() > MAX_ACTORS {
            return Err(source.error(actor.mark, format!("there are more than {MAX_ACTORS} actors"), None));
        }
    }
    let refers = |name: &At<String>| match file.actors.iter().find(|actor| actor.name().value == name.value) {
        Some(actor) => Ok(actor),
        None => Err(source.unknown(name.mark, &UnknownName::new("actor", &name.value, known()))),
    };
    for actor in &file.actors {
        let Some(after) = actor.after() else { continue };
        let other = refers(&after.actor)?;
        let left = after.edge.as_ref().filter(|edge| edge.value == Edge::Left);
        if let (Some(edge), ActorFile::Panic(_) | ActorFile::Oops(_)) = (left, other) {
            let cause = format!("`{}` never leaves: its CPU does not come back", after.actor.value);
            return Err(source.error(edge.mark, cause, Some("wait for `edge: entered`".to_owned())));
        }
    }
    for MeetFile::EntersDuring(meet) in &file.meet {
        refers(&meet.actor)?;
        refers(&meet.of)?;
        if meet.actor.value == meet.of.value {
            return Err(source.error(meet.of.mark, "an actor cannot enter during itself", None));
        }
    }
    Ok(())
}

/// One point of the sweep: the CPUs are there, every actor comes to act, the guest ends, and in time.
pub(super) fn instance(source: &Source, file: &File, instance: &Instance) -> Result<(), InputError> {
    for actor in &file.actors {
        let At { value: cpu, mark } = actor.cpu();
        if cpu >= instance.guest.cpus {
            let hint = format!("CPUs count from 0; the guest has {}", instance.guest.cpus);
            return Err(source.error(mark, format!("the guest has no CPU {cpu}"), Some(hint)));
        }
    }
    let written: Vec<(&Actor, Mark)> =
        instance.actors.iter().zip(file.actors.iter().map(|actor| actor.name().mark)).collect();
    for (actor, mark) in &written {
        let start = actor.fault.start().map_or(Duration::ZERO, |start| match start {
            Start::At(delay) | Start::After { delay, .. } => *delay,
        });
        if start + actor.budget() >= instance.deadline {
            let cause = format!("`{}` lasts beyond the deadline", actor.name);
            let hint = "shorten it, or give the scenario a later `deadline`".to_owned();
            return Err(source.error(*mark, format!("{cause}{}", at_point(instance)), Some(hint)));
        }
    }
    acting(source, instance, &written)?;
    order::instance(source, file, instance)?;
    if !instance.actors.iter().any(|actor| ends_guest(actor, instance)) {
        let mark = written.first().map_or(file.name.mark, |(_, mark)| *mark);
        let hint = "add a `panic`, or an `oops` with `sysctl: { name: kernel.panic_on_oops, value: 1 }`".to_owned();
        return Err(source.error(mark, format!("no actor ends the guest{}", at_point(instance)), Some(hint)));
    }
    Ok(())
}

fn ends_guest(actor: &Actor, instance: &Instance) -> bool {
    match actor.fault {
        Fault::Panic { .. } => true,
        Fault::Oops { .. } => {
            instance.knobs.iter().any(|knob| knob.path == "/proc/sys/kernel/panic_on_oops" && knob.value != "0")
        }
        Fault::HoldBackendWrite { .. } | Fault::SpinIrqsOff { .. } => false,
    }
}

/// Whom an actor waits for: one of these has to act before it can.
fn waits_for<'a>(actor: &Actor, all: &'a [Actor]) -> Option<Vec<&'a Actor>> {
    match actor.fault.start() {
        Some(Start::At(_)) => None,
        Some(Start::After { actor: name, .. }) => Some(all.iter().filter(|other| other.name == *name).collect()),
        // A back end is written to by whoever dumps the log on that CPU.
        None => {
            let dumps = |other: &&Actor| {
                other.cpu == actor.cpu && matches!(other.fault, Fault::Oops { .. } | Fault::Panic { .. })
            };
            Some(all.iter().filter(dumps).collect())
        }
    }
}

/// That every actor comes to act: nobody waits for somebody who, in the end, waits for him.
fn acting(source: &Source, instance: &Instance, written: &[(&Actor, Mark)]) -> Result<(), InputError> {
    let mut acting: Vec<&str> = Vec::new();
    let mut waiting = written.to_vec();
    loop {
        let (free, stuck): (Vec<_>, Vec<_>) = waiting.iter().copied().partition(|(actor, _)| {
            waits_for(actor, &instance.actors)
                .is_none_or(|others| others.iter().any(|other| acting.contains(&other.name.as_str())))
        });
        let Some((first, _)) = stuck.first() else { return Ok(()) };
        if free.is_empty() {
            let chain = chain(first, &instance.actors);
            let last = chain.last().copied().unwrap_or(first);
            let mark = written.iter().find(|(actor, _)| actor.name == last.name).map(|(_, mark)| *mark);
            let (cause, hint) = if waits_for(last, &instance.actors).is_some_and(|others| others.is_empty()) {
                let cause =
                    format!("nothing writes to the back end on CPU {}, so `{}` never acts", last.cpu, last.name);
                (cause, "put an `oops` or a `panic` on this CPU".to_owned())
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

/// Who waits for whom, from `first` on, until one waits for nobody or comes again.
fn chain<'a>(first: &'a Actor, all: &'a [Actor]) -> Vec<&'a Actor> {
    let mut chain = vec![first];
    let mut actor = first;
    while let Some(next) = waits_for(actor, all).and_then(|others| others.first().copied()) {
        let again = chain.iter().any(|earlier| earlier.name == next.name);
        chain.push(next);
        if again {
            break;
        }
        actor = next;
    }
    chain
}

/// The point of the sweep as the end of a sentence.
fn at_point(instance: &Instance) -> String {
    if instance.params.is_empty() {
        return String::new();
    }
    let params: Vec<String> = instance.params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!(" at {}", params.join(" "))
}
