//! One door for every YAML file: scenarios, suites, bases, variants.
//!
//! A file becomes a [`Source`]; the source is parsed into a type; values that are checked later keep their place as
//! [`At`]; and whatever is wrong, now or later, becomes an [`InputError`] which shows the line.
//!
//! ```text
//! path ─> Source ─> parse ─> T with At<…> inside ─> the caller's own checks ─> Source::error(mark, cause)
//! ```
//!
//! The parser (serde-saphyr) is not visible outside of this module. For exact places the types should be plain structs
//! with `deny_unknown_fields` and externally tagged enums: serde's `flatten` and `untagged` lose them.

mod at;
mod entries;
mod error;
mod explain;
mod listed;
mod names;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::de::{DeserializeOwned, DeserializeSeed};
use sha2::{Digest, Sha256};

pub use self::at::{At, Mark, Ordered};
pub use self::error::InputError;
pub use self::listed::{Broken, Collected, Listed, LookupError, Problems};
pub use self::names::visible;
pub use self::names::{UnknownName, nearest};

/// No file of the project comes near this size; a larger one was named by mistake.
const MAX_BYTES: u64 = 1 << 20;

/// The file at `path` as a `T`.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, InputError> {
    Source::read(path)?.parse()
}

/// `text`, which was read from `path`, as a `T`. The path is only named in errors.
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, InputError> {
    Source::new(path, text).parse()
}

/// The text of one YAML file and where it came from: what an error needs to show the line.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The file at `path`: UTF-8, at most 1 MiB.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let fail = |cause: String| InputError::of_file(path, cause);
        // Opening a FIFO would wait for somebody who writes to it.
        if std::fs::metadata(path).is_ok_and(|what| !what.is_file() && !what.is_dir()) {
            return Err(fail("it is no regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|e| fail(e.to_string()))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(fail(format!("the file is larger than {} KiB", MAX_BYTES >> 10)));
        }
        let text = String::from_utf8(bytes).map_err(|e| {
            let good = e.as_bytes().get(..e.utf8_error().valid_up_to()).unwrap_or_default();
            let line = good.split(|byte| *byte == b'\n').count();
            fail(format!("line {line} is not UTF-8"))
        })?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// A text as if it had been read from `path`.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Where the text came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the text in lowercase hex: names the exact input in a run's record.
    pub fn digest(&self) -> String {
        format!("{:x}", Sha256::digest(self.text.as_bytes()))
    }

    /// The text as a `T`. Duplicate keys, YAML tags, merge keys and more than one document are refused.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, InputError> {
        self.parse_as(PhantomData, &options())
    }

    /// The text as what `seed` makes of it.
    fn parse_as<T>(
        &self,
        seed: impl for<'de> DeserializeSeed<'de, Value = T>,
        options: &serde_saphyr::Options,
    ) -> Result<T, InputError> {
        let mut path = None;
        serde_saphyr::with_deserializer_from_str_with_options(&self.text, options.clone(), |deserializer| {
            let mut track = serde_path_to_error::Track::new();
            let read = seed.deserialize(serde_path_to_error::Deserializer::new(deserializer, &mut track));
            read.inspect_err(|_| path = Some(track.path()))
        })
        .map_err(|e| explain::input_error(self, &e, path.as_ref()))
    }

    /// Something is wrong at `mark` of this file.
    pub fn error(&self, mark: Mark, cause: impl Into<String>, hint: Option<String>) -> InputError {
        InputError::at(&self.path, &self.text, mark, cause, hint)
    }

    /// The name at `mark` of this file is not known.
    pub fn unknown(&self, mark: Mark, name: &UnknownName) -> InputError {
        self.error(mark, name.cause(), Some(name.hint()))
    }

    /// The name at `mark` of this file cannot be used. If it is another file that is broken, that one's error is the cause.
    pub fn lookup(&self, mark: Mark, error: LookupError) -> InputError {
        match error {
            LookupError::Unknown(unknown) => self.unknown(mark, &unknown),
            LookupError::Broken(broken) => broken,
        }
    }

    /// `name`, at `mark` of this file, must be the file's own name without `.yaml`, so that one can be found by the
    /// other.
    pub fn require_name(&self, name: &At<String>) -> Result<(), InputError> {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        if *name.value == *stem {
            return Ok(());
        }
        let cause = format!("the name `{}` is not that of the file", visible(&name.value));
        Err(self.error(name.mark, cause, Some(format!("rename one of the two: `name: {}`", visible(&stem)))))
    }
}

/// The `*.yaml` files of the folder `dir`, sorted by name, without hidden ones; none if there is no such folder. That they
/// can be read is not said.
pub fn files(dir: &Path) -> Result<Vec<PathBuf>, InputError> {
    let fail = |e: std::io::Error| InputError::of_file(dir, e.to_string());
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fail)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        // Editors keep locks and copies under hidden names.
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.extension().is_some_and(|extension| extension == "yaml") && !is_hidden {
            files.push(path);
        }
    }
    // By name: the end of a file's name sorts behind a `-`.
    files.sort_by(|one, other| one.file_stem().cmp(&other.file_stem()));
    Ok(files)
}

/// Strict where YAML is lax, and small where it could be made to explode.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            flow_nesting_limit: 16,
            max_events: 20_000,
            max_nodes: 20_000,
            max_depth: 16,
            max_aliases: 100,
            max_anchors: 100,
            max_recorded_anchor_events: 2_000,
            max_recorded_anchor_bytes: 64 << 10,
            max_documents: 2,
        },
        alias_limits: alias_limits(),
        merge_keys: serde_saphyr::MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// The options for a reader that looks for duplicate keys itself.
fn duplicates_passed() -> serde_saphyr::Options {
    let mut options = options();
    options.duplicate_keys = serde_saphyr::DuplicateKeyPolicy::PassThrough;
    options
}

fn alias_limits() -> serde_saphyr::options::AliasLimits {
    let mut limits = serde_saphyr::options::AliasLimits::default();
    limits.max_total_replayed_events = 2_000;
    limits.max_replay_stack_depth = 4;
    limits
}

#[cfg(test)]
mod tests;
