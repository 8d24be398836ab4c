//! A scenario in plain English: what will happen on each CPU, when, and what is asked and expected of that.
//!
//! ```text
//! Scenario ─> the points that are meant ─> the first of them: Instance ─> (a seed) ─> Drawn ─> Explanation ─> text
//!                          └─> what is expected at which of them ─────────────────────────┘
//! ```

mod act;
mod asked;
#[cfg(test)]
mod tests;
mod text;
mod words;

use serde::Serialize;

use self::words::list;
use crate::model::Params;
use crate::model::consoles::FurtherConsole;
use crate::model::pstore::{Backend, Erst};
use crate::scenario::{
    Actor, Cpu, CrashBoot, Drawn, EarlierBoots, EfivarsAccess, EfivarsLoad, Instance, Knob, Parameter, Planned,
    Scenario, Span, Workload, at_point, ends,
};
use crate::text::plural;

/// A scenario in sentences. As JSON it is what `harness explain --format json` prints; as text, its [`Display`].
///
/// [`Display`]: std::fmt::Display
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The scenario's name.
    pub scenario: String,
    /// What happens, in one line.
    pub title: String,
    /// Why it is worth running.
    pub why: String,
    /// Where the case comes from.
    pub source: String,
    /// Each parameter of the sweep with its values, and which points are meant.
    pub sweep: Vec<String>,
    /// The point that is explained: the first of those that are meant.
    pub params: Params,
    /// The seed by which it is drawn, if it is.
    pub seed: Option<u64>,
    /// What that seed draws, an actor each; empty where nothing is drawn.
    pub drawn: Vec<String>,
    /// The guest, what is set in it, and when it counts as hung.
    pub guest: Vec<String>,
    /// What happens, by CPU.
    pub cpus: Vec<OnCpu>,
    /// What ends the guest.
    pub ends: Vec<String>,
    /// What must have met for a trial to count.
    pub meet: Vec<String>,
    /// What is asserted of the order of the kernel's steps.
    pub order: Vec<String>,
    /// What is expected, at all points that are meant.
    pub expect: Vec<String>,
    /// What the kernel must have.
    pub needs: Vec<String>,
}

/// What happens on a CPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnCpu {
    /// The CPU; or those of which it is one.
    pub cpu: String,
    /// The actors on it, a sentence or two each, in the order of the file.
    pub acts: Vec<String>,
}

impl Explanation {
    /// A scenario in sentences: what is expected at the points `meant`, and what happens at the first of them; drawn by
    /// `seed`, if there is one. `None` if `meant` is empty or has no point of this scenario in the first place.
    pub fn of(scenario: &Scenario, meant: &[Params], seed: Option<u64>) -> Option<Self> {
        let instances: Vec<&Instance> = meant.iter().filter_map(|params| scenario.at(params)).collect();
        let instance = *instances.first()?;
        let drawn = seed.map(|seed| instance.draw(seed));
        let actors = drawn.as_ref().map_or_else(|| instance.actors.clone(), as_planned);
        Some(Self {
            scenario: scenario.name.clone(),
            title: scenario.title.clone(),
            why: scenario.why.trim_end().to_owned(),
            source: scenario.source.clone(),
            sweep: sweep(scenario, &instances),
            params: instance.params.clone(),
            seed,
            drawn: drawn.as_ref().map(what_is_drawn).unwrap_or_default(),
            guest: guest(instance),
            cpus: cpus(instance, &actors),
            ends: ends(instance),
            meet: asked::preconditions(instance),
            order: instance.order.iter().map(asked::assertion).collect(),
            expect: asked::expectations(scenario, &instances),
            needs: asked::needs(&instance.needs),
        })
    }
}

/// Each parameter with its values, and which of the points are told.
fn sweep(scenario: &Scenario, meant: &[&Instance]) -> Vec<String> {
    if scenario.parameters.is_empty() {
        return Vec::new();
    }
    let values = |parameter: &Parameter| {
        let values: Vec<String> = parameter.values.iter().map(ToString::to_string).collect();
        format!("`{}` is {}.", parameter.name, list(&values, "or"))
    };
    let mut sentences: Vec<String> = scenario.parameters.iter().map(values).collect();
    let point = meant.first().map(|instance| at_point(instance)).unwrap_or_default();
    let point = point.trim_start_matches(" at ");
    let which = match (scenario.points().len(), meant.len()) {
        (1, _) => "That is one point.".to_owned(),
        (all, 1) => format!("Of these {all} points one is told, {point}."),
        (all, some) => {
            let some = if some == all { "all of them".to_owned() } else { format!("{some} of them") };
            format!(
                "These are {all} points. Told is what happens at the first, {point}, and what is expected at {some}; \
                 `--param NAME=VALUE` chooses."
            )
        }
    };
    sentences.push(which);
    sentences
}

/// As if nothing in it had to be drawn.
fn as_planned(drawn: &Drawn) -> Vec<Planned> {
    let cpu = |actor: &Actor, planned: &Planned| match planned.cpu {
        Cpu::Any => Cpu::Any,
        Cpu::Number(_) | Cpu::AnyOf(_) => Cpu::Number(actor.cpu),
    };
    let fixed = |(actor, planned): (&Actor, &Planned)| actor.map(cpu(actor, planned), |_, time| Span::Fixed(*time));
    drawn.actors.iter().zip(&drawn.instance.actors).map(fixed).collect()
}

/// An actor each: what of it was drawn, and what for.
fn what_is_drawn(drawn: &Drawn) -> Vec<String> {
    let mut sentences = Vec::new();
    for (planned, actor) in drawn.instance.actors.iter().zip(&drawn.actors) {
        let mut values = Vec::new();
        if matches!(planned.cpu, Cpu::AnyOf(_)) {
            values.push(format!("CPU {}", actor.cpu));
        }
        let mut open = Vec::new();
        planned.map((), |key, span| open.push((key, *span)));
        let mut times = Vec::new();
        actor.map((), |_, time| times.push(*time));
        for ((key, span), time) in open.into_iter().zip(times) {
            if !matches!(span, Span::Fixed(_)) {
                values.push(format!("{} as `{key}`", words::time(time)));
            }
        }
        if !values.is_empty() {
            sentences.push(format!("`{}` gets {}.", actor.name, list(&values, "and")));
        }
    }
    sentences
}

fn guest(instance: &Instance) -> Vec<String> {
    let guest = &instance.guest;
    let cpus = match guest.cpus {
        1 => "one CPU".to_owned(),
        cpus if guest.online < cpus => format!("{cpus} CPUs, of which {} are online,", guest.online),
        cpus => format!("{cpus} CPUs"),
    };
    let mut sentences = vec![format!("It has {cpus} and {} MiB of memory.", guest.memory_mib)];
    for console in &guest.consoles {
        sentences.push(match console {
            FurtherConsole::Earlycon => "Its boot console goes on to print, on a second serial line; that is the \
                                         channel `earlycon`."
                .to_owned(),
            FurtherConsole::Netconsole => "Its log is sent by a network card, too, which is connected to the harness \
                                           alone; that is the channel `netconsole`."
                .to_owned(),
        });
    }
    sentences.extend(pstore(&guest.pstore));
    if let Some(mib) = guest.crashkernel_mib {
        sentences.push(format!(
            "A crash kernel is loaded, for which {mib} MiB are reserved; what it can read of the dead kernel's memory \
             is the channel `kdump`."
        ));
        let CrashBoot { cpus, command_line } = &guest.crash_boot;
        if *cpus > 1 {
            sentences.push(format!("It brings up {cpus} CPUs."));
        }
        if !command_line.is_empty() {
            sentences.push(format!("The crash kernel's command line ends with `{}`.", command_line.join(" ")));
        }
    }
    if let Some(cpu) = instance.reload_on {
        sentences.push(format!("Once all is fired, the agent loads it anew, on CPU {cpu}."));
    }
    if !guest.command_line.is_empty() {
        sentences.push(format!("Its kernel's command line ends with `{}`.", guest.command_line.join(" ")));
    }
    if !instance.knobs.is_empty() {
        let knob = |knob: &Knob| {
            let name = match knob.path.strip_prefix("/proc/sys/") {
                Some(name) => format!("the sysctl {}", name.replace('/', ".")),
                None => knob.path.clone(),
            };
            format!("{name} to {}", knob.value)
        };
        let knobs: Vec<String> = instance.knobs.iter().map(knob).collect();
        sentences.push(format!("Before anything is armed, the agent sets {}.", list(&knobs, "and")));
    }
    if let Some(EarlierBoots { number, clock_s }) = instance.guest.earlier {
        let times = if number == 1 { "once".to_owned() } else { format!("{number} times") };
        let way = if clock_s < 0 { "back" } else { "forward" };
        sentences.push(format!(
            "Before that its kernel has booted {times}, and panicked; each boot finds what the last has left, and its clock set {way} \
             by {} s.",
            clock_s.unsigned_abs()
        ));
    }
    for (function, at_most) in &instance.waits {
        sentences.push(format!("In {function}() its kernel waits for up to {}.", words::time(*at_most)));
    }
    let deadline = words::time(instance.deadline);
    sentences.push(if instance.ends.survives() {
        format!("It has survived if its agent says so {deadline} after firing.")
    } else {
        let quiet = words::time(instance.quiet);
        format!("It counts as hung if it makes no progress for {quiet}, or has not ended {deadline} after firing.")
    });
    sentences
}

/// What its pstore writes to; nothing if that is the ERST.
fn pstore(backend: &Backend) -> Vec<String> {
    let efi = match backend {
        Backend::Erst(erst) => return record_store(erst),
        Backend::Ramoops(_) => {
            return vec!["Its pstore is ramoops, a part of memory that is read after the end.".to_owned()];
        }
        Backend::Efi(efi) => efi,
    };
    let mut sentences = vec![format!(
        "Its pstore writes EFI variables, to a {} store in the flash of its firmware, in records of {} KiB.",
        efi.store.name(),
        efi.record >> 10
    )];
    let used = (efi.used > 0).then(|| format!("{} KiB of variables of others", efi.used >> 10));
    let dumps = (efi.dumps > 0).then(|| format!("{} dumps of earlier boots", efi.dumps));
    let before: Vec<String> = used.into_iter().chain(dumps).collect();
    if !before.is_empty() {
        sentences.push(format!("Before it boots there are {} in the store.", list(&before, "and")));
    }
    if efi.read_only {
        sentences.push("The flash cannot be written, which the firmware does not tell the kernel.".to_owned());
    }
    sentences
}

/// How large the record store is and what is in it, where something is said of it.
fn record_store(erst: &Erst) -> Vec<String> {
    if *erst == Erst::default() {
        return Vec::new();
    }
    let mut sentence =
        format!("Its record store has room for {}", plural(usize::try_from(erst.records).unwrap_or(0), "record"));
    let kinds = [("of earlier boots", erst.used), ("that cannot be read", erst.damaged), ("of others", erst.foreign)];
    let before: Vec<String> = kinds.iter().filter(|(_, n)| *n > 0).map(|(kind, n)| format!("{n} {kind}")).collect();
    if !before.is_empty() {
        sentence.push_str(", of which before it boots there are ");
        sentence.push_str(&list(&before, "and"));
    }
    vec![sentence + "."]
}

/// Each CPU that somebody is on, by number, then those that are not drawn yet, then the rest in one line.
fn cpus(instance: &Instance, actors: &[Planned]) -> Vec<OnCpu> {
    let acts = |on: &Cpu| -> Vec<String> {
        actors.iter().filter(|actor| actor.cpu == *on).map(|actor| act::sentences(actor, instance)).collect()
    };
    let (busy, idle): (Vec<u32>, Vec<u32>) =
        (0..instance.guest.online).partition(|cpu| actors.iter().any(|actor| actor.cpu == Cpu::Number(*cpu)));
    let mut sections: Vec<OnCpu> =
        busy.into_iter().map(|cpu| OnCpu { cpu: format!("CPU {cpu}"), acts: acts(&Cpu::Number(cpu)) }).collect();
    let mut open = Vec::new();
    for actor in actors {
        if let Cpu::AnyOf(cpus) = &actor.cpu {
            let cpus: Vec<String> = cpus.iter().map(ToString::to_string).collect();
            open.push(OnCpu {
                cpu: format!("A CPU of its own, drawn in each trial: {}", list(&cpus, "or")),
                acts: vec![act::sentences(actor, instance)],
            });
        }
    }
    let anywhere = acts(&Cpu::Any);
    if open.is_empty() && !idle.is_empty() {
        let cpus: Vec<String> = idle.iter().map(|cpu| format!("CPU {cpu}")).collect();
        let verb = if idle.len() == 1 { "has" } else { "have" };
        sections.push(OnCpu { cpu: list(&cpus, "and"), acts: vec![format!("{verb} nothing to do.")] });
    }
    sections.append(&mut open);
    if !anywhere.is_empty() {
        sections.push(OnCpu { cpu: "Whichever CPU comes by".to_owned(), acts: anywhere });
    }
    sections.extend(instance.background.as_ref().map(background));
    sections.extend(instance.workload.as_ref().map(|workload| program(instance, workload)));
    sections
}

/// What user space does all the while.
fn background(load: &EfivarsLoad) -> OnCpu {
    let cpus: Vec<String> = load.cpus.iter().map(|cpu| format!("CPU {cpu}")).collect();
    let what = match load.access {
        EfivarsAccess::Read => "reads all EFI variables",
        EfivarsAccess::Write => "rewrites an EFI variable",
    };
    let act = format!("From before all is fired, a thread of the agent's {what}, over and over again.");
    OnCpu { cpu: list(&cpus, "and"), acts: vec![act] }
}

/// What the user's program does, as far as that is known.
fn program(instance: &Instance, workload: &Workload) -> OnCpu {
    let cpus: Vec<String> = workload.cpus.iter().map(ToString::to_string).collect();
    let cpu = match &cpus[..] {
        [] => "Any CPU".to_owned(),
        [only] => format!("CPU {only}"),
        several => format!("CPUs {}", list(several, "and")),
    };
    let path = instance.guest.program.as_ref().map(|program| program.path.display().to_string()).unwrap_or_default();
    let command: Vec<&str> =
        std::iter::once(path.as_str()).chain(workload.arguments.iter().map(String::as_str)).collect();
    let act = format!(
        "Once all is fired, the agent runs `{}`, for {} at most.",
        command.join(" "),
        words::time(workload.lasting)
    );
    OnCpu { cpu, acts: vec![act] }
}

/// What the author says that the guest ends by, what of the actors brings the end, and how the panic's line begins where
/// the file says that.
fn ends(instance: &Instance) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    if instance.ends.said {
        let by: Vec<String> = instance.ends.by.iter().map(|end| words::end(*end).to_owned()).collect();
        sentences.push(format!("A trial counts only if {}.", list(&by, "or")));
    }
    for actor in &instance.actors {
        sentences.extend(ends::of_actor(actor, instance).into_iter().map(|end| act::end(actor, end, instance)));
    }
    if sentences.is_empty() {
        sentences.push("What ends it is not known.".to_owned());
    }
    if instance.workload.is_some() && instance.actors.is_empty() {
        sentences.push("The kernel dies of the program; or the program ends, and the kernel has survived.".to_owned());
    }
    if let Some(line) = instance.panic_line.as_ref().filter(|line| !line.is_empty()) {
        sentences.push(format!("The panic's line begins with `Kernel panic - not syncing: {line}`."));
    }
    sentences
}
