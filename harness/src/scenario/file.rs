//! The file format, as written: nothing is resolved here, and every value that is checked later keeps its place.
//!
//! The comments of this file are the descriptions in the JSON Schema. Enums are externally tagged and nothing is
//! flattened, or the places in error messages would be lost.

pub(super) mod actor;
pub(super) mod ends;
pub(super) mod meet;
pub(super) mod order;

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use self::actor::ActorFile;
use self::ends::EndsByFile;
use self::meet::MeetFile;
use self::order::{OrderFile, StepFile};
use super::scalar::{Scalar, Sweep, Swept, Where};
use super::{EfivarsAccess, schema};
use crate::model::consoles::FurtherConsole;
use crate::model::pstore::{Backend, EfiStore};
use crate::model::{Channel, ChannelOutcome, ParamValue};
use crate::yaml::At;

/// A scenario of the crash harness.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "scenario", extend("anyOf" = schema::one_of(&["actors", "workload"])))]
pub(super) struct File {
    /// The file's name without `.yaml`.
    #[schemars(with = "schema::Name")]
    pub name: At<String>,
    /// What happens, in one line.
    pub title: At<String>,
    /// Why it is worth running, in prose.
    pub why: At<String>,
    /// Where the case comes from: a mail, a commit, a bug report.
    pub source: At<String>,
    /// Words to select it by.
    #[serde(default)]
    #[schemars(with = "Vec<schema::Name>")]
    pub tags: Vec<At<String>>,
    /// The guest it needs.
    #[serde(default)]
    pub guest: GuestFile,
    /// From firing the faults to the guest's end, after which it counts as hung. Default: 30s.
    #[schemars(with = "Option<schema::Duration>")]
    pub deadline: Option<At<String>>,
    /// Without any progress for this time the guest counts as hung before its deadline. Default: 3s.
    #[schemars(with = "Option<schema::Duration>")]
    pub quiet: Option<At<String>>,
    /// Functions that wait and come back by themselves, besides those that are known of every kernel: a guest with a CPU in
    /// one of them is not hung.
    #[serde(default)]
    pub waits: Vec<WaitFile>,
    /// What the kernel must have besides what the actors need. Where it has not, nothing is run.
    #[serde(default)]
    pub needs: NeedsFile,
    /// What the guest ends by; a trial in which it ends by something else does not count. Default: what follows from the
    /// actors, which is not asked for.
    pub ends_by: Option<At<EndsByFile>>,
    /// What the panic's own line has behind `Kernel panic - not syncing: `, or the beginning of that. Default: the text of
    /// the `panic` actors; where there is none, what follows from what the guest ends by. Empty: any panic is the one.
    pub panic_line: Option<At<String>>,
    /// The sweep: each parameter with its values. The scenario is run at every combination.
    #[serde(default)]
    #[schemars(with = "schema::Sweep")]
    pub params: Sweep,
    /// What is set in the guest before the faults are armed.
    #[serde(default)]
    pub knobs: Vec<KnobFile>,
    /// Who does what, on which CPU, in which context, when. Where there is a `workload`, there need not be any.
    #[serde(default)]
    #[schemars(length(min = 1, max = 32))]
    pub actors: Vec<ActorFile>,
    /// What user space does from before the faults are fired to the guest's end.
    pub background: Option<BackgroundFile>,
    /// A program of the user's that runs once the faults are fired.
    pub workload: Option<WorkloadFile>,
    /// What must have happened for a trial to count, besides that every actor entered.
    #[serde(default)]
    pub meet: Vec<MeetFile>,
    /// Steps of its own, which are seen in addition to those that there are.
    #[serde(default)]
    pub steps: Vec<StepFile>,
    /// What must be so in the order of the kernel's steps, by the trial's timeline.
    #[serde(default)]
    pub order: Vec<OrderFile>,
    /// What must be left.
    pub expect: Vec<ExpectFile>,
}

/// What user space does all the while.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Background")]
pub(super) struct BackgroundFile {
    /// What it does to the EFI variables, over and over again.
    pub efivars: At<Swept<EfivarsAccess>>,
    /// On which CPUs, a thread each.
    #[schemars(length(min = 1), inner(range(max = 7)))]
    pub cpus: Vec<At<u32>>,
}

/// A program of the user's.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Workload")]
pub(super) struct WorkloadFile {
    /// A static program for x86-64, by its path from this file.
    pub program: At<String>,
    /// Its arguments; `$name` for the value of a parameter.
    #[serde(default)]
    #[schemars(with = "Vec<schema::Scalar>")]
    pub args: Vec<At<Scalar>>,
    /// The CPUs that it may run on. Default: all of the guest's.
    #[serde(default)]
    #[schemars(inner(range(max = 7)))]
    pub cpus: Vec<At<u32>>,
    /// How long it may run; then it is killed.
    #[serde(rename = "for")]
    #[schemars(with = "schema::SweptDuration")]
    pub lasting: At<Scalar>,
}

/// The guest it needs.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Guest")]
pub(super) struct GuestFile {
    /// Virtual CPUs. Default: 4.
    #[schemars(range(min = 1, max = 8))]
    pub cpus: Option<At<u32>>,
    /// How many of them its kernel brings up when it boots (`maxcpus=`). Default: all.
    #[schemars(range(min = 1, max = 8))]
    pub online: Option<At<u32>>,
    /// RAM. Default: 256MiB.
    #[schemars(with = "Option<schema::Size>")]
    pub memory: Option<At<String>>,
    /// Words for its kernel's command line, behind those of the variant.
    #[serde(default)]
    #[schemars(with = "Vec<schema::CommandLineWord>")]
    pub command_line: Vec<At<String>>,
    /// The consoles that its kernel has beside the serial one. `earlycon`: the boot console, which goes on to print on a
    /// serial line of its own. `netconsole`: a kernel with the fragment `netconsole.config` sends its log by a network card
    /// that is connected to nothing but the harness. Each is a channel. Default: none.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub consoles: Vec<At<FurtherConsole>>,
    /// What its pstore writes to. Default: erst.
    pub pstore: Option<At<PstoreFile>>,
    /// Which boot the trial's is: before it the same kernel boots, and panics, so many times less one. Default: 1.
    #[schemars(range(min = 1, max = 4))]
    pub boots: Option<At<u32>>,
    /// By how much the clock is set between two boots: `+1h`, `-30d`. Default: +1h.
    #[schemars(with = "Option<schema::ClockChange>")]
    pub clock: Option<At<String>>,
    /// Whether a crash kernel is loaded: `none`, `loaded`, or how much memory is reserved for it (`crashkernel=`).
    /// Default: none. `loaded` reserves 32MiB. Or how it is loaded, in several words.
    pub kdump: Option<At<KdumpFile>>,
    /// The CPU on which the agent loads the crash kernel anew, in place of the one that is loaded, once the faults are
    /// fired. Default: it does not.
    #[schemars(range(max = 7))]
    pub reload_crash_kernel_on: Option<At<u32>>,
}

/// A crash kernel: whether there is one, in a word, or how it is loaded.
#[derive(Debug)]
pub(super) enum KdumpFile {
    Word(Scalar),
    Given(KdumpGivenFile),
}

/// How a crash kernel is loaded.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "CrashKernel")]
pub(super) struct KdumpGivenFile {
    /// How much memory is reserved for it, or what else `kdump` may say in a word. Default: 32MiB.
    #[schemars(with = "Option<schema::Kdump>")]
    pub reserve: Option<At<Scalar>>,
    /// Words for its command line, behind those that every crash kernel has.
    #[serde(default)]
    #[schemars(with = "Vec<schema::CommandLineWord>")]
    pub command_line: Vec<At<String>>,
    /// How many CPUs it brings up (`nr_cpus=`). Default: 1.
    #[schemars(range(min = 1, max = 8))]
    pub cpus: Option<At<u32>>,
}

impl JsonSchema for KdumpFile {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "KdumpFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (word, given) = (generator.subschema_for::<schema::Kdump>(), generator.subschema_for::<KdumpGivenFile>());
        json_schema!({ "anyOf": [word, given] })
    }
}

impl<'de> Deserialize<'de> for KdumpFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrMap;

        impl<'de> Visitor<'de> for WordOrMap {
            type Value = KdumpFile;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("`none`, `loaded`, a size, or how a crash kernel is loaded")
            }

            fn visit_str<E>(self, word: &str) -> Result<KdumpFile, E> {
                Ok(KdumpFile::Word(Scalar(ParamValue::Text(word.to_owned()))))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<KdumpFile, A::Error> {
                KdumpGivenFile::deserialize(MapAccessDeserializer::new(map)).map(KdumpFile::Given)
            }
        }

        deserializer.deserialize_any(WordOrMap)
    }
}

/// A function that waits and comes back by itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Wait")]
pub(super) struct WaitFile {
    /// The function.
    #[schemars(with = "schema::Symbol")]
    pub function: At<String>,
    /// For how long it waits at most.
    #[schemars(with = "schema::SweptDuration")]
    pub at_most: At<Scalar>,
}

/// What the kernel must have.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Needs")]
pub(super) struct NeedsFile {
    /// The oldest release of Linux that it is for: "6.12".
    #[schemars(with = "Option<schema::Release>")]
    pub since: Option<At<String>>,
    /// The newest release of Linux that it is for, with all its stable releases: "6.12".
    #[schemars(with = "Option<schema::Release>")]
    pub until: Option<At<String>>,
    /// Functions.
    #[serde(default)]
    #[schemars(with = "Vec<schema::Symbol>")]
    pub functions: Vec<At<String>>,
    /// Symbols of whatever kind.
    #[serde(default)]
    #[schemars(with = "Vec<schema::Symbol>")]
    pub symbols: Vec<At<String>>,
    /// Options that must be built in or a module.
    #[serde(default)]
    #[schemars(with = "Vec<schema::ConfigOption>")]
    pub config: Vec<At<String>>,
}

/// A back end of pstore's: by its name alone, or with what is said of it.
#[derive(Debug)]
pub(super) enum PstoreFile {
    Named(String),
    Given(Box<PstoreGivenFile>),
}

/// A back end of pstore's, with what is said of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Pstore", extend("oneOf" = schema::one_of(&["erst", "ramoops", "efi"])))]
pub(super) struct PstoreGivenFile {
    /// The record store of the firmware.
    pub erst: Option<ErstFile>,
    /// A part of memory that a reset leaves alone.
    pub ramoops: Option<RamoopsFile>,
    /// Variables of EFI firmware, which keeps them in flash.
    pub efi: Option<EfiFile>,
}

impl JsonSchema for PstoreFile {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PstoreFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "enum": Backend::NAMES }, generator.subschema_for::<PstoreGivenFile>()] })
    }
}

impl<'de> Deserialize<'de> for PstoreFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrMap;

        impl<'de> Visitor<'de> for NameOrMap {
            type Value = PstoreFile;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a back end of pstore's")
            }

            fn visit_str<E>(self, name: &str) -> Result<PstoreFile, E> {
                Ok(PstoreFile::Named(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PstoreFile, A::Error> {
                PstoreGivenFile::deserialize(MapAccessDeserializer::new(map))
                    .map(|given| PstoreFile::Given(Box::new(given)))
            }
        }

        deserializer.deserialize_any(NameOrMap)
    }
}

/// The record store of the firmware.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Erst")]
pub(super) struct ErstFile {
    /// How many records it has room for; a dump takes one for each 8KiB of compressed text. Default: 63.
    #[schemars(range(min = 1, max = 1000))]
    pub records: Option<At<u32>>,
    /// How many records of earlier boots are in it that pstore wrote. Default: 0.
    #[schemars(range(max = 1000))]
    pub used: Option<At<u32>>,
    /// How many are in it that cannot be read. Default: 0.
    #[schemars(range(max = 1000))]
    pub damaged: Option<At<u32>>,
    /// How many are in it that somebody else than pstore wrote. Default: 0.
    #[schemars(range(max = 1000))]
    pub foreign: Option<At<u32>>,
}

/// The store in which firmware keeps EFI variables.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Efi")]
pub(super) struct EfiFile {
    /// Its size: `small`, 56KiB, or `large`, 256KiB. Default: large.
    pub store: Option<EfiStore>,
    /// How much of it variables of others take before the guest boots, besides those that the firmware makes. Default: 0KiB.
    #[schemars(with = "Option<schema::ZoneSize>")]
    pub used: Option<At<String>>,
    /// How many dumps of earlier boots are in it. Default: 0.
    #[schemars(range(max = 16))]
    pub dumps: Option<At<u32>>,
    /// How much of a dump one variable takes (`efi_pstore.record_size`). Default: 1KiB.
    #[schemars(with = "Option<schema::ZoneSize>")]
    pub record: Option<At<String>>,
    /// Whether its flash cannot be written: the firmware then keeps variables in memory, and tells the kernel that all is well.
    /// Default: false.
    pub read_only: Option<bool>,
}

/// The sizes of ramoops' zones: powers of two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Ramoops")]
pub(super) struct RamoopsFile {
    /// How many of the zones for dumps hold one of an earlier boot, which must be without ECC. Default: 0.
    #[schemars(range(max = 8))]
    pub used: Option<At<u32>>,
    /// The size of the zone for one dump. Default: 64KiB.
    #[schemars(with = "Option<schema::ZoneSize>")]
    pub record: Option<At<String>>,
    /// How many zones for dumps there are. Default: 4.
    #[schemars(range(min = 1, max = 8))]
    pub records: Option<At<u32>>,
    /// The size of the zone for the console's output; 0KiB for none. Default: 64KiB.
    #[schemars(with = "Option<schema::ZoneSize>")]
    pub console: Option<At<String>>,
    /// The size of the zone for what user space writes to `/dev/pmsg0`; 0KiB for none. Default: 0KiB.
    #[schemars(with = "Option<schema::ZoneSize>")]
    pub pmsg: Option<At<String>>,
    /// Parity bytes of each block of 128: 0 for none, else 2 to 64. Default: 0.
    #[schemars(range(max = 64))]
    pub ecc: Option<At<u32>>,
}

/// Something that is set in the guest at run time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Knob")]
pub(super) enum KnobFile {
    /// A parameter of a module or of the kernel itself: `/sys/module/<module>/parameters/<name>`.
    Parameter(ModuleParameter),
    /// A sysctl, `kernel.panic_on_oops`: `/proc/sys/kernel/panic_on_oops`.
    Sysctl(Sysctl),
}

/// A parameter below `/sys/module`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ModuleParameter {
    /// The module; `kernel` for the kernel's own parameters.
    #[schemars(with = "schema::DottedName")]
    pub module: At<String>,
    /// The parameter.
    #[schemars(with = "schema::DottedName")]
    pub name: At<String>,
    /// What is written; `$name` for the value of a parameter of the sweep.
    #[schemars(with = "schema::Scalar")]
    pub value: At<Scalar>,
}

/// A file below `/proc/sys`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Sysctl {
    /// The name with dots.
    #[schemars(with = "schema::DottedName")]
    pub name: At<String>,
    /// What is written; `$name` for the value of a parameter of the sweep.
    #[schemars(with = "schema::Scalar")]
    pub value: At<Scalar>,
}

/// What outcome a channel must have, or which reports the kernel must not make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Expectation", extend("oneOf" = [schema::both("channel", "outcome"), schema::one("splats")]))]
pub(super) struct ExpectFile {
    /// The channel.
    pub channel: Option<At<Channel>>,
    /// The outcome expected of it: one that the channel may have.
    pub outcome: Option<At<ChannelOutcome>>,
    /// In place of both: `none`, that the kernel reports nothing wrong but what the faults ask for and what is allowed;
    /// `some`, that it does.
    pub splats: Option<At<SplatsFile>>,
    /// The titles of reports that are allowed, where there are to be no others. One that ends in `*` is the beginning of
    /// titles.
    #[serde(default)]
    pub allowed: Vec<At<String>>,
    /// In at least this share of the trials that count. Default: 0.9.
    #[schemars(range(min = 0, max = 1))]
    pub at_least: Option<At<f64>>,
    /// At which points of the sweep. Default: at all.
    #[serde(default, rename = "where")]
    #[schemars(with = "schema::Where")]
    pub only: Where,
}

/// Whether the kernel reports anything that it should not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Splats")]
pub(super) enum SplatsFile {
    /// Nothing else.
    None,
    /// Something else.
    Some,
}
