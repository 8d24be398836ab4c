//! A single value of a file: a number or a word.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::model::ParamValue;
use crate::yaml::{At, Ordered};

/// A number or a word, as it was written.
///
/// [`ParamValue`] itself is read by trial and error (serde's `untagged`), which loses the place of a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar(pub ParamValue);

/// For some parameters, some of their values: `{ hold: [0ms, 300ms], post_notifiers: [0] }`.
pub(crate) type Where = Ordered<Vec<At<Scalar>>>;

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
