//! What is set at run time.

use std::fmt;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::files::is_plain_name;

/// A run-time setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Knob {
    /// `/sys/module/<module>/parameters/<name>`.
    Parameter(Parameter),
    /// `/proc/sys/<name, with / for .>`.
    Sysctl(Sysctl),
}

impl fmt::Display for Knob {
    /// `sysctl kernel.panic_print=1`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(Parameter { module, name, value }) => write!(f, "parameter {module}.{name}={value}"),
            Self::Sysctl(Sysctl { name, value }) => write!(f, "sysctl {name}={value}"),
        }
    }
}

/// A parameter of a module, or of a part of the kernel that goes by a module's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// E.g. `kernel`.
    pub module: String,
    /// E.g. `crash_kexec_post_notifiers`.
    pub name: String,
    /// The text that is written; a number or a truth value in YAML becomes its text.
    #[serde(deserialize_with = "scalar")]
    pub value: String,
}

/// A sysctl.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sysctl {
    /// E.g. `kernel.panic_print`.
    pub name: String,
    /// The text that is written; a number or a truth value in YAML becomes its text.
    #[serde(deserialize_with = "scalar")]
    pub value: String,
}

impl Knob {
    /// The names become parts of a path in the guest.
    pub(super) fn check(&self) -> Result<(), String> {
        let (names, value): (Vec<&str>, &str) = match self {
            Self::Parameter(Parameter { module, name, value }) => (vec![module, name], value),
            Self::Sysctl(Sysctl { name, value }) => (name.split('.').collect(), value),
        };
        if let Some(name) = names.iter().find(|name| !is_plain_name(name)) {
            return Err(format!("`{}` is not a name the kernel uses", name.escape_debug()));
        }
        if value.contains(['\n', '\0']) {
            return Err("a value is one line".to_owned());
        }
        Ok(())
    }
}

/// A scalar of any kind, as the text the kernel is given.
fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    struct Scalar;

    impl Visitor<'_> for Scalar {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a number, a text or a truth value")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_bool<E: serde::de::Error>(self, truth: bool) -> Result<String, E> {
            Ok(if truth { "1" } else { "0" }.to_owned())
        }

        fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<String, E> {
            Err(E::invalid_value(Unexpected::Float(number), &self))
        }
    }

    deserializer.deserialize_any(Scalar)
}
