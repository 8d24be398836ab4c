//! From the file as written to the scenario at each point of its sweep.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use super::file::{
    ActorFile, After, ExpectFile, File, Fire, Hold, KnobFile, MeetFile, ModuleParameter, NeedsFile, Spin, Sysctl,
};
use super::scalar::Scalar;
use super::{Actor, Fault, Guest, Instance, Knob, Needs, Parameter, PointFilter, Scenario, Start, check, order, units};
use crate::model::order::OrderAssertion;
use crate::model::{Channel, Expectation, Meeting, ParamValue, Params};
use crate::yaml::{At, InputError, Mark, Source, UnknownName};

const DEFAULT_GUEST: Guest = Guest { cpus: 4, memory_mib: 256 };
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);
/// Nothing that a dying kernel waits for takes longer without anything being done: a CPU has a second to stop.
const DEFAULT_QUIET: Duration = Duration::from_secs(3);
/// Not 1: a share of exactly all is refuted by a single trial, and no number of trials can show it.
const DEFAULT_AT_LEAST: f64 = 0.9;
/// Below this the guest's kernel does not boot; above it the host of a whole suite would suffer.
const MEMORY_MIB: std::ops::RangeInclusive<u64> = 64..=8192;
/// A sweep beyond this is a mistake: at 100 trials a point it would run for weeks.
const MAX_POINTS: usize = 1024;

/// The scenario that `file`, read from `source`, describes.
pub(super) fn scenario(source: &Source, file: &File) -> Result<Scenario, InputError> {
    check::names(source, file)?;
    let parameters = parameters(source, file)?;
    let filters = Filters::resolve(source, file, &parameters)?;
    let used = RefCell::default();
    let mut instances = Vec::new();
    for choice in choices(source, file)? {
        let point = Point { source, file, choice, used: &used };
        let instance = point.instance(&filters)?;
        check::instance(source, file, &instance)?;
        instances.push(instance);
    }
    for (name, _) in &file.params.0 {
        if !used.borrow().contains(&name.value) {
            let hint = format!("write `${0}` where its value is meant, or leave it out", name.value);
            return Err(source.error(name.mark, format!("the parameter `{}` is not used", name.value), Some(hint)));
        }
    }
    Ok(Scenario {
        name: file.name.value.clone(),
        title: file.title.value.clone(),
        why: file.why.clone(),
        source: file.source.clone(),
        tags: file.tags.iter().map(|tag| tag.value.clone()).collect(),
        parameters,
        digest: source.digest(),
        instances,
    })
}

fn parameters(source: &Source, file: &File) -> Result<Vec<Parameter>, InputError> {
    let mut parameters = Vec::new();
    for (name, written) in &file.params.0 {
        if written.is_empty() {
            return Err(source.error(name.mark, format!("the parameter `{}` has no values", name.value), None));
        }
        let mut values: Vec<ParamValue> = Vec::new();
        for At { value: Scalar(value), mark } in written {
            check::word(source, *mark, &value.to_string())?;
            if values.iter().any(|earlier| same(earlier, value)) {
                let cause = format!("`{value}` is already a value of `{}`", name.value);
                return Err(source.error(*mark, cause, Some("each value makes cells of its own".to_owned())));
            }
            values.push(value.clone());
        }
        parameters.push(Parameter { name: name.value.clone(), values });
    }
    Ok(parameters)
}

/// Whether two values would be the same thing under two names: `1s` and `1000ms`, `0` and `"0"`.
fn same(a: &ParamValue, b: &ParamValue) -> bool {
    let (a, b) = (a.to_string(), b.to_string());
    a == b || matches!((units::duration(&a), units::duration(&b)), (Ok(a), Ok(b)) if a == b)
}

/// One value for each parameter, in the order of the file.
type Choice<'a> = Vec<(&'a str, &'a At<Scalar>)>;

/// The cartesian product of the parameters' values, the last one varying fastest.
fn choices<'a>(source: &Source, file: &'a File) -> Result<Vec<Choice<'a>>, InputError> {
    let mut choices: Vec<Choice> = vec![Vec::new()];
    for (name, values) in &file.params.0 {
        if choices.len().saturating_mul(values.len()) > MAX_POINTS {
            return Err(source.error(name.mark, format!("the sweep has more than {MAX_POINTS} points"), None));
        }
        choices = choices
            .iter()
            .flat_map(|choice| values.iter().map(|value| [choice.as_slice(), &[(name.as_str(), value)]].concat()))
            .collect();
    }
    Ok(choices)
}

/// The `where`s of the file.
struct Filters {
    meet: Vec<PointFilter>,
    order: Vec<PointFilter>,
    expect: Vec<PointFilter>,
}

impl Filters {
    fn resolve(source: &Source, file: &File, parameters: &[Parameter]) -> Result<Self, InputError> {
        let filter = |only| PointFilter::resolve(source, only, parameters);
        Ok(Self {
            meet: file.meet.iter().map(|MeetFile::EntersDuring(meet)| filter(&meet.only)).collect::<Result<_, _>>()?,
            order: file.order.iter().map(|order| filter(order.only())).collect::<Result<_, _>>()?,
            expect: file.expect.iter().map(|expect| filter(&expect.only)).collect::<Result<_, _>>()?,
        })
    }
}

/// One point of the sweep of one file.
struct Point<'a> {
    source: &'a Source,
    file: &'a File,
    choice: Choice<'a>,
    /// The parameters that something referred to.
    used: &'a RefCell<BTreeSet<String>>,
}

impl Point<'_> {
    fn instance(&self, filters: &Filters) -> Result<Instance, InputError> {
        let params: Params = self.choice.iter().map(|(name, value)| ((*name).to_owned(), value.0.clone())).collect();
        let actors = self.file.actors.iter().map(|actor| self.actor(actor)).collect::<Result<Vec<_>, _>>()?;
        let entered = actors.iter().map(|actor| Meeting::Entered { actor: actor.name.clone() });
        let meetings = self.file.meet.iter().zip(&filters.meet).filter(|(_, only)| only.matches(&params));
        let ordered = self.file.order.iter().zip(&filters.order).filter(|(_, only)| only.matches(&params));
        let duration = |written: &At<Scalar>| self.duration(written);
        let order: Vec<_> =
            ordered.map(|(written, _)| order::assertion(written, duration)).collect::<Result<_, _>>()?;
        let expected = self.file.expect.iter().zip(&filters.expect).filter(|(_, only)| only.matches(&params));
        let deadline = self.fixed_or(self.file.deadline.as_ref(), DEFAULT_DEADLINE)?;
        Ok(Instance {
            scenario: self.file.name.value.clone(),
            guest: self.guest()?,
            deadline,
            quiet: self.quiet(deadline)?,
            needs: self.needs(),
            knobs: self.file.knobs.iter().map(|knob| self.knob(knob)).collect::<Result<_, _>>()?,
            meetings: entered.chain(meetings.map(|(meet, _)| meeting(meet))).collect(),
            expectations: expected.map(|(expect, _)| self.expectation(expect, &order)).collect::<Result<_, _>>()?,
            order,
            actors,
            params,
        })
    }

    fn fixed_or(&self, written: Option<&At<String>>, default: Duration) -> Result<Duration, InputError> {
        written.map_or(Ok(default), |written| self.fixed(written, units::duration))
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

    fn needs(&self) -> Needs {
        let text = |written: &Option<At<String>>| written.as_ref().map(|written| written.value.clone());
        let texts = |written: &[At<String>]| written.iter().map(|written| written.value.clone()).collect();
        let NeedsFile { since, until, functions, symbols, config } = &self.file.needs;
        Needs {
            since: text(since),
            until: text(until),
            functions: texts(functions),
            symbols: texts(symbols),
            config: texts(config),
        }
    }

    fn guest(&self) -> Result<Guest, InputError> {
        let mut guest = DEFAULT_GUEST;
        if let Some(cpus) = &self.file.guest.cpus {
            guest.cpus = cpus.value;
            if !(1..=8).contains(&cpus.value) {
                return Err(self.source.error(cpus.mark, "a guest has 1 to 8 CPUs", None));
            }
        }
        if let Some(memory) = &self.file.guest.memory {
            let mebibytes = self.fixed(memory, units::mebibytes)?;
            let fitting = u32::try_from(mebibytes).ok().filter(|_| MEMORY_MIB.contains(&mebibytes));
            guest.memory_mib =
                fitting.ok_or_else(|| self.source.error(memory.mark, "a guest has 64MiB to 8GiB of memory", None))?;
        }
        Ok(guest)
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

    fn actor(&self, actor: &ActorFile) -> Result<Actor, InputError> {
        let start = |at, after| self.start(actor.name(), at, after);
        let fault = match actor {
            ActorFile::HoldBackendWrite(Hold { duration, .. }) => {
                Fault::HoldBackendWrite { hold: self.duration(duration)? }
            }
            ActorFile::SpinIrqsOff(Spin { duration, at, after, .. }) => {
                Fault::SpinIrqsOff { hold: self.duration(duration)?, start: start(at.as_ref(), after.as_ref())? }
            }
            ActorFile::Oops(Fire { at, after, .. }) => Fault::Oops { start: start(at.as_ref(), after.as_ref())? },
            ActorFile::Panic(Fire { at, after, .. }) => Fault::Panic { start: start(at.as_ref(), after.as_ref())? },
        };
        Ok(Actor { name: actor.name().value.clone(), cpu: actor.cpu().value, fault })
    }

    fn start(&self, name: &At<String>, at: Option<&At<Scalar>>, after: Option<&After>) -> Result<Start, InputError> {
        let wrong = |mark, cause| {
            let hint = "give one of the two: `at: 0ms` or `after: { actor: …, edge: entered, delay: 50ms }`";
            Err(self.source.error(mark, cause, Some(hint.to_owned())))
        };
        match (at, after) {
            (Some(at), None) => Ok(Start::At(self.duration(at)?)),
            (None, Some(After { actor, edge, delay })) => Ok(Start::After {
                actor: actor.value.clone(),
                edge: edge.as_ref().map(|edge| edge.value).unwrap_or_default(),
                delay: delay.as_ref().map_or(Ok(Duration::ZERO), |delay| self.duration(delay))?,
            }),
            (None, None) => wrong(name.mark, format!("`{}` has neither `at` nor `after`", name.value)),
            (Some(at), Some(_)) => wrong(at.mark, format!("`{}` has both `at` and `after`", name.value)),
        }
    }

    fn expectation(&self, expect: &ExpectFile, order: &[OrderAssertion]) -> Result<Expectation, InputError> {
        let ExpectFile { channel, outcome, .. } = expect;
        if !channel.outcomes().contains(&outcome.value) {
            let known = channel.outcomes().iter().map(|outcome| outcome.name());
            let unknown = UnknownName::new("outcome", outcome.name(), known).of(channel.name());
            return Err(self.source.unknown(outcome.mark, &unknown));
        }
        if *channel == Channel::Order && order.is_empty() {
            let hint = "assert something under `order`, or narrow the `where`".to_owned();
            let cause = format!("no assertion on the order is there to be {}", outcome.name());
            return Err(self.source.error(outcome.mark, cause, Some(hint)));
        }
        let at_least = match &expect.at_least {
            Some(share) if share.value > 0.0 && share.value <= 1.0 => share.value,
            Some(share) => {
                return Err(self.source.error(share.mark, "a share is above 0 and at most 1", None));
            }
            None => DEFAULT_AT_LEAST,
        };
        Ok(Expectation { channel: *channel, outcome: outcome.value, at_least })
    }

    /// The value as it is written, or of the parameter that it names; and the place of whichever it is.
    fn value(&self, written: &At<Scalar>) -> Result<(ParamValue, Mark), InputError> {
        let ParamValue::Text(text) = &written.0 else { return Ok((written.0.clone(), written.mark)) };
        let Some(name) = text.strip_prefix('$') else { return Ok((written.0.clone(), written.mark)) };
        let Some((_, value)) = self.choice.iter().find(|(known, _)| *known == name) else {
            let known = self.choice.iter().map(|(known, _)| *known);
            return Err(self.source.unknown(written.mark, &UnknownName::new("parameter", name, known)));
        };
        self.used.borrow_mut().insert(name.to_owned());
        Ok((value.0.clone(), value.mark))
    }

    fn duration(&self, written: &At<Scalar>) -> Result<Duration, InputError> {
        let (value, mark) = self.value(written)?;
        self.fixed(&At { value: value.to_string(), mark }, units::duration)
    }

    fn fixed<T>(
        &self,
        written: &At<String>,
        unit: impl Fn(&str) -> Result<T, units::BadQuantity>,
    ) -> Result<T, InputError> {
        unit(&written.value).map_err(|bad| self.source.error(written.mark, bad.cause, Some(bad.hint)))
    }
}

fn meeting(MeetFile::EntersDuring(meet): &MeetFile) -> Meeting {
    Meeting::EntersDuring { actor: meet.actor.value.clone(), of: meet.of.value.clone() }
}
