//! Who plays: the actors of the file with their CPUs and names, one for each CPU of those on `all-others`, and whom other
//! parts of the file mean by a name.

use super::file::File;
use super::file::actor::{ActorFile, CpuFile};
use super::{Cpu, check};
use crate::yaml::{At, InputError, Source, UnknownName};

/// The guest's page has a slot for each actor.
const MAX_ACTORS: usize = 32;

/// An actor of the guest.
#[derive(Debug)]
pub(super) struct Role<'a> {
    pub name: String,
    pub cpu: Cpu,
    /// As it is written, perhaps together with others.
    pub file: &'a ActorFile,
}

/// The actors of the guest, in the order of the file and of the CPUs.
#[derive(Debug)]
pub(super) struct Cast<'a>(pub Vec<Role<'a>>);

impl<'a> Cast<'a> {
    /// The actors of a guest with `cpus` CPUs.
    pub(super) fn of(source: &Source, file: &'a File, cpus: u32) -> Result<Self, InputError> {
        for (index, actor) in file.actors.iter().enumerate() {
            check::actor_name(source, actor.name())?;
            if file.actors.iter().take(index).any(|earlier| earlier.name().value == actor.name().value) {
                return Err(twice(source, actor.name(), actor.name()));
            }
            let At { value, mark } = actor.common().cpu;
            if let CpuFile::Number(cpu) = value
                && *cpu >= cpus
            {
                let hint = format!("CPUs count from 0; the guest has {cpus}");
                return Err(source.error(*mark, format!("the guest has no CPU {cpu}"), Some(hint)));
            }
        }
        let taken = |cpu: u32| file.actors.iter().any(|actor| actor.common().cpu.value == CpuFile::Number(cpu));
        let others: Vec<u32> = (0..cpus).filter(|cpu| !taken(*cpu)).collect();
        let mut roles: Vec<Role> = Vec::new();
        let mut drawn = 0;
        for actor in &file.actors {
            let (name, cpu) = (actor.name(), actor.common().cpu);
            let role = |name: String, cpu| Role { name, cpu, file: actor };
            let mut new = match cpu.value {
                CpuFile::Number(cpu) => vec![role(name.value.clone(), Cpu::Number(cpu))],
                CpuFile::AnyOther => {
                    drawn += 1;
                    vec![role(name.value.clone(), Cpu::AnyOf(others.clone()))]
                }
                CpuFile::AllOthers => {
                    others.iter().map(|cpu| role(format!("{}-{cpu}", name.value), Cpu::Number(*cpu))).collect()
                }
            };
            if new.is_empty() || drawn > others.len() {
                let hint = format!("the guest has {cpus}, and {} of them are not named by number", others.len());
                return Err(source.error(cpu.mark, format!("no CPU is left for `{}`", name.value), Some(hint)));
            }
            for Role { name: new, .. } in &new {
                if new.len() > check::MAX_ACTOR_NAME {
                    let cause = format!("`{new}` is too long for an actor's name");
                    let hint =
                        format!("at most {} characters; one on `all-others` gets its CPU added", check::MAX_ACTOR_NAME);
                    return Err(source.error(name.mark, cause, Some(hint)));
                }
                if roles.iter().any(|role| role.name == *new) {
                    return Err(twice(source, name, new));
                }
            }
            roles.append(&mut new);
            if roles.len() > MAX_ACTORS {
                return Err(source.error(name.mark, format!("there are more than {MAX_ACTORS} actors"), None));
            }
        }
        Ok(Self(roles))
    }

    /// The actor that is called so.
    pub(super) fn one(&self, source: &Source, name: &At<String>) -> Result<&Role<'a>, InputError> {
        if let Some(role) = self.0.iter().find(|role| role.name == name.value) {
            return Ok(role);
        }
        let group = self.group(name);
        if group.is_empty() {
            let known = self.0.iter().map(|role| role.name.as_str());
            return Err(source.unknown(name.mark, &UnknownName::new("actor", &name.value, known)));
        }
        let names: Vec<&str> = group.iter().map(|role| role.name.as_str()).collect();
        let hint = format!("name one of {}", names.join(", "));
        Err(source.error(name.mark, format!("`{}` is on several CPUs", name.value), Some(hint)))
    }

    /// The actor that is called so, or those on `all-others` that are.
    pub(super) fn each(&self, source: &Source, name: &At<String>) -> Result<Vec<&Role<'a>>, InputError> {
        match self.group(name) {
            group if group.is_empty() => self.one(source, name).map(|role| vec![role]),
            group => Ok(group),
        }
    }

    fn group(&self, name: &str) -> Vec<&Role<'a>> {
        let written = |role: &&Role| role.file.name().value == name && role.name != name;
        self.0.iter().filter(written).collect()
    }
}

fn twice(source: &Source, written: &At<String>, name: &str) -> InputError {
    let hint = "each actor has a name of its own; one on `all-others` gets its CPU added".to_owned();
    source.error(written.mark, format!("there are two actors `{name}`"), Some(hint))
}
