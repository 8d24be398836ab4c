//! `bases.yaml` and `axes.yaml`: files of named entries.

use serde::de::{DeserializeOwned, IgnoredAny};

use super::files::is_plain_name;
use harness_yaml::{Broken, Listed, Ordered, Source};

/// The entries of the mapping at `key` with their names, each of which can be a part of names of variants and cells.
/// `name_of` is what has the name, as the beginning of a sentence.
pub(super) fn entries<File: DeserializeOwned, T: DeserializeOwned>(
    file: &Source,
    (kind, name_of): (&'static str, &str),
    key: &'static str,
    of: impl FnOnce(File) -> Ordered<IgnoredAny>,
) -> Listed<(String, T)> {
    file.entries(kind, key, of).and_then(|(name, value)| {
        if is_plain_name(&name) {
            return Ok((name.value, value));
        }
        let cause = format!("{name_of} name is letters, digits, `.`, `_`, `-`");
        let problems = file.error(name.mark, cause, None).into();
        Err(Broken { kind, name: Some(name.value), problems })
    })
}
