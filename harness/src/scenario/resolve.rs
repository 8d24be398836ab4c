//! From the file as written to the scenario at each point of its sweep.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::cast::{Cast, Role};
use super::file::actor::{ActorFile, CpuFile, Hold, Nmi, Stay};
use super::file::ends::EndsByFile;
use super::file::meet::{Alone, Apart, EntersDuring, MeetFile};
use super::file::{
    BackgroundFile, ExpectFile, File, GuestFile, KdumpFile, KdumpGivenFile, KnobFile, ModuleParameter, SplatsFile,
    Sysctl, WaitFile,
};
use super::instance::{self, Planned};
use super::scalar::Scalar;
use super::sweep::{self, Choice, Swept};
use super::{
    CRASHKERNEL_MIB, CrashBoot, EarlierBoots, EfivarsLoad, Guest, Instance, Knob, Parameter, PointFilter, Program,
    Scenario, Workload, acting, check, ends, needs, order, pstore, rules, units, workload,
};
use crate::model::consoles::FurtherConsole;
use crate::model::ends::Ends;
use crate::model::order::OrderAssertion;
use crate::model::pstore::Backend;
use crate::model::{Channel, ChannelOutcome, Expectation, GuestChange, ParamValue, Params, Precondition};
use crate::yaml::{At, Collected, InputError, Mark, Problems, Source, UnknownName, visible};

mod actor;

const DEFAULT_CPUS: u32 = 4;
const DEFAULT_MIB: u32 = 256;
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);
/// Nothing that a dying kernel waits for takes longer without anything being done: a CPU has a second to stop.
const DEFAULT_QUIET: Duration = Duration::from_secs(3);
/// Not 1: a share of exactly all is refuted by a single trial, and no number of trials can show it.
const DEFAULT_AT_LEAST: f64 = 0.9;
/// Below this the guest's kernel does not boot; above it the host of a whole suite would suffer.
const MEMORY_MIB: std::ops::RangeInclusive<u64> = 64..=8192;

/// The scenario that `file`, read from `source`, describes, for its own guest but for what `change` says.
///
/// What does not depend on each other is all checked, so that as much as can be is said of what is wrong.
pub(super) fn scenario(source: &Source, file: &File, change: GuestChange) -> Result<Scenario, Problems> {
    let texts = check::texts(source, file);
    let guest = guest(source, file, change);
    let swept = guest.clone().and_then(|guest| sweep::expand(source, file, guest.online));
    // Where a CPU is a parameter's, each point has a cast of its own.
    let is_swept = file.actors.iter().any(|actor| matches!(actor.common().cpu.value, CpuFile::Parameter(_)));
    let as_written = |cpu: &At<CpuFile>| Ok(cpu.clone());
    let fixed =
        if is_swept { None } else { Some(guest.clone().and_then(|guest| cast(source, file, &guest, as_written))) };
    let fixed = fixed.transpose();
    let parameters = swept.as_ref().map(|swept| parameters(swept)).unwrap_or_default();
    let filters = swept.clone().and_then(|_| Filters::resolve(source, file, &parameters));
    let mut problems = Collected::default();
    problems.note(&texts);
    problems.note(&guest);
    problems.note(&fixed);
    problems.note(&swept);
    problems.note(&filters);
    problems.end()?;

    let (guest, fixed, swept, filters) = (guest?, fixed?, swept?, filters?);
    let used = RefCell::default();
    let (mut instances, mut warning) = (Vec::new(), None);
    let mut problems = Collected::default();
    for choice in sweep::choices(source, &swept)? {
        let chosen = Chosen { source, choice, used: &used };
        let at = |cast: &Cast| Point { source, file, cast, guest: &guest, chosen: &chosen }.checked(&filters);
        let instance = match &fixed {
            Some(cast) => at(cast),
            None => cast(source, file, &guest, |cpu| chosen.cpu(cpu)).and_then(|cast| at(&cast)),
        };
        problems.note(&instance);
        if let Ok(instance) = &instance {
            warning = warning.or_else(|| acting::unknown_end(source, &file.actors, instance));
        }
        instances.extend(instance);
    }
    problems.end()?;
    for (name, _) in &file.params.0 {
        if !used.borrow().contains(&name.value) {
            let hint = format!("write `${0}` where its value is meant, or leave it out", name.value);
            let cause = format!("the parameter `{}` is not used", name.value);
            return Err(source.error(name.mark, cause, Some(hint)).into());
        }
    }
    Ok(Scenario {
        name: file.name.value.clone(),
        title: file.title.value.clone(),
        why: file.why.value.clone(),
        source: file.source.value.clone(),
        tags: file.tags.iter().map(|tag| tag.value.clone()).collect(),
        parameters,
        warning,
        digest: digest(source, guest.program.as_ref()),
        instances,
    })
}

/// What tells the scenario from any other: the file's, and the program's if it runs one.
fn digest(source: &Source, program: Option<&Program>) -> String {
    match program {
        Some(program) => format!("{:x}", Sha256::digest(format!("{} {}", source.digest(), program.digest))),
        None => source.digest(),
    }
}

/// The actors, of whom everything else of the file that names one is known to exist.
fn cast<'a>(
    source: &Source,
    file: &'a File,
    guest: &Guest,
    chosen: impl Fn(&At<CpuFile>) -> Result<At<CpuFile>, InputError>,
) -> Result<Cast<'a>, InputError> {
    let cast = Cast::of(source, file, guest, chosen)?;
    rules::check(source, file, &cast)?;
    order::names(source, file, &cast)?;
    Ok(cast)
}

/// The parameters of the sweep, in the order of the file.
fn parameters(swept: &[Swept<'_>]) -> Vec<Parameter> {
    let values = |values: &[At<Scalar>]| values.iter().map(|value| value.value.0.clone()).collect();
    swept.iter().map(|(name, written)| Parameter { name: name.value.clone(), values: values(written) }).collect()
}

/// The guest that the file asks for, but for what `change` says.
fn guest(source: &Source, file: &File, change: GuestChange) -> Result<Guest, InputError> {
    let mut guest = Guest {
        cpus: DEFAULT_CPUS,
        online: DEFAULT_CPUS,
        memory_mib: DEFAULT_MIB,
        command_line: Vec::new(),
        pstore: Backend::default(),
        earlier: earlier_boots(source, &file.guest)?,
        consoles: check::consoles(source, &file.guest.consoles)?,
        crashkernel_mib: None,
        crash_boot: CrashBoot::default(),
        program: None,
    };
    if let Some(workload) = &file.workload {
        guest.program = Some(workload::program(source, &workload.program)?);
    }
    guest.command_line.extend(file.guest.command_line.iter().map(|word| word.value.clone()));
    if let Some(cpus) = &file.guest.cpus {
        guest.cpus = cpus.value;
        if !(1..=8).contains(&cpus.value) {
            return Err(source.error(cpus.mark, "a guest has 1 to 8 CPUs", None));
        }
    }
    if let Some(memory) = &file.guest.memory {
        let mebibytes = fixed(source, memory, units::mebibytes)?;
        let fitting = u32::try_from(mebibytes).ok().filter(|_| MEMORY_MIB.contains(&mebibytes));
        guest.memory_mib =
            fitting.ok_or_else(|| source.error(memory.mark, "a guest has 64MiB to 8GiB of memory", None))?;
    }
    if let Some(backend) = &file.guest.pstore {
        guest.pstore = pstore::backend(source, backend)?;
    }
    if let Some(At { value: KdumpFile::Given(given), .. }) = &file.guest.kdump {
        guest.crash_boot.command_line.extend(given.command_line.iter().map(|word| word.value.clone()));
        if let Some(cpus) = &given.cpus {
            guest.crash_boot.cpus = cpus.value;
            if !(1..=guest.cpus).contains(&cpus.value) {
                let cause = format!("a crash kernel brings up 1 to {} CPUs of this guest", guest.cpus);
                return Err(source.error(cpus.mark, cause, None));
            }
        }
    }
    if let Some(At { value: online, mark }) = file.guest.online {
        if !(1..=guest.cpus).contains(&online) {
            let cause = format!("of the guest's {} CPUs 1 to {} can be online", guest.cpus, guest.cpus);
            return Err(source.error(mark, cause, None));
        }
        if instance::online(guest.cpus, &guest.command_line) < guest.cpus {
            let hint = "leave one of the two out".to_owned();
            return Err(source.error(mark, "the command line says how many CPUs are online as well", Some(hint)));
        }
        guest.command_line.push(format!("maxcpus={online}"));
    }
    let (cpus, backend) = (change.cpus.unwrap_or(guest.cpus), change.pstore.unwrap_or(guest.pstore));
    if let Some(memory) = &file.guest.memory
        && backend.efi().is_some()
        && guest.memory_mib < pstore::EFI_MEMORY_MIB
    {
        let cause = format!("a guest with EFI firmware has at least {}MiB of memory", pstore::EFI_MEMORY_MIB);
        return Err(source.error(memory.mark, cause, None));
    }
    let online = instance::online(cpus, &guest.command_line);
    Ok(Guest { cpus, online, pstore: backend, ..guest })
}

/// The boots before the trial's.
fn earlier_boots(source: &Source, file: &GuestFile) -> Result<Option<EarlierBoots>, InputError> {
    let clock_s = match &file.clock {
        Some(written) => fixed(source, written, units::clock_change)?,
        None => 3600,
    };
    let number = match &file.boots {
        Some(At { value: boots @ 1..=4, .. }) => boots - 1,
        Some(At { mark, .. }) => return Err(source.error(*mark, "a trial's boot is the first to the fourth", None)),
        None => 0,
    };
    if let (Some(At { mark, .. }), 0) = (&file.clock, number) {
        let hint = "say which boot the trial's is: `boots: 2`".to_owned();
        return Err(source.error(*mark, "the clock is set between two boots, and there is one", Some(hint)));
    }
    Ok((number > 0).then_some(EarlierBoots { number, clock_s }))
}

/// A quantity as it is written.
fn fixed<T>(
    source: &Source,
    written: &At<String>,
    unit: impl Fn(&str) -> Result<T, units::BadQuantity>,
) -> Result<T, InputError> {
    unit(&written.value).map_err(|bad| source.error(written.mark, bad.cause, Some(bad.hint)))
}

/// The `where`s of the file.
struct Filters {
    ends: Vec<PointFilter>,
    meet: Vec<PointFilter>,
    order: Vec<PointFilter>,
    expect: Vec<PointFilter>,
}

impl Filters {
    fn resolve(source: &Source, file: &File, parameters: &[Parameter]) -> Result<Self, InputError> {
        let filter = |only| PointFilter::resolve(source, only, parameters);
        let ends = file.ends_by.iter().flat_map(|ends| ends.filters());
        Ok(Self {
            ends: ends.map(filter).collect::<Result<_, _>>()?,
            meet: file.meet.iter().map(|meet| filter(meet.only())).collect::<Result<_, _>>()?,
            order: file.order.iter().map(|order| filter(order.only())).collect::<Result<_, _>>()?,
            expect: file.expect.iter().map(|expect| filter(&expect.only)).collect::<Result<_, _>>()?,
        })
    }
}

/// One point of the sweep of one file.
struct Point<'a> {
    source: &'a Source,
    file: &'a File,
    cast: &'a Cast<'a>,
    guest: &'a Guest,
    chosen: &'a Chosen<'a>,
}

/// What the parameters are at one point.
struct Chosen<'a> {
    source: &'a Source,
    choice: Choice<'a>,
    /// The parameters that something referred to.
    used: &'a RefCell<BTreeSet<String>>,
}

impl Chosen<'_> {
    /// The value of a parameter that is named at `mark`, and its place.
    fn parameter(&self, name: &str, mark: Mark) -> Result<(ParamValue, Mark), InputError> {
        let Some((_, value)) = self.choice.iter().find(|(known, _)| *known == name) else {
            let known = self.choice.iter().map(|(known, _)| *known);
            return Err(self.source.unknown(mark, &UnknownName::new("parameter", name, known)));
        };
        self.used.borrow_mut().insert(name.to_owned());
        Ok((value.0.clone(), value.mark))
    }

    /// The CPU as it is written, or that of the parameter which it names.
    fn cpu(&self, written: &At<CpuFile>) -> Result<At<CpuFile>, InputError> {
        let CpuFile::Parameter(name) = &written.value else { return Ok(written.clone()) };
        let (value, mark) = self.parameter(name, written.mark)?;
        let cpu = match &value {
            ParamValue::Number(number) => u32::try_from(*number).ok().map(CpuFile::Number),
            ParamValue::Text(word) => CpuFile::of_word(word),
        };
        cpu.map(|value| At { value, mark }).ok_or_else(|| {
            let hint = "it is the number of a CPU, `any-other`, `all-others` or `all`".to_owned();
            self.source.error(mark, format!("`{}` cannot be a CPU", visible(&value.to_string())), Some(hint))
        })
    }
}

impl Point<'_> {
    /// The scenario here, if it is possible.
    fn checked(&self, filters: &Filters) -> Result<Instance, InputError> {
        let mut instance = self.instance(filters)?;
        if !instance.ends.said {
            instance.ends.by = ends::of(&instance);
        }
        acting::check(self.source, self.cast, &instance)?;
        check::told(self.source, self.file, &instance)?;
        order::instance(self.source, self.file, &instance)?;
        Ok(instance)
    }

    fn instance(&self, filters: &Filters) -> Result<Instance, InputError> {
        let params: Params =
            self.chosen.choice.iter().map(|(name, value)| ((*name).to_owned(), value.0.clone())).collect();
        let actors = self.cast.0.iter().map(|role| self.actor(role)).collect::<Result<Vec<_>, _>>()?;
        let must_enter = |role: &&Role| match role.file {
            ActorFile::Hold(Hold { optional, .. })
            | ActorFile::Nmi(Nmi { optional, .. })
            | ActorFile::Spin(Stay { optional, .. })
            | ActorFile::Block(Stay { optional, .. })
            | ActorFile::Harvest(Stay { optional, .. }) => !optional,
            _ => true,
        };
        let entered = |role: &Role| Precondition::Entered { actor: role.name.clone() };
        let mut preconditions: Vec<Precondition> = self.cast.0.iter().filter(must_enter).map(entered).collect();
        for (meet, only) in self.file.meet.iter().zip(&filters.meet) {
            if only.matches(&params) {
                preconditions.extend(self.precondition(meet, &actors)?);
            }
        }
        let ordered = self.file.order.iter().zip(&filters.order).filter(|(_, only)| only.matches(&params));
        let duration = |written: &At<Scalar>| self.duration(written);
        let order: Vec<_> =
            ordered.map(|(written, _)| order::assertion(written, duration)).collect::<Result<_, _>>()?;
        let expected = self.file.expect.iter().zip(&filters.expect).filter(|(_, only)| only.matches(&params));
        let expected: Vec<&ExpectFile> = expected.map(|(expect, _)| expect).collect();
        let deadline = self.fixed_or(self.file.deadline.as_ref(), DEFAULT_DEADLINE)?;
        let ends = self.ends(&params, filters)?;
        let steps = order::own_steps(self.file);
        let crashkernel_mib = self.crashkernel_mib()?;
        let reload_on = self.reload_on(crashkernel_mib)?;
        let guest = Guest { crashkernel_mib, ..self.guest.clone() };
        let background = self.background()?;
        Ok(Instance {
            scenario: self.file.name.value.clone(),
            needs: needs::needs(&self.file.needs, &steps, &guest, background.as_ref(), &actors),
            guest,
            deadline,
            quiet: self.quiet(deadline)?,
            waits: self.file.waits.iter().map(|wait| self.wait(wait)).collect::<Result<_, _>>()?,
            knobs: self.file.knobs.iter().map(|knob| self.knob(knob)).collect::<Result<_, _>>()?,
            reload_on,
            ends,
            background,
            workload: self.workload(deadline)?,
            preconditions,
            panic_line: self.file.panic_line.as_ref().map(|line| line.value.clone()),
            allowed_splats: self.allowed_splats(&expected)?,
            expectations: expected
                .into_iter()
                .map(|expect| self.expectation(expect, &order, crashkernel_mib.is_some()))
                .collect::<Result<_, _>>()?,
            steps,
            order,
            actors,
            params,
        })
    }

    /// What the author says that the guest ends by here.
    fn ends(&self, params: &Params, filters: &Filters) -> Result<Ends, InputError> {
        let Some(written) = &self.file.ends_by else { return Ok(Ends::default()) };
        let what = "what a guest ends by";
        let by = match &written.value {
            EndsByFile::One(end) => vec![*self.named(&At { value: end.clone(), mark: written.mark }, what)?.0],
            EndsByFile::Several(ends) if ends.is_empty() => {
                return Err(self.source.error(written.mark, "nothing is listed", None));
            }
            EndsByFile::Several(ends) => {
                let here = ends.iter().zip(&filters.ends).filter(|(_, only)| only.matches(params));
                here.map(|(end, _)| Ok(*self.named(&end.end, what)?.0)).collect::<Result<_, InputError>>()?
            }
        };
        Ok(Ends { said: !by.is_empty(), by })
    }

    fn workload(&self, deadline: Duration) -> Result<Option<Workload>, InputError> {
        let Some(written) = &self.file.workload else { return Ok(None) };
        let lasting = self.duration(&written.lasting)?;
        if lasting.is_zero() || lasting >= deadline {
            let cause = format!("the program cannot run for {lasting:?} before the deadline");
            let hint = "let it run for longer than nothing, and give the scenario a later `deadline`".to_owned();
            return Err(self.source.error(written.lasting.mark, cause, Some(hint)));
        }
        let cpus = self.cpus(&written.cpus)?;
        let argument = |written: &At<Scalar>| {
            let (value, mark) = self.value(written)?;
            let text = value.to_string();
            check::argument(self.source, mark, &text)?;
            Ok(text)
        };
        Ok(Some(Workload {
            arguments: written.args.iter().map(argument).collect::<Result<_, InputError>>()?,
            cpus,
            lasting,
        }))
    }

    /// What user space does all the while.
    fn background(&self) -> Result<Option<EfivarsLoad>, InputError> {
        let Some(BackgroundFile { efivars, cpus }) = &self.file.background else { return Ok(None) };
        let access = *self.named(efivars, "what is done to EFI variables")?.0;
        if cpus.is_empty() {
            return Err(self.source.error(
                efivars.mark,
                "there are no CPUs to do that on",
                Some("name one".to_owned()),
            ));
        }
        Ok(Some(EfivarsLoad { access, cpus: self.cpus(cpus)? }))
    }

    /// CPUs that the guest has.
    fn cpus(&self, written: &[At<u32>]) -> Result<Vec<u32>, InputError> {
        let cpu = |written: &At<u32>| match written.value {
            cpu if cpu < self.guest.cpus => Ok(cpu),
            cpu => Err(self.source.error(written.mark, format!("the guest has no CPU {cpu}"), None)),
        };
        written.iter().map(cpu).collect()
    }

    fn fixed_or(&self, written: Option<&At<String>>, default: Duration) -> Result<Duration, InputError> {
        written.map_or(Ok(default), |written| fixed(self.source, written, units::duration))
    }

    fn quiet(&self, deadline: Duration) -> Result<Duration, InputError> {
        let quiet = self.fixed_or(self.file.quiet.as_ref(), DEFAULT_QUIET.min(deadline))?;
        match &self.file.quiet {
            Some(written) if quiet > deadline || quiet.is_zero() => {
                let hint = "it is longer than nothing, and no longer than the `deadline`".to_owned();
                let cause = format!("a guest cannot be quiet for {} before its deadline", written.value);
                Err(self.source.error(written.mark, cause, Some(hint)))
            }
            _ => Ok(quiet),
        }
    }

    fn wait(&self, WaitFile { function, at_most }: &WaitFile) -> Result<(String, Duration), InputError> {
        check::symbol(self.source, function)?;
        Ok((function.value.clone(), self.duration(at_most)?))
    }

    fn knob(&self, knob: &KnobFile) -> Result<Knob, InputError> {
        let (KnobFile::Parameter(ModuleParameter { value, .. }) | KnobFile::Sysctl(Sysctl { value, .. })) = knob;
        let (value, mark) = self.value(value)?;
        let value = value.to_string();
        check::knob_value(self.source, mark, &value)?;
        Ok(match knob {
            KnobFile::Parameter(ModuleParameter { module, name, .. }) => {
                Knob::parameter(&module.value, &name.value, value)
            }
            KnobFile::Sysctl(Sysctl { name, .. }) => Knob::sysctl(name, value),
        })
    }

    /// How much memory is reserved for a crash kernel, if one is loaded.
    fn crashkernel_mib(&self) -> Result<Option<u32>, InputError> {
        let Some(written) = &self.file.guest.kdump else { return Ok(None) };
        let (value, mark) = match &written.value {
            KdumpFile::Word(word) => self.value(&At { value: word.clone(), mark: written.mark })?,
            KdumpFile::Given(KdumpGivenFile { reserve: Some(reserve), .. }) => self.value(reserve)?,
            KdumpFile::Given(_) => return Ok(Some(CRASHKERNEL_MIB)),
        };
        match value.to_string().as_str() {
            "none" => Ok(None),
            "loaded" => Ok(Some(CRASHKERNEL_MIB)),
            size => {
                let size = fixed(self.source, &At { value: size.to_owned(), mark }, units::mebibytes)?;
                let fits = u32::try_from(size).ok().filter(|size| (1..self.guest.memory_mib).contains(size));
                let hint = "write `loaded`, `none`, or a size such as 32MiB".to_owned();
                fits.map(Some)
                    .ok_or_else(|| self.source.error(mark, "that is no part of the guest's memory", Some(hint)))
            }
        }
    }

    /// The CPU on which the crash kernel is loaded anew, at points where there is one.
    fn reload_on(&self, crashkernel_mib: Option<u32>) -> Result<Option<u32>, InputError> {
        let Some(At { value: cpu, mark }) = self.file.guest.reload_crash_kernel_on else { return Ok(None) };
        if self.file.guest.kdump.is_none() {
            let hint = "load one, `guest: { kdump: loaded }`".to_owned();
            return Err(self.source.error(mark, "the guest has no crash kernel", Some(hint)));
        }
        if cpu >= self.guest.cpus {
            return Err(self.source.error(mark, format!("the guest has no CPU {cpu}"), None));
        }
        if cpu >= self.guest.online {
            return Err(self.source.error(mark, format!("CPU {cpu} is not online"), None));
        }
        Ok(crashkernel_mib.map(|_| cpu))
    }

    fn expectation(
        &self,
        expect: &ExpectFile,
        order: &[OrderAssertion],
        has_crash_kernel: bool,
    ) -> Result<Expectation, InputError> {
        let (channel, outcome) = self.expected(expect)?;
        if !channel.outcomes().contains(&outcome.value) {
            let known = channel.outcomes().iter().map(|outcome| outcome.name());
            let unknown = UnknownName::new("outcome", outcome.name(), known).of(channel.name());
            return Err(self.source.unknown(outcome.mark, &unknown));
        }
        if channel == Channel::Order && order.is_empty() {
            let hint = "assert something under `order`, or narrow the `where`".to_owned();
            let cause = format!("no assertion on the order is there to be {}", outcome.name());
            return Err(self.source.error(outcome.mark, cause, Some(hint)));
        }
        if channel == Channel::PstoreConsole && !self.guest.pstore.has_console() {
            let hint = "give it a zone: `guest: { pstore: { ramoops: { console: 64KiB } } }`".to_owned();
            return Err(self.source.error(outcome.mark, "the guest's pstore keeps no console", Some(hint)));
        }
        if FurtherConsole::of_channel(channel).is_some_and(|console| !self.guest.consoles.contains(&console)) {
            let hint = format!("give it one: `guest: {{ consoles: [{channel}] }}`");
            return Err(self.source.error(outcome.mark, format!("the guest's kernel has no {channel}"), Some(hint)));
        }
        if channel == Channel::Kdump && !has_crash_kernel {
            let hint = "load one, `guest: { kdump: loaded }`, or narrow the `where`".to_owned();
            return Err(self.source.error(outcome.mark, "the guest has no crash kernel", Some(hint)));
        }
        let at_least = match &expect.at_least {
            Some(share) if share.value > 0.0 && share.value <= 1.0 => share.value,
            Some(share) => {
                return Err(self.source.error(share.mark, "a share is above 0 and at most 1", None));
            }
            None => DEFAULT_AT_LEAST,
        };
        Ok(Expectation { channel, outcome: outcome.value, at_least })
    }

    /// The channel and the outcome that an expectation names, in either of the two ways.
    fn expected(&self, expect: &ExpectFile) -> Result<(Channel, At<ChannelOutcome>), InputError> {
        let ExpectFile { channel, outcome, splats, allowed, at_least, .. } = expect;
        let marks =
            [channel.as_ref().map(|it| it.mark), outcome.as_ref().map(|it| it.mark), splats.as_ref().map(|it| it.mark)];
        let others = [allowed.first().map(|it| it.mark), at_least.as_ref().map(|it| it.mark)];
        let mark = marks.into_iter().chain(others).flatten().next().unwrap_or_default();
        let hint = Some("write `channel` and `outcome`, or `splats: none`".to_owned());
        let fail = |mark, cause: &str| Err(self.source.error(mark, cause, hint.clone()));
        match (channel, outcome, splats) {
            (Some(channel), _, None) if channel.value == Channel::Splats => {
                fail(channel.mark, "splats are expected by a key of their own")
            }
            (Some(_), Some(_), None) if !allowed.is_empty() => {
                fail(mark, "titles are `allowed` only where there are to be no other splats")
            }
            (Some(channel), Some(outcome), None) => Ok((channel.value, outcome.clone())),
            (None, None, Some(At { value, mark })) => {
                let outcome = match value {
                    SplatsFile::None => ChannelOutcome::NoSplats,
                    SplatsFile::Some => ChannelOutcome::Splats,
                };
                Ok((Channel::Splats, At { value: outcome, mark: *mark }))
            }
            _ => fail(mark, "this says not what is expected of what"),
        }
    }

    /// The titles that are allowed here, where anything is expected of splats.
    fn allowed_splats(&self, expected: &[&ExpectFile]) -> Result<Option<Vec<String>>, InputError> {
        let of_splats = || expected.iter().filter(|expect| expect.splats.is_some());
        for title in of_splats().flat_map(|expect| &expect.allowed) {
            check::splat_title(self.source, title)?;
        }
        let allowed = of_splats().flat_map(|expect| &expect.allowed).map(|title| title.value.clone()).collect();
        Ok(of_splats().next().map(|_| allowed))
    }

    /// The value as it is written, or of the parameter that it names; and the place of whichever it is.
    fn value(&self, written: &At<Scalar>) -> Result<(ParamValue, Mark), InputError> {
        let ParamValue::Text(text) = &written.0 else { return Ok((written.0.clone(), written.mark)) };
        let Some(name) = text.strip_prefix('$') else { return Ok((written.0.clone(), written.mark)) };
        self.chosen.parameter(name, written.mark)
    }

    fn duration(&self, written: &At<Scalar>) -> Result<Duration, InputError> {
        let (value, mark) = self.value(written)?;
        fixed(self.source, &At { value: value.to_string(), mark }, units::duration)
    }

    /// What is asked: of an actor that is several, of each.
    fn precondition(&self, meet: &MeetFile, instance: &[Planned]) -> Result<Vec<Precondition>, InputError> {
        Ok(match meet {
            MeetFile::EntersDuring(EntersDuring { actor, of, .. }) => {
                let during = |of: &str| Precondition::EntersDuring { actor: actor.value.clone(), of: of.to_owned() };
                self.cast.each(self.source, of)?.iter().map(|role| during(&role.name)).collect()
            }
            MeetFile::Left(Alone { actor, .. }) => {
                if instance.iter().any(|other| other.name == actor.value && other.action.never_leaves()) {
                    let cause = format!("`{}` never leaves: its CPU does not come back", actor.value);
                    let hint = "leave this out, or narrow the `where`".to_owned();
                    return Err(self.source.error(actor.mark, cause, Some(hint)));
                }
                vec![Precondition::Left { actor: actor.value.clone() }]
            }
            MeetFile::NeverLeft(Alone { actor, .. }) => vec![Precondition::NeverLeft { actor: actor.value.clone() }],
            MeetFile::Apart(Apart { actor, from, at_most, .. }) => {
                let (actor, from) = (actor.value.clone(), from.value.clone());
                vec![Precondition::Apart { actor, from, at_most: self.duration(at_most)? }]
            }
        })
    }
}
