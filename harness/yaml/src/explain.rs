//! The parser's errors in the words of somebody who writes the files.

use serde_path_to_error::{Path, Segment};
use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

use super::names::{self, visible};
use super::{At, InputError, Mark, Source};

/// The error that the parser met in `source` at `path`.
pub(super) fn input_error(source: &Source, error: &Error, path: Option<&Path>) -> InputError {
    let mut mark = error.location().map_or_else(Mark::default, Mark::from);
    let error = innermost(error);
    let place = Place::new(path);
    if matches!(error, Error::SerdeMissingField { .. }) && place.path.is_empty() {
        // The parser points at the last key of the file, of all places.
        mark = Mark::default();
    }
    let (cause, hint) = explain(error, &place);
    source.error(on_text(mark, source.text()), cause, hint)
}

/// The error of a key that is given for the second time.
pub(super) fn given_twice(source: &Source, key: &At<String>) -> InputError {
    let (cause, hint) = twice(key);
    source.error(key.mark, cause, hint)
}

fn twice(key: &str) -> (String, Option<String>) {
    (format!("the key `{}` is given twice", visible(key)), Some("keep one of the two".to_owned()))
}

/// Where something is missing the parser points to what comes next; if that is a blank line, to the text before it.
fn on_text(mark: Mark, text: &str) -> Mark {
    let upto = usize::try_from(mark.line).unwrap_or(usize::MAX);
    let lines: Vec<&str> = text.lines().take(upto).collect();
    if lines.len() == upto && lines.last().is_some_and(|line| !line.trim().is_empty()) {
        return mark;
    }
    let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    match lines.iter().rposition(|line| !line.trim().is_empty()) {
        Some(index) => {
            let end = lines.get(index).map_or(0, |line| line.trim_end().chars().count());
            Mark { line: small(index + 1), column: small(end + 1), length: 1 }
        }
        None => Mark::default(),
    }
}

fn innermost(error: &Error) -> &Error {
    match error.without_snippet() {
        Error::AliasError { error, .. } => innermost(error),
        error => error,
    }
}

/// Where in the document's structure an error is: `actors[1].oops.cpu`.
struct Place {
    path: String,
    /// Below `path` lie keys of the user's choice, which the path does not know.
    inside: bool,
}

impl Place {
    fn new(path: Option<&Path>) -> Self {
        let known = |segment: &&Segment| !matches!(segment, Segment::Unknown);
        let mut segments: Vec<&Segment> = path.into_iter().flatten().take_while(known).collect();
        let inside = path.is_some_and(|path| path.iter().len() > segments.len());
        // The value inside an `At` is read as a field of this name. (Of a field that is really called `value` and is
        // not an `At`, the mapping is named instead.)
        let is_value = |segment: &Segment| matches!(segment, Segment::Map { key } if key == "value");
        if segments.last().is_some_and(|last| is_value(last)) {
            segments.pop();
        }
        let mut path = String::new();
        let mut in_list = false;
        let last = segments.len().saturating_sub(1);
        for (index, segment) in segments.into_iter().enumerate() {
            // On the way to something below it.
            let at_of_item = is_value(segment) && (in_list || index < last);
            in_list = matches!(segment, Segment::Seq { .. });
            if at_of_item {
                continue;
            }
            if !path.is_empty() && !in_list {
                path.push('.');
            }
            path.push_str(&visible(&segment.to_string()));
        }
        Self { path, inside }
    }

    /// The value at this place, as the beginning of a sentence.
    fn value(&self) -> String {
        if self.path.is_empty() || self.inside { "this".to_owned() } else { format!("`{}`", self.path) }
    }

    /// The place of which `name` is no part: the variant that an enum does not have may or may not be in the path.
    fn without(&self, name: &str) -> Self {
        let path = self.path.strip_suffix(name).and_then(|path| path.strip_suffix('.')).unwrap_or(&self.path);
        Self { path: path.to_owned(), inside: self.inside }
    }

    /// The mapping that has the unknown key `key`, as the end of a sentence. The key may or may not be in the path.
    fn parent_of(&self, key: &str) -> String {
        let key = visible(key);
        let parent =
            if self.path == key { "" } else { self.path.strip_suffix(&format!(".{key}")).unwrap_or(&self.path) };
        within(parent)
    }
}

fn within(mapping: &str) -> String {
    if mapping.is_empty() { String::new() } else { format!(" in `{mapping}`") }
}

fn explain(error: &Error, place: &Place) -> (String, Option<String>) {
    let hinted = |cause: String, hint: &str| (cause, Some(hint.to_owned()));
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            let cause = format!("unknown key `{}`{}", visible(field), place.parent_of(field));
            if field.ends_with(')') && !field.contains('(') {
                // `at: uniform(0ms,10ms)` between braces: the value `uniform(0ms`, and the key `10ms)`.
                let hint = "between braces a value ends at a comma; quote one that has a comma in it: \
                            `at: \"uniform(0ms,10ms)\"`";
                return hinted(cause, hint);
            }
            (cause, Some(names::hint("key", field, expected)))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            let variant = visible(variant);
            let cause = format!("{} cannot be `{variant}`", place.without(&variant).value());
            (cause, Some(names::hint("word", &variant, expected)))
        }
        Error::SerdeMissingField { field, .. } => {
            (format!("the key `{field}` is missing{}", within(&place.path)), None)
        }
        Error::DuplicateMappingKey { key, .. } => twice(key.as_deref().unwrap_or("?")),
        Error::InvalidScalar { ty, .. } => (format!("{} must be {}", place.value(), range(ty)), None),
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            (format!("{} must be {expected}, not {}", place.value(), found(unexpected)), None)
        }
        Error::Unexpected { expected, .. } => (format!("{} must be {}", place.value(), kind(expected)), None),
        Error::NullIntoString { .. } => (format!("{} is empty", place.value()), None),
        Error::InvalidBooleanStrict { .. } => (format!("{} must be true or false", place.value()), None),
        Error::ExpectedMappingEndAfterEnumVariantValue { .. } => {
            hinted("there is more than one key here".to_owned(), "one key for each list item: begin this one with `- `")
        }
        Error::ExternallyTaggedEnumExpectedScalarOrMapping { .. } => {
            (format!("{} must be a mapping with one key", place.value()), None)
        }
        Error::MultipleDocuments { .. } => ("a second document begins here".to_owned(), None),
        Error::Eof { .. } => ("the file is empty".to_owned(), None),
        Error::UnknownAnchor { .. } => ("an alias (`*name`) without its anchor (`&name`)".to_owned(), None),
        Error::MergeKeyNotAllowed { .. } => ("merge keys (`<<`) are not used here".to_owned(), None),
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            hinted("the file is too large, too deep or repeats too much".to_owned(), "write it without YAML aliases")
        }
        Error::ExternalMessage { .. } => hinted(
            format!("not YAML: {}", plain(error)),
            "indent by spaces, the keys of one mapping all alike; quote a text with `: `, ` #` or braces in it",
        ),
        _ => (plain(error), None),
    }
}

/// The parser's own words, without a place and safe to print.
fn plain(error: &Error) -> String {
    visible(&UserMessageFormatter.format_message(error))
}

fn found(unexpected: &str) -> String {
    match unexpected {
        "unit value" => "nothing".to_owned(),
        "sequence" => "a list".to_owned(),
        "map" => "a mapping".to_owned(),
        other => visible(other),
    }
}

fn kind(expected: &str) -> &str {
    match expected {
        "mapping start" => "a mapping",
        "sequence start" => "a list",
        "string scalar" | "scalar" => "a single word or text",
        other => other,
    }
}

fn range(ty: &str) -> String {
    let of = |low: &dyn std::fmt::Display, high: &dyn std::fmt::Display| format!("a whole number from {low} to {high}");
    match ty {
        "u8" => of(&0, &u8::MAX),
        "u16" => of(&0, &u16::MAX),
        "u32" => of(&0, &u32::MAX),
        "u64" => of(&0, &u64::MAX),
        "i64" => of(&i64::MIN, &i64::MAX),
        "f32" | "f64" => "a number".to_owned(),
        other => format!("of type {other}"),
    }
}
