//! Actors, as written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::scenario::scalar::{Scalar, Swept};
use crate::scenario::{Edge, Lock, OopsKind, Reboot as How, schema};
use crate::yaml::{At, Mark};

/// Something that is done on a CPU.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Actor")]
pub(in crate::scenario) enum ActorFile {
    /// The CPU oopses.
    Oops(Oops),
    /// The CPU calls `panic()`; in an NMI, `nmi_panic()`.
    Panic(Once),
    /// The CPU warns.
    Warn(Once),
    /// The CPU spins.
    Spin(Stay),
    /// The CPU holds a lock.
    Hold(Hold),
    /// The CPU prints one message after the other.
    Print(Print),
    /// The CPU restarts the machine.
    Reboot(Reboot),
    /// A thread sleeps in `TASK_UNINTERRUPTIBLE`.
    Block(Stay),
    /// A thread reads and erases pstore's records, as its file system does.
    Harvest(Stay),
    /// An NMI from outside, injected into every CPU that takes it.
    Nmi(Nmi),
    /// A thread takes memory until there is none.
    Exhaust(Once),
    /// The agent, which is PID 1, ends.
    Exit(Bare),
    /// A machine check from outside, sent to every CPU, of an error of this one.
    Mce(Bare),
    /// A thread waits for a grace period of RCU, over and over again.
    SynchronizeRcu(Stay),
    /// The CPU calls another one and waits for its answer.
    Call(Call),
    /// Calls of a function of the kernel's fail.
    Fail(Fail),
    /// A thread takes another CPU down.
    CpuDown(Switch),
    /// A thread brings another CPU up.
    CpuUp(Switch),
}

/// One or several oopses.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("not" = schema::both("at", "after")))]
pub(in crate::scenario) struct Oops {
    /// What the other parts of the file call it.
    #[schemars(with = "schema::ActorName")]
    pub name: At<String>,
    /// The CPU.
    pub cpu: At<CpuFile>,
    /// In which context. Default: thread.
    #[serde(rename = "in")]
    pub context: Option<At<Swept<ContextFile>>>,
    /// By what. Default: bug.
    pub kind: Option<At<Swept<OopsKind>>>,
    /// How many, each of a thread of its own. Default: 1.
    #[schemars(with = "Option<schema::SweptNumber>")]
    pub count: Option<At<Scalar>>,
    /// The time from one to the next. Default: 0ms.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub every: Option<At<Scalar>>,
    /// When, from the moment all actors are fired.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub at: Option<At<Scalar>>,
    /// When, from what another actor does.
    pub after: Option<After>,
}

/// Something that takes no time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("not" = schema::both("at", "after")))]
pub(in crate::scenario) struct Once {
    /// What the other parts of the file call it.
    #[schemars(with = "schema::ActorName")]
    pub name: At<String>,
    /// The CPU.
    pub cpu: At<CpuFile>,
    /// In which context. Default: thread.
    #[serde(rename = "in")]
    pub context: Option<At<Swept<ContextFile>>>,
    /// When, from the moment all actors are fired.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub at: Option<At<Scalar>>,
    /// When, from what another actor does.
    pub after: Option<After>,
}

/// Something that takes a time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("not" = schema::both("at", "after")))]
pub(in crate::scenario) struct Stay {
    /// What the other parts of the file call it.
    #[schemars(with = "schema::ActorName")]
    pub name: At<String>,
    /// The CPU.
    pub cpu: At<CpuFile>,
    /// In which context. Default: thread.
    #[serde(rename = "in")]
    pub context: Option<At<Swept<ContextFile>>>,
    /// Whether a trial counts also where its CPU never reaches the place where it acts. Default: no.
    #[serde(default)]
    pub optional: bool,
    /// For how long.
    #[serde(rename = "for")]
    #[schemars(with = "schema::Lasting")]
    pub lasting: At<Scalar>,
    /// When, from the moment all actors are fired.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub at: Option<At<Scalar>>,
    /// When, from what another actor does.
    pub after: Option<After>,
}

/// A lock that is held.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("not" = schema::both("at", "after")))]
pub(in crate::scenario) struct Hold {
    /// What the other parts of the file call it.
    #[schemars(with = "schema::ActorName")]
    pub name: At<String>,
    /// The CPU.
    pub cpu: At<CpuFile>,
    /// The lock.
    pub lock: At<Swept<Lock>>,
    /// In which context. Default: thread.
    #[serde(rename = "in")]
    pub context: Option<At<Swept<ContextFile>>>,
    /// Whether a trial counts also where it never gets the lock. Default: no.
    #[serde(default)]
    pub optional: bool,
    /// For how long.
    #[serde(rename = "for")]
    #[schemars(with = "schema::Lasting")]
    pub lasting: At<Scalar>,
    /// When, from the moment all actors are fired.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub at: Option<At<Scalar>>,
    /// When, from what another actor does.
    pub after: Option<After>,
}

/// Messages.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("not" = schema::both("at", "after"), "oneOf" = schema::one_of(&["count", "for"])))]
pub(in crate::scenario) struct Print {
    /// What the other parts of the file call it.
    #[schemars(with = "schema::ActorName")]
    pub name: At<String>,
    /// The CPU.
    pub cpu: At<CpuFile>,
    /// In which context. Default: thread.
    #[serde(rename = "in")]
    pub context: Option<At<Swept<ContextFile>>>,
    /// How many.
    #[schemars(with = "Option<schema::SweptNumber>")]
    pub count: Option<At<Scalar>>,
    /// For how long.
    #[serde(rename = "for")]
    #[schemars(with = "Option<schema::Lasting>")]
    pub lasting: Option<At<Scalar>>,
    /// The time from one to the next. Default: 0ms.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub every: Option<At<Scalar>>,
    /// When, from the moment all actors are fired.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub at: Option<At<Scalar>>,
    /// When, from what another actor does.
    pub after: Option<After>,
}

/// An NMI from outside.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = schema::one_of(&["at", "after"])))]
pub(in crate::scenario) struct Nmi {
    /// What the other parts of the file call it.
    #[schemars(with = "schema::ActorName")]
    pub name: At<String>,
    /// The CPU at which its arrival is awaited.
    pub cpu: At<CpuFile>,
    /// Whether a trial counts also where the NMI does not get to that CPU. Default: no.
    #[serde(default)]
    pub optional: bool,
    /// When, from the moment all actors are fired.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub at: Option<At<Scalar>>,
    /// When, from what another actor does.
    pub after: Option<After>,
}

/// Something that has no context of its choice.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = schema::one_of(&["at", "after"])))]
pub(in crate::scenario) struct Bare {
    /// What the other parts of the file call it.
    #[schemars(with = "schema::ActorName")]
    pub name: At<String>,
    /// The CPU.
    pub cpu: At<CpuFile>,
    /// When, from the moment all actors are fired.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub at: Option<At<Scalar>>,
    /// When, from what another actor does.
    pub after: Option<After>,
}

/// The machine is restarted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("not" = schema::both("at", "after")))]
pub(in crate::scenario) struct Reboot {
    /// What the other parts of the file call it.
    #[schemars(with = "schema::ActorName")]
    pub name: At<String>,
    /// The CPU.
    pub cpu: At<CpuFile>,
    /// In which context. Default: thread.
    #[serde(rename = "in")]
    pub context: Option<At<Swept<ContextFile>>>,
    /// How. Default: emergency.
    pub how: Option<At<Swept<How>>>,
    /// When, from the moment all actors are fired.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub at: Option<At<Scalar>>,
    /// When, from what another actor does.
    pub after: Option<After>,
}

/// A call of another CPU.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("not" = schema::both("at", "after")))]
pub(in crate::scenario) struct Call {
    /// What the other parts of the file call it.
    #[schemars(with = "schema::ActorName")]
    pub name: At<String>,
    /// The CPU.
    pub cpu: At<CpuFile>,
    /// The CPU that is called.
    #[schemars(with = "u32", range(max = 7))]
    pub to: At<u32>,
    /// In which context. Default: thread.
    #[serde(rename = "in")]
    pub context: Option<At<Swept<ContextFile>>>,
    /// When, from the moment all actors are fired.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub at: Option<At<Scalar>>,
    /// When, from what another actor does.
    pub after: Option<After>,
}

/// A function that fails.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("not" = schema::both("at", "after"), "oneOf" = schema::one_of(&["error", "kind"])))]
pub(in crate::scenario) struct Fail {
    /// What the other parts of the file call it.
    #[schemars(with = "schema::ActorName")]
    pub name: At<String>,
    /// The CPU whose calls fail. Default: all of them.
    #[serde(default = "any_cpu")]
    pub cpu: At<CpuFile>,
    /// The function: `backend-write`, with which pstore's back end writes a record, or one by its name.
    #[serde(rename = "in")]
    pub context: At<Swept<ContextFile>>,
    /// What it returns in place of what it does: an error, such as -28 or ENOSPC, or a status of EFI's, such as
    /// `EFI_DEVICE_ERROR`.
    #[schemars(with = "Option<schema::Scalar>")]
    pub error: Option<At<Scalar>>,
    /// How it fails otherwise.
    pub kind: Option<At<Swept<FailureFile>>>,
    /// Only calls for the record of this part of a dump, from 1, the newest text. Default: any.
    #[schemars(with = "Option<schema::SweptNumber>")]
    pub part: Option<At<Scalar>>,
    /// How many calls fail, or `forever`. Default: 1.
    #[schemars(with = "Option<schema::Times>")]
    pub times: Option<At<Scalar>>,
    /// From when on, counted from the moment all actors are fired.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub at: Option<At<Scalar>>,
    /// From when on, counted from what another actor does.
    pub after: Option<After>,
}

fn any_cpu() -> At<CpuFile> {
    At { value: CpuFile::Any, mark: Mark::default() }
}

/// How a function fails without an error.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Failure")]
pub(in crate::scenario) enum FailureFile {
    /// It returns success, and does nothing.
    Lies,
    /// It is given half of the record.
    Torn,
}

/// A CPU that is taken down or brought up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(extend("oneOf" = schema::one_of(&["at", "after"])))]
pub(in crate::scenario) struct Switch {
    /// What the other parts of the file call it.
    #[schemars(with = "schema::ActorName")]
    pub name: At<String>,
    /// The CPU that does it.
    pub cpu: At<CpuFile>,
    /// The CPU that is taken down or brought up; not CPU 0.
    #[schemars(with = "schema::SweptNumber")]
    pub target: At<Scalar>,
    /// When, from the moment all actors are fired.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub at: Option<At<Scalar>>,
    /// When, from what another actor does.
    pub after: Option<After>,
}

/// A moment that depends on another actor.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::scenario) struct After {
    /// The other actor.
    #[schemars(with = "schema::ActorName")]
    pub actor: At<String>,
    /// Which edge of its critical section. Default: entered.
    pub edge: Option<At<Edge>>,
    /// How long after it. Default: 0ms.
    #[schemars(with = "Option<schema::DrawnDuration>")]
    pub delay: Option<At<Scalar>>,
}

/// In which context an actor acts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Context")]
pub(in crate::scenario) enum ContextFile {
    /// A kernel thread.
    Thread,
    /// With preemption off.
    PreemptOff,
    /// With interrupts off.
    IrqsOff,
    /// In a softirq.
    Softirq,
    /// In a hardirq.
    Hardirq,
    /// In an NMI.
    Nmi,
    /// Within `stop_machine()`: all CPUs wait with interrupts off.
    StopMachine,
    /// When the CPU begins to idle.
    Idle,
    /// When the CPU panics: in a panic notifier that is called before all others.
    Notifier,
    /// When the CPU panics: in a panic notifier that is called after all others.
    NotifierLast,
    /// When the CPU panics: in a notifier that tells the hypervisor. Kernels with one list have it called first.
    NotifierHypervisor,
    /// When the CPU panics: in a notifier that tells something about the panic. Kernels with one list have it called behind that.
    NotifierInfo,
    /// When the CPU panics: in a notifier that must be called before a reboot. Kernels with one list have it called behind those.
    NotifierPreReboot,
    /// When the CPU panics: in a notifier for a machine that is not rebooted. Kernels with one list have it called last, and
    /// whether or not there is a reboot.
    NotifierPostReboot,
    /// When the CPU gets to pstore's kmsg dumper.
    Dumper,
    /// When the CPU writes to pstore's back end.
    BackendWrite,
    /// When the CPU writes to the serial console.
    ConsoleWrite,
    /// When the CPU enters this function of the kernel's.
    Function(#[schemars(with = "schema::Symbol")] At<String>),
}

/// The CPU of an actor: a number from 0; `any-other`, drawn by the trial's seed from those that no actor names by
/// number; `all-others`, an actor for each of those; `all`, an actor for each that there is; `$name`, which of these the
/// parameter has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) enum CpuFile {
    Number(u32),
    AnyOther,
    AllOthers,
    All,
    Parameter(String),
    /// Whichever comes by; not written.
    Any,
}

impl CpuFile {
    const WORDS: [&'static str; 3] = ["any-other", "all-others", "all"];

    /// What a word says.
    pub(in crate::scenario) fn of_word(word: &str) -> Option<Self> {
        match word {
            "any-other" => Some(Self::AnyOther),
            "all-others" => Some(Self::AllOthers),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

impl JsonSchema for CpuFile {
    fn schema_name() -> Cow<'static, str> {
        "Cpu".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The number of a CPU, from 0; `any-other`: one drawn in each trial from those that no actor \
                            names by number; `all-others`: an actor on each of those; `all`: an actor on each CPU; or \
                            `$name` for a parameter.",
            "oneOf": [
                { "type": "integer", "minimum": 0, "maximum": 7 },
                { "enum": Self::WORDS },
                { "type": "string", "pattern": "^[$][a-z][a-z0-9_]*$" },
            ],
        })
    }
}

impl<'de> Deserialize<'de> for CpuFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrWord;

        impl Visitor<'_> for NumberOrWord {
            type Value = CpuFile;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the number of a CPU, `any-other`, `all-others` or `all`")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<CpuFile, E> {
                let number = u32::try_from(number).map_err(|_| E::custom(format!("there is no CPU {number}")))?;
                Ok(CpuFile::Number(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<CpuFile, E> {
                let number = u32::try_from(number).map_err(|_| E::custom(format!("there is no CPU {number}")))?;
                Ok(CpuFile::Number(number))
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<CpuFile, E> {
                match (word.strip_prefix('$'), CpuFile::of_word(word)) {
                    (Some(parameter), _) => Ok(CpuFile::Parameter(parameter.to_owned())),
                    (None, Some(cpu)) => Ok(cpu),
                    (None, None) => Err(E::unknown_variant(word, &CpuFile::WORDS)),
                }
            }
        }

        deserializer.deserialize_any(NumberOrWord)
    }
}

/// What all actors have.
#[derive(Debug, Clone, Copy)]
pub(in crate::scenario) struct Common<'a> {
    pub name: &'a At<String>,
    pub cpu: &'a At<CpuFile>,
    pub context: Option<&'a At<Swept<ContextFile>>>,
    pub at: Option<&'a At<Scalar>>,
    pub after: Option<&'a After>,
}

impl ActorFile {
    /// What all actors have.
    pub(in crate::scenario) const fn common(&self) -> Common<'_> {
        match self {
            Self::Oops(Oops { name, cpu, context, at, after, .. })
            | Self::Panic(Once { name, cpu, context, at, after })
            | Self::Warn(Once { name, cpu, context, at, after })
            | Self::Exhaust(Once { name, cpu, context, at, after })
            | Self::Reboot(Reboot { name, cpu, context, at, after, .. })
            | Self::Call(Call { name, cpu, context, at, after, .. })
            | Self::Spin(Stay { name, cpu, context, at, after, .. })
            | Self::Block(Stay { name, cpu, context, at, after, .. })
            | Self::Harvest(Stay { name, cpu, context, at, after, .. })
            | Self::SynchronizeRcu(Stay { name, cpu, context, at, after, .. })
            | Self::Hold(Hold { name, cpu, context, at, after, .. })
            | Self::Print(Print { name, cpu, context, at, after, .. }) => {
                Common { name, cpu, context: context.as_ref(), at: at.as_ref(), after: after.as_ref() }
            }
            Self::Fail(Fail { name, cpu, context, at, after, .. }) => {
                Common { name, cpu, context: Some(context), at: at.as_ref(), after: after.as_ref() }
            }
            Self::Nmi(Nmi { name, cpu, at, after, .. })
            | Self::Exit(Bare { name, cpu, at, after })
            | Self::Mce(Bare { name, cpu, at, after })
            | Self::CpuDown(Switch { name, cpu, at, after, .. })
            | Self::CpuUp(Switch { name, cpu, at, after, .. }) => {
                Common { name, cpu, context: None, at: at.as_ref(), after: after.as_ref() }
            }
        }
    }

    /// Its name, with its place.
    pub(in crate::scenario) const fn name(&self) -> &At<String> {
        self.common().name
    }
}

impl ContextFile {
    /// Whether an actor in it waits for its CPU to come by, rather than for a time alone.
    pub(in crate::scenario) const fn is_event_driven(&self) -> bool {
        matches!(
            self,
            Self::Idle
                | Self::Notifier
                | Self::NotifierLast
                | Self::NotifierHypervisor
                | Self::NotifierInfo
                | Self::NotifierPreReboot
                | Self::NotifierPostReboot
                | Self::Dumper
                | Self::BackendWrite
                | Self::ConsoleWrite
                | Self::Function(_)
        )
    }
}
