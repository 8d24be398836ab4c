//! Who plays: the actors of the file with their CPUs and names, one for each CPU of those on `all-others` or `all`, and whom other
//! parts of the file mean by a name.

use super::file::File;
use super::file::actor::{ActorFile, CpuFile};
use super::{Cpu, Guest, check};
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
    /// The actors of a guest; `chosen` is the CPU that is meant by one that is written.
    pub(super) fn of(
        source: &Source,
        file: &'a File,
        guest: &Guest,
        chosen: impl Fn(&At<CpuFile>) -> Result<At<CpuFile>, InputError>,
    ) -> Result<Self, InputError> {
        let Guest { cpus, online, .. } = *guest;
        let mut of_actors = Vec::new();
        for (index, actor) in file.actors.iter().enumerate() {
            check::actor_name(source, actor.name())?;
            if file.actors.iter().take(index).any(|earlier| earlier.name().value == actor.name().value) {
                return Err(twice(source, actor.name(), actor.name()));
            }
            let cpu = chosen(actor.common().cpu)?;
            match cpu.value {
                CpuFile::Number(number) if number >= cpus => {
                    let hint = format!("CPUs count from 0; the guest has {cpus}");
                    return Err(source.error(cpu.mark, format!("the guest has no CPU {number}"), Some(hint)));
                }
                CpuFile::Number(number) if number >= online => {
                    let hint = format!("of the guest's {cpus} CPUs {online} are online when its actors are armed");
                    return Err(source.error(cpu.mark, format!("CPU {number} is not online"), Some(hint)));
                }
                _ => of_actors.push(cpu),
            }
        }
        let taken = |cpu: u32| of_actors.iter().any(|of| of.value == CpuFile::Number(cpu));
        let others: Vec<u32> = (0..online).filter(|cpu| !taken(*cpu)).collect();
        let mut roles: Vec<Role> = Vec::new();
        let mut drawn = 0;
        for (actor, cpu) in file.actors.iter().zip(&of_actors) {
            let name = actor.name();
            let role = |name: String, cpu| Role { name, cpu, file: actor };
            let each = |cpu: u32| role(format!("{}-{cpu}", name.value), Cpu::Number(cpu));
            let mut new = match cpu.value {
                CpuFile::Number(cpu) => vec![role(name.value.clone(), Cpu::Number(cpu))],
                CpuFile::AnyOther => {
                    drawn += 1;
                    vec![role(name.value.clone(), Cpu::AnyOf(others.clone()))]
                }
                CpuFile::AllOthers => others.iter().copied().map(each).collect(),
                CpuFile::All => (0..online).map(each).collect(),
                CpuFile::Any => vec![role(name.value.clone(), Cpu::Any)],
                // What it stands for was chosen.
                CpuFile::Parameter(_) => Vec::new(),
            };
            if new.is_empty() || drawn > others.len() {
                let hint = format!("the guest has {online}, and {} of them are not named by number", others.len());
                return Err(source.error(cpu.mark, format!("no CPU is left for `{}`", name.value), Some(hint)));
            }
            for Role { name: new, .. } in &new {
                if new.len() > check::MAX_ACTOR_NAME {
                    let cause = format!("`{new}` is too long for an actor's name");
                    let hint = format!(
                        "at most {} characters; one on `all-others` or `all` gets its CPU added",
                        check::MAX_ACTOR_NAME
                    );
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

    /// The actor that is called so, or those on `all-others` or `all` that are.
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
    let hint = "each actor has a name of its own; one on `all-others` or `all` gets its CPU added".to_owned();
    source.error(written.mark, format!("there are two actors `{name}`"), Some(hint))
}
