//! Suites: a selection with a name, kept in a file.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Known, SelectedScenario, Selection};
use crate::kernel::KernelError;
use crate::model::KernelName;
use crate::scenario::{KernelNameSchema, NameSchema, PointFilter, Where, WhereSchema};
use crate::yaml::{At, Collected, InputError, Listed, Mark, Problems, Source};

/// What kind of thing a suite is.
pub(super) const KIND: &str = "suite";

/// A suite, read; its names are looked up by [`selection`](Self::selection).
#[derive(Debug, Clone)]
pub struct Suite {
    source: Source,
    file: File,
}

/// A suite of the crash harness: which variants, which scenarios, how often.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "suite")]
struct File {
    /// The file's name without `.yaml`.
    #[schemars(with = "NameSchema")]
    name: At<String>,
    /// What it is for, in one line.
    title: String,
    /// The variants to compare, the first being what the others are compared with. Each may name its own base,
    /// `stock@6.1`, and what is set about it, `stock+post_notifiers=1`.
    #[schemars(with = "Vec<KernelNameSchema>", length(min = 1))]
    variants: Vec<At<String>>,
    /// The base that the others are made from.
    base: At<String>,
    /// Trials in each cell.
    #[schemars(range(min = 1, max = 1_000_000))]
    trials: At<u32>,
    /// The scenarios.
    #[schemars(length(min = 1))]
    scenarios: Vec<Entry>,
}

/// A scenario of a suite: its name, or its name and which points of its sweep.
#[derive(Debug, Clone)]
struct Entry {
    name: At<String>,
    only: Where,
}

/// The long form of an entry.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Restricted {
    /// The scenario.
    #[schemars(with = "NameSchema")]
    name: At<String>,
    /// Which points of its sweep.
    #[serde(rename = "where")]
    #[schemars(with = "WhereSchema")]
    only: Where,
}

impl Suite {
    /// The suite in the file at `path`.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        Self::parse(Source::read(path)?)
    }

    /// The suite in `source`; the file's name counts, as the suite must be named like it.
    pub fn parse(source: Source) -> Result<Self, Problems> {
        let file: File = source.parse()?;
        let mut problems = Collected::default();
        problems.keep(source.require_name(&file.name));
        let error = |mark: Mark, cause: &str| source.error(mark, cause, None);
        if file.variants.is_empty() {
            problems.add(error(file.name.mark, "the suite has no variants"));
        }
        if file.scenarios.is_empty() {
            problems.add(error(file.name.mark, "the suite has no scenarios"));
        }
        if !(1..=1_000_000).contains(&file.trials.value) {
            problems.add(error(file.trials.mark, "there are 1 to 1000000 trials in a cell"));
        }
        problems.keep(twice(&source, "variant", file.variants.iter()));
        problems.keep(twice(&source, "scenario", file.scenarios.iter().map(|entry| &entry.name)));
        problems.end()?;
        Ok(Self { source, file })
    }

    /// The suites in the folder `dir` (its `*.yaml`), by name.
    pub fn list(dir: &Path) -> Listed<Self> {
        Listed::of_folder(KIND, dir, Self::load)
    }

    /// Its name, which is also its file's name without `.yaml`.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// What it is for, in one line.
    pub fn title(&self) -> &str {
        &self.file.title
    }

    /// SHA-256 of its file, lowercase hex.
    pub fn digest(&self) -> String {
        self.source.digest()
    }

    /// What it selects; names that are not there are shown in its file.
    pub fn selection(&self, known: &Known) -> Result<Selection, InputError> {
        let (kernels, scenarios) = (self.kernels(known)?, self.scenarios(known, &[])?);
        Ok(Selection { kernels, scenarios, params: Vec::new(), trials: self.trials() })
    }

    /// Its kernels.
    pub fn kernels(&self, known: &Known) -> Result<Vec<KernelName>, InputError> {
        self.file.variants.iter().map(|variant| self.kernel(variant, known)).collect()
    }

    /// Its scenarios: all of them, or those of these names.
    pub fn scenarios(&self, known: &Known, names: &[String]) -> Result<Vec<SelectedScenario>, InputError> {
        let wanted = |entry: &&Entry| names.is_empty() || names.contains(&entry.name.value);
        self.file.scenarios.iter().filter(wanted).map(|entry| self.scenario(entry, known)).collect()
    }

    /// Trials in each cell.
    pub fn trials(&self) -> u32 {
        self.file.trials.value
    }

    /// Checks all names in it; `variant` tells what is wrong with a variant that is there, as with what is set about it.
    pub fn check(&self, known: &Known, variant: impl Fn(&str) -> Result<(), KernelError>) -> Result<(), Problems> {
        let mut problems = Collected::default();
        for name in &self.file.variants {
            let Some(kernel) = problems.keep(self.kernel(name, known)) else { continue };
            match variant(&kernel.variant) {
                Ok(()) => {}
                Err(KernelError::Input(broken)) => problems.add(broken),
                Err(KernelError::Unknown(unknown)) => problems.add(self.source.unknown(name.mark, &unknown)),
                Err(error) => problems.add(self.source.error(name.mark, error.first_line(), None)),
            }
        }
        for entry in &self.file.scenarios {
            problems.keep(self.scenario(entry, known));
        }
        problems.end()
    }

    fn kernel(&self, variant: &At<String>, known: &Known) -> Result<KernelName, InputError> {
        let Self { source, file } = self;
        let kernel = KernelName::parse(variant, &file.base);
        let is_of_variant = variant.contains('@') || known.has_base(&kernel.base);
        let mark = if is_of_variant { variant.mark } else { file.base.mark };
        known.kernel(&kernel).map_err(|error| source.lookup(mark, error))?;
        Ok(kernel)
    }

    fn scenario(&self, Entry { name, only }: &Entry, known: &Known) -> Result<SelectedScenario, InputError> {
        let scenario = known.scenario(name).map_err(|error| self.source.lookup(name.mark, error))?;
        let only = PointFilter::resolve(&self.source, only, &scenario.parameters)?;
        Ok(SelectedScenario { name: name.value.clone(), only })
    }
}

fn twice<'a>(source: &Source, kind: &str, names: impl Iterator<Item = &'a At<String>>) -> Result<(), InputError> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if seen.contains(&name.as_str()) {
            return Err(source.error(
                name.mark,
                format!("the {kind} `{}` is named twice", crate::yaml::visible(name)),
                None,
            ));
        }
        seen.push(name);
    }
    Ok(())
}

/// The JSON Schema of a suite file.
pub fn schema() -> Value {
    schemars::schema_for!(File).to_value()
}

impl<'de> Deserialize<'de> for Entry {
    /// By hand, as serde's `untagged` would lose the places of mistakes inside of an entry.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrRestricted;

        impl<'de> Visitor<'de> for NameOrRestricted {
            type Value = (String, Option<Restricted>);

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a scenario's name or `{ name: …, where: … }`")
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok((name.to_owned(), None))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Ok((String::new(), Some(Restricted::deserialize(MapAccessDeserializer::new(map))?)))
            }
        }

        struct Either((String, Option<Restricted>));

        impl<'de> Deserialize<'de> for Either {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(NameOrRestricted).map(Either)
            }
        }

        let At { value: Either((name, restricted)), mark } = At::<Either>::deserialize(deserializer)?;
        Ok(match restricted {
            Some(Restricted { name, only }) => Self { name, only },
            None => Self { name: At { value: name, mark }, only: Where::default() },
        })
    }
}

impl JsonSchema for Entry {
    fn schema_name() -> Cow<'static, str> {
        "SuiteScenario".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A scenario: its name, or its name and which points of its sweep.",
            "anyOf": [generator.subschema_for::<NameSchema>(), generator.subschema_for::<Restricted>()],
        })
    }
}
