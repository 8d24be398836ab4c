//! The list in its file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use crate::model::{CellKey, Channel, ParamValue};
use crate::scenario::Scalar;
use crate::stats::Proportion;
use crate::yaml::{At, Collected, InputError, Mark, Ordered, Problems, Source};

/// Failures that are known, in the order of their file.
#[derive(Debug, Clone)]
pub struct KnownList {
    source: Source,
    /// One by one.
    pub entries: Vec<Entry>,
}

/// A failure that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The cells: names, in which `*` stands for anything.
    pub scenario: String,
    /// Likewise.
    pub variant: String,
    /// Likewise.
    pub base: String,
    /// Values of some parameters.
    pub params: BTreeMap<String, ParamValue>,
    /// The channel that fails there.
    pub channel: Channel,
    /// Where more is said of it.
    pub link: String,
    /// The day since which it is known.
    pub since: NaiveDate,
    /// The last day on which it is.
    pub until: Option<NaiveDate>,
    /// How often the outcome was good when that was measured.
    pub share: Option<Proportion>,
    /// What else there is to say.
    pub note: Option<String>,
    mark: Mark,
}

/// Known failures of the crash harness: they keep no run from ending well.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "known")]
struct File {
    /// The failures, of which the first that fits a cell's channel counts.
    known: Vec<Written>,
}

/// A failure, as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The scenario. In names `*` stands for anything.
    scenario: At<String>,
    /// The variant.
    variant: At<String>,
    /// The base. Of all bases, if none is named.
    base: Option<At<String>>,
    /// The values of some of the parameters. Of all points, if none is named.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, NumberOrWord>")]
    params: Ordered<At<Scalar>>,
    /// The channel that fails there.
    channel: At<Channel>,
    /// Where more is said of it.
    #[schemars(regex(pattern = "^https?://"))]
    link: At<String>,
    /// The day since which it is known, `2026-11-28`.
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    since: At<String>,
    /// The last day on which it is.
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    until: Option<At<String>>,
    /// How often the outcome was good when that was measured, `3/20`.
    #[schemars(regex(pattern = "^[0-9]+/[1-9][0-9]*$"))]
    share: Option<At<String>>,
    /// What else there is to say.
    note: Option<String>,
}

/// A parameter's value, for the schema.
struct NumberOrWord;

impl JsonSchema for NumberOrWord {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NumberOrWord".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"] })
    }
}

/// The JSON Schema of such a file.
pub fn schema() -> Value {
    schemars::schema_for!(File).to_value()
}

impl KnownList {
    /// The list in the file at `path`.
    pub fn load(path: &Path) -> Result<Self, Problems> {
        Self::parse(Source::read(path)?)
    }

    /// The list in `source`.
    pub fn parse(source: Source) -> Result<Self, Problems> {
        let File { known } = source.parse()?;
        let mut problems = Collected::default();
        let read = known.into_iter().filter_map(|written| problems.keep(entry(&source, written)));
        let entries = read.collect();
        problems.end()?;
        Ok(Self { source, entries })
    }

    /// Where it came from.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// Its text.
    pub fn text(&self) -> &str {
        self.source.text()
    }

    /// Something is to be said of an entry, at its place in the file.
    pub fn at(&self, entry: &Entry, cause: impl Into<String>) -> InputError {
        self.source.error(entry.mark, cause, None)
    }
}

fn entry(source: &Source, written: Written) -> Result<Entry, InputError> {
    let Written { scenario, variant, base, params, channel, link, since, until, share, note } = written;
    if !(link.starts_with("https://") || link.starts_with("http://")) {
        return Err(source.error(link.mark, "the link is no URL", Some("write it whole: https://…".to_owned())));
    }
    let since_day = day(source, &since)?;
    let until_day = until.as_ref().map(|until| day(source, until)).transpose()?;
    if let (Some(until), Some(day)) = (&until, until_day)
        && day < since_day
    {
        return Err(source.error(until.mark, "it ends before it begins", None));
    }
    let params = params.0.into_iter().map(|(name, value)| (name.value, value.value.0)).collect();
    Ok(Entry {
        mark: scenario.mark,
        scenario: scenario.value,
        variant: variant.value,
        base: base.map_or_else(|| "*".to_owned(), |base| base.value),
        params,
        channel: channel.value,
        link: link.value,
        since: since_day,
        until: until_day,
        share: share.map(|share| measured(source, &share)).transpose()?,
        note,
    })
}

fn day(source: &Source, text: &At<String>) -> Result<NaiveDate, InputError> {
    text.parse().map_err(|_| source.error(text.mark, "not a day", Some("days are written as 2026-11-28".to_owned())))
}

fn measured(source: &Source, text: &At<String>) -> Result<Proportion, InputError> {
    let counts = text.split_once('/').and_then(|(good, of)| Some((good.parse().ok()?, of.parse().ok()?)));
    let share = counts.and_then(|(good, of)| Proportion::new(good, of)).filter(|share| share.of() > 0);
    let hint = || Some("a share is written as it was counted: 3/20".to_owned());
    share.ok_or_else(|| source.error(text.mark, "not a share that was measured", hint()))
}

impl Entry {
    /// Whether it is of this channel of this cell.
    pub fn fits(&self, cell: &CellKey, channel: Channel) -> bool {
        self.channel == channel && self.fits_cell(cell)
    }

    /// Whether it is of a channel of this cell.
    pub fn fits_cell(&self, cell: &CellKey) -> bool {
        let CellKey { variant, base, scenario, params } = cell;
        let names = [(&self.scenario, scenario), (&self.variant, variant), (&self.base, base)];
        names.iter().all(|(pattern, name)| fits(pattern, name))
            && self.params.iter().all(|(name, value)| params.get(name) == Some(value))
    }
}

/// Whether a name fits a pattern, in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}
