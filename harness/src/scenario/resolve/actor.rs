//! An actor at one point of the sweep.

use std::borrow::Cow;
use std::time::Duration;

use serde::de::value::Error as ValueError;
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::Point;
use crate::model::ParamValue;
use crate::model::errors::{MAX_ERRNO, error_named};
use crate::scenario::cast::Role;
use crate::scenario::file::actor::{
    ActorFile, After, Call, Common, ContextFile, Fail, FailureFile, Hold, Oops, Print, Reboot as RebootFile, Switch,
};
use crate::scenario::instance::Planned;
use crate::scenario::scalar::{Scalar, Swept};
use crate::scenario::{
    Action, Actor, Context, Failing, Notifier, OopsKind, PrintLimit, Reboot, Span, Start, Stay, rules, units,
};
use crate::yaml::{At, InputError, Mark, visible};

/// crashlab makes a thread for each oops of an actor.
const MAX_OOPSES: u32 = 64;
/// More messages than any guest prints before its deadline.
const MAX_MESSAGES: u32 = 100_000_000;
/// More parts than any dump has, and more calls than any guest makes before its deadline.
const MAX_CALLS: u32 = 1_000_000;

const NONE: Span = Span::Fixed(Duration::ZERO);

impl Point<'_> {
    pub(super) fn actor(&self, role: &Role) -> Result<Planned, InputError> {
        let Common { name, context, at, after, .. } = role.file.common();
        let thread = (Cow::Borrowed(&ContextFile::Thread), name.mark);
        let (context, mark) = context.map_or(Ok(thread), |context| self.named(context, "a context"))?;
        let action = self.action(role.file)?;
        rules::in_context(self.source, role.file, &action, &At { value: &context, mark })?;
        Ok(Actor {
            name: role.name.clone(),
            cpu: role.cpu.clone(),
            action,
            context: resolved(&context),
            start: self.start(at, after)?,
        })
    }

    fn action(&self, written: &ActorFile) -> Result<Action<Span>, InputError> {
        Ok(match written {
            ActorFile::Oops(Oops { kind, count, every, .. }) => Action::Oops {
                kind: kind
                    .as_ref()
                    .map_or(Ok(OopsKind::default()), |kind| Ok(*self.named(kind, "a kind of oops")?.0))?,
                count: count.as_ref().map_or(Ok(1), |count| self.count(count, MAX_OOPSES))?,
                every: self.span_or_none(every.as_ref())?,
            },
            ActorFile::Panic(_) => Action::Panic,
            ActorFile::Warn(_) => Action::Warn,
            ActorFile::Reboot(RebootFile { how, .. }) => Action::Reboot {
                how: how
                    .as_ref()
                    .map_or(Ok(Reboot::default()), |how| Ok(*self.named(how, "a way to restart a machine")?.0))?,
            },
            ActorFile::Spin(spin) => Action::Spin { stay: self.stay(&spin.lasting)? },
            ActorFile::Block(block) => Action::Block { stay: self.stay(&block.lasting)? },
            ActorFile::Harvest(harvest) => Action::Harvest { stay: self.stay(&harvest.lasting)? },
            ActorFile::Hold(Hold { lock, lasting, .. }) => {
                Action::Hold { lock: *self.named(lock, "a lock")?.0, stay: self.stay(lasting)? }
            }
            ActorFile::Print(Print { count, lasting, every, .. }) => Action::Print {
                // That exactly one is given was checked.
                limit: match (count, lasting) {
                    (Some(count), _) => PrintLimit::Count(self.count(count, MAX_MESSAGES)?),
                    (None, Some(lasting)) => PrintLimit::Time(self.stay(lasting)?),
                    (None, None) => PrintLimit::Time(Stay::Forever),
                },
                every: self.span_or_none(every.as_ref())?,
            },
            ActorFile::Nmi(_) => Action::Nmi,
            ActorFile::Exhaust(_) => Action::Exhaust,
            ActorFile::Exit(_) => Action::Exit,
            ActorFile::Mce(_) => Action::Mce,
            ActorFile::SynchronizeRcu(synchronize) => Action::SynchronizeRcu { stay: self.stay(&synchronize.lasting)? },
            ActorFile::Call(Call { to, .. }) => {
                if to.value >= self.guest.cpus {
                    return Err(self.source.error(to.mark, format!("the guest has no CPU {}", to.value), None));
                }
                Action::Call { to: to.value }
            }
            ActorFile::Fail(fail) => Action::Fail {
                failing: self.failing(fail)?,
                part: fail.part.as_ref().map(|part| self.count(part, MAX_CALLS)).transpose()?,
                times: fail.times.as_ref().map_or(Ok(Some(1)), |times| self.times(times))?,
            },
            ActorFile::CpuDown(Switch { target, .. }) => Action::Switch { target: self.target(target)?, up: false },
            ActorFile::CpuUp(Switch { target, .. }) => Action::Switch { target: self.target(target)?, up: true },
        })
    }

    fn failing(&self, Fail { name, error, kind, .. }: &Fail) -> Result<Failing, InputError> {
        match (error, kind) {
            (Some(error), None) => self.error(error).map(Failing::Error),
            (None, Some(kind)) => Ok(match *self.named(kind, "a way to fail")?.0 {
                FailureFile::Lies => Failing::Lies,
                FailureFile::Torn => Failing::Torn,
            }),
            (Some(_), Some(_)) | (None, None) => {
                let cause = format!("`{}` has to have one of `error` and `kind`", name.value);
                let hint = "say what the function returns, as in `error: ENOSPC`, or `kind: lies` or `kind: torn`";
                Err(self.source.error(name.mark, cause, Some(hint.to_owned())))
            }
        }
    }

    /// What a function returns that fails.
    fn error(&self, written: &At<Scalar>) -> Result<i64, InputError> {
        let (value, mark) = self.value(written)?;
        let error = match &value {
            ParamValue::Number(number) => Some(*number).filter(|number| (-MAX_ERRNO..0).contains(number)),
            ParamValue::Text(name) => error_named(name),
        };
        error.ok_or_else(|| {
            let cause = format!("`{}` is no error", visible(&value.to_string()));
            let hint = format!("it is a number from -{MAX_ERRNO} to -1, or a name such as ENOSPC or EFI_DEVICE_ERROR");
            self.source.error(mark, cause, Some(hint))
        })
    }

    /// How many calls fail; all, if none.
    fn times(&self, written: &At<Scalar>) -> Result<Option<u32>, InputError> {
        let (value, _) = self.value(written)?;
        if value.to_string() == "forever" { Ok(None) } else { self.count(written, MAX_CALLS).map(Some) }
    }

    /// What is named as it is written, or by the value of a parameter; and the place of whichever it is.
    pub(super) fn named<'w, T>(&self, written: &'w At<Swept<T>>, what: &str) -> Result<(Cow<'w, T>, Mark), InputError>
    where
        T: Clone + DeserializeOwned,
    {
        let name = match &written.value {
            Swept::Given(given) => return Ok((Cow::Borrowed(given), written.mark)),
            Swept::Name(name) => name,
        };
        let (name, mark) = match name.strip_prefix('$') {
            Some(parameter) => {
                self.chosen.parameter(parameter, written.mark).map(|(value, mark)| (value.to_string(), mark))?
            }
            None => (name.clone(), written.mark),
        };
        let read = T::deserialize(IntoDeserializer::<ValueError>::into_deserializer(name.as_str()));
        let refused = |why: ValueError| {
            let hint = why.to_string().split_once("expected one of ").map(|(_, known)| known.replace('`', ""));
            let hint = hint.map(|known| format!("known: {known}"));
            self.source.error(mark, format!("`{}` cannot be {what}", visible(&name)), hint)
        };
        Ok((Cow::Owned(read.map_err(refused)?), mark))
    }

    /// That not both are given was checked.
    fn start(&self, at: Option<&At<Scalar>>, after: Option<&After>) -> Result<Option<Start<Span>>, InputError> {
        Ok(match (at, after) {
            (Some(at), _) => Some(Start::At(self.span(at)?)),
            (None, Some(After { actor, edge, delay })) => Some(Start::After {
                actor: actor.value.clone(),
                edge: edge.as_ref().map(|edge| edge.value).unwrap_or_default(),
                delay: self.span_or_none(delay.as_ref())?,
            }),
            (None, None) => None,
        })
    }

    fn span_or_none(&self, written: Option<&At<Scalar>>) -> Result<Span, InputError> {
        written.map_or(Ok(NONE), |written| self.span(written))
    }

    fn span(&self, written: &At<Scalar>) -> Result<Span, InputError> {
        let (value, mark) = self.value(written)?;
        super::fixed(self.source, &At { value: value.to_string(), mark }, units::span)
    }

    fn stay(&self, written: &At<Scalar>) -> Result<Stay<Span>, InputError> {
        let (value, _) = self.value(written)?;
        if value.to_string() == "forever" { Ok(Stay::Forever) } else { self.span(written).map(Stay::For) }
    }

    /// A CPU that can be taken down or brought up.
    fn target(&self, written: &At<Scalar>) -> Result<u32, InputError> {
        let (value, mark) = self.value(written)?;
        let number = match &value {
            ParamValue::Number(number) => u32::try_from(*number).ok(),
            ParamValue::Text(_) => None,
        };
        number.filter(|number| (1..self.guest.cpus).contains(number)).ok_or_else(|| {
            let cause = format!("CPU {} cannot be taken down or brought up", visible(&value.to_string()));
            let hint = format!("it is one of the guest's {}, but not CPU 0, which x86 keeps", self.guest.cpus);
            self.source.error(mark, cause, Some(hint))
        })
    }

    fn count(&self, written: &At<Scalar>, most: u32) -> Result<u32, InputError> {
        let (value, mark) = self.value(written)?;
        let number = match &value {
            ParamValue::Number(number) => u32::try_from(*number).ok(),
            ParamValue::Text(_) => None,
        };
        number.filter(|number| (1..=most).contains(number)).ok_or_else(|| {
            let cause = format!("`{}` cannot be a count", visible(&value.to_string()));
            self.source.error(mark, cause, Some(format!("it is a whole number from 1 to {most}")))
        })
    }
}

fn resolved(written: &ContextFile) -> Context {
    match written {
        ContextFile::Thread => Context::Thread,
        ContextFile::PreemptOff => Context::PreemptOff,
        ContextFile::IrqsOff => Context::IrqsOff,
        ContextFile::Softirq => Context::Softirq,
        ContextFile::Hardirq => Context::Hardirq,
        ContextFile::Nmi => Context::Nmi,
        ContextFile::StopMachine => Context::StopMachine,
        ContextFile::Idle => Context::Idle,
        ContextFile::Notifier => Context::Notifier(Notifier::First),
        ContextFile::NotifierLast => Context::Notifier(Notifier::Last),
        ContextFile::NotifierHypervisor => Context::Notifier(Notifier::Hypervisor),
        ContextFile::NotifierInfo => Context::Notifier(Notifier::Info),
        ContextFile::NotifierPreReboot => Context::Notifier(Notifier::PreReboot),
        ContextFile::NotifierPostReboot => Context::Notifier(Notifier::PostReboot),
        ContextFile::Dumper => Context::Dumper,
        ContextFile::BackendWrite => Context::BackendWrite,
        ContextFile::ConsoleWrite => Context::ConsoleWrite,
        ContextFile::Function(name) => Context::Function(name.value.clone()),
    }
}
