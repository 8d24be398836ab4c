//! What the guest ends by, as written.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::model::ends::EndsBy;
use crate::scenario::scalar::{Swept, Where};
use crate::scenario::schema;
use crate::yaml::At;

/// One end for all points of the sweep, or a list of them, of which each may be for some points only.
#[derive(Debug)]
pub(in crate::scenario) enum EndsByFile {
    One(Swept<EndsBy>),
    Several(Vec<EndFile>),
}

/// Something that the guest may end by.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "End")]
pub(in crate::scenario) struct EndFile {
    /// What.
    pub end: At<Swept<EndsBy>>,
    /// At which points of the sweep. Default: at all.
    #[serde(default, rename = "where")]
    #[schemars(with = "schema::Where")]
    pub only: Where,
}

impl EndsByFile {
    /// The `where` of each of a list.
    pub(in crate::scenario) fn filters(&self) -> impl Iterator<Item = &Where> {
        let several = match self {
            Self::One(_) => &[],
            Self::Several(several) => several.as_slice(),
        };
        several.iter().map(|end| &end.only)
    }
}

impl<'de> Deserialize<'de> for EndsByFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrList;

        impl<'de> Visitor<'de> for WordOrList {
            type Value = EndsByFile;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("what the guest ends by, or a list of such")
            }

            fn visit_str<E>(self, word: &str) -> Result<EndsByFile, E> {
                Ok(EndsByFile::One(Swept::Name(word.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<EndsByFile, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(EndsByFile::Several)
            }
        }

        deserializer.deserialize_any(WordOrList)
    }
}

impl JsonSchema for EndsByFile {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "EndsByFile".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (one, several) = (generator.subschema_for::<Swept<EndsBy>>(), generator.subschema_for::<Vec<EndFile>>());
        let mut several = several;
        several.insert("minItems".to_owned(), 1.into());
        json_schema!({ "anyOf": [one, several] })
    }
}
