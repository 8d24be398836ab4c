//! The JSON Schema of scenario files, for editors and other programs.
//!
//! The structure comes from the types of `file.rs`; the words in it (names, durations) are the types of this file,
//! which exist for their schemas only. A schema cannot say everything: that `$hold` is a parameter of the file, that a
//! CPU is one of the guest's. What it accepts may therefore still be refused; what it refuses is refused.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::model::timeline::STEPS;

/// That an object has exactly one of these keys.
pub(super) fn one_of(keys: &[&str]) -> Value {
    keys.iter().map(|key| json!({ "required": [key] })).collect()
}

/// An object that has this key.
pub(super) fn one(key: &str) -> Value {
    json!({ "required": [key] })
}

/// An object that has both of these keys.
pub(super) fn both(one: &str, other: &str) -> Value {
    json!({ "required": [one, other] })
}

/// What a range counts: whole numbers, or durations.
fn counted() -> Value {
    json!({ "oneOf": [{ "type": "integer" }, { "type": "string", "pattern": "^[0-9]+(us|ms|s)$" }] })
}

/// What may also be left empty.
fn or_null(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// Defines types that are nothing but a schema.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident = $schema:expr;)+) => {
        $(
            $(#[doc = $doc])+
            pub(crate) struct $name;

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    let mut schema: Schema = $schema;
                    schema.insert("description".to_owned(), concat!($($doc),+).trim().into());
                    schema
                }
            }
        )+
    };
}

words! {
    /// A name: small letters, digits and `-`.
    Name = json_schema!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$", "maxLength": 64 });
    /// A variant: its name, what is set about it, and perhaps its base, as in `stock+post_notifiers=1@6.1`.
    KernelName = json_schema!({
        "type": "string",
        "pattern": "^[a-z0-9][a-z0-9-]*([+][A-Za-z0-9._-]+=[A-Za-z0-9._,:-]+)*(@[A-Za-z0-9][A-Za-z0-9._-]*)?$",
    });
    /// A name: at most 15 small letters, digits and `-`.
    ActorName = json_schema!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$", "maxLength": 15 });
    /// A name of the kernel's: letters, digits, `_`, `-`, and dots between them.
    DottedName = json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*$" });
    /// A whole number and one of the units us, ms, s.
    Duration = json_schema!({ "type": "string", "pattern": "^[0-9]+(us|ms|s)$" });
    /// A whole number and one of the units us, ms, s; or `$name` for a parameter.
    SweptDuration = json_schema!({ "type": "string", "pattern": "^([0-9]+(us|ms|s)|[$][a-z][a-z0-9_]*)$" });
    /// A duration, such as 300ms; `uniform(0ms,10ms)` or `exponential(5ms)`, drawn in each trial; or `$name` for a
    /// parameter.
    DrawnDuration = json_schema!({
        "type": "string",
        "pattern": "^([0-9]+(us|ms|s)|uniform[(][0-9]+(us|ms|s),[0-9]+(us|ms|s)[)]|exponential[(][0-9]+(us|ms|s)[)]|[$][a-z][a-z0-9_]*)$",
    });
    /// A duration, drawn or not; `forever`; or `$name` for a parameter.
    Lasting = json_schema!({
        "type": "string",
        "pattern": "^([0-9]+(us|ms|s)|uniform[(][0-9]+(us|ms|s),[0-9]+(us|ms|s)[)]|exponential[(][0-9]+(us|ms|s)[)]|[$][a-z][a-z0-9_]*|forever)$",
    });
    /// A whole number from 1, or `$name` for a parameter.
    SweptNumber = json_schema!({
        "oneOf": [{ "type": "integer", "minimum": 1 }, { "type": "string", "pattern": "^[$][a-z][a-z0-9_]*$" }],
    });
    /// A whole number from 1, `forever`, or `$name` for a parameter.
    Times = json_schema!({
        "oneOf": [
            { "type": "integer", "minimum": 1 },
            { "type": "string", "pattern": "^([$][a-z][a-z0-9_]*|forever)$" },
        ],
    });
    /// A word of the kernel's command line.
    CommandLineWord = json_schema!({ "type": "string", "pattern": "^[!-~]+$", "maxLength": 200 });
    /// A whole number and one of the units KiB, MiB.
    ZoneSize = json_schema!({ "type": "string", "pattern": "^[0-9]+(KiB|MiB)$" });
    /// A sign, a whole number and one of the units s, min, h, d.
    ClockChange = json_schema!({ "type": "string", "pattern": "^[+-][0-9]+(s|min|h|d)$" });
    /// A crash kernel: none, one in the memory that it takes, or in so much; or the parameter that says which.
    Kdump = json_schema!({ "type": "string", "pattern": "^(none|loaded|[0-9]+(MiB|GiB)|\\$[a-z0-9_]+)$" });
    /// A whole number and one of the units MiB, GiB.
    Size = json_schema!({ "type": "string", "pattern": "^[0-9]+(MiB|GiB)$" });
    /// A release of Linux: whole numbers with dots between them.
    Release = json_schema!({ "type": "string", "pattern": "^[0-9]+[.][0-9]+([.][0-9]+)?$" });
    /// A symbol of the kernel's.
    Symbol = json_schema!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_.]*$", "maxLength": 63 });
    /// An option of the kernel's configuration.
    ConfigOption = json_schema!({ "type": "string", "pattern": "^CONFIG_[A-Za-z0-9_]+$", "maxLength": 64 });
    /// A step of a timeline: one of these, or one of the scenario's own.
    StepName = json_schema!({
        "anyOf": [{ "enum": STEPS.iter().map(|step| step.name).collect::<Vec<_>>() }, { "type": "string", "pattern": "^[a-z][a-z0-9_]*$" }],
    });
    /// The name of a step of the scenario's own.
    OwnStepName = json_schema!({ "type": "string", "pattern": "^[a-z][a-z0-9_]*$", "maxLength": 32 });
    /// The name of a function of the kernel, or of an actor.
    OfStep = json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_.-]+$" });
    /// A whole number or a word.
    Scalar = json_schema!({ "type": ["integer", "string"] });
    /// Each parameter with its values: a list, a range with both of its ends, or `all` CPUs that are online.
    Sweep = json_schema!({
        "type": "object",
        "propertyNames": { "pattern": "^[a-z][a-z0-9_]*$", "maxLength": 32 },
        "additionalProperties": { "oneOf": [
            { "type": "array", "minItems": 1, "uniqueItems": true, "items": { "type": ["integer", "string"] } },
            {
                "type": "object",
                "required": ["from", "to", "step"],
                "additionalProperties": false,
                "properties": { "from": counted(), "to": counted(), "step": counted() },
            },
            { "const": "all" },
        ] },
    });
    /// For some parameters of the scenario, some of their values: a list, those of a range, or `all`.
    Where = json_schema!({
        "type": "object",
        "additionalProperties": { "oneOf": [
            { "type": "array", "minItems": 1, "items": { "type": ["integer", "string"] } },
            {
                "type": "object",
                "additionalProperties": false,
                "properties": { "from": or_null(&counted()), "to": or_null(&counted()) },
            },
            { "const": "all" },
        ] },
    });
}
