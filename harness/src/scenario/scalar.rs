//! Values of a file: a number or a word, a list of them, a range.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::model::ParamValue;
use crate::yaml::{At, Ordered};

/// A number or a word, as it was written.
///
/// [`ParamValue`] itself is read by trial and error (serde's `untagged`), which loses the place of a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar(pub ParamValue);

/// Something with a name of its own; or `$name`, for a parameter of which each value is such a name. A name is made
/// something of where its place is known.
#[derive(Debug, Clone)]
pub(crate) enum Swept<T> {
    Name(String),
    Given(T),
}

/// The parameters of a sweep, each with its values: `{ hold: { from: 0ms, to: 2s, step: 100ms }, post_notifiers: [0, 1] }`.
pub(crate) type Sweep = Ordered<Values<Steps>>;

/// For some parameters, some of their values: `{ hold: { to: 300ms }, post_notifiers: [0] }`.
pub(crate) type Where = Ordered<Values<Between>>;

/// Values: a list of them, a range `R`, or all that there are.
#[derive(Debug, Clone)]
pub(crate) enum Values<R> {
    List(Vec<At<Scalar>>),
    Range(R),
    All,
}

/// Values at equal distances, both ends included.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Steps {
    pub from: At<Scalar>,
    pub to: At<Scalar>,
    pub step: At<Scalar>,
}

/// The values between two, both included.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Between {
    pub from: Option<At<Scalar>>,
    pub to: Option<At<Scalar>>,
}

impl<'de, R: Deserialize<'de>> Deserialize<'de> for Values<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListOrRange<R>(PhantomData<R>);

        impl<'de, R: Deserialize<'de>> Visitor<'de> for ListOrRange<R> {
            type Value = Values<R>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list of values, a range or `all`")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Values<R>, E> {
                if word == "all" { Ok(Values::All) } else { Err(E::unknown_variant(word, &["all"])) }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Values<R>, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Values::List)
            }

            fn visit_map<A: MapAccess<'de>>(self, range: A) -> Result<Values<R>, A::Error> {
                R::deserialize(MapAccessDeserializer::new(range)).map(Values::Range)
            }
        }

        deserializer.deserialize_any(ListOrRange(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Swept<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for NameOrMap<T> {
            type Value = Swept<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, word: &str) -> Result<Swept<T>, E> {
                Ok(Swept::Name(word.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Swept<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Swept::Given)
            }
        }

        deserializer.deserialize_any(NameOrMap(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Swept<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Swept{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let plain = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [plain, { "type": "string", "pattern": "^[$][a-z][a-z0-9_]*$" }] })
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrWord;

        impl Visitor<'_> for NumberOrWord {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a whole number or a word")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(ParamValue::Number(number)))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                let number = i64::try_from(number).map_err(|_| E::custom(format!("`{number}` is too large")))?;
                self.visit_i64(number)
            }

            fn visit_str<E>(self, word: &str) -> Result<Scalar, E> {
                Ok(Scalar(ParamValue::Text(word.to_owned())))
            }
        }

        deserializer.deserialize_any(NumberOrWord)
    }
}
