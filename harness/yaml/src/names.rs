//! Names that nobody knows, and the ones that were probably meant.

use std::fmt;

/// The candidate that `name` is most probably a slip of the pen for, if any is near enough: one edit (a missing, wrong,
/// added or exchanged character) per three characters.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// A name that was asked for and is not there.
///
/// ```text
/// no scenario `panic-alnoe`
///
/// hint: did you mean `panic-alone`? (known: oops-then-panic, panic-alone)
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct UnknownName {
    /// What kind of thing was asked for, e.g. `scenario`.
    pub kind: &'static str,
    /// What it should have been a part of, e.g. the parameter whose value was asked for.
    pub of: Option<String>,
    /// The name that was given.
    pub name: String,
    /// The names there are, in the order to show them.
    pub known: Vec<String>,
}

impl UnknownName {
    /// `name` is none of the `known` things of this `kind`.
    pub fn new<'a>(kind: &'static str, name: impl Into<String>, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self { kind, of: None, name: name.into(), known: known.into_iter().map(str::to_owned).collect() }
    }

    /// Says that the known things are those of `whole` only.
    #[must_use]
    pub fn of(self, whole: impl Into<String>) -> Self {
        Self { of: Some(whole.into()), ..self }
    }

    /// The cause: ``no scenario `panic-alnoe` ``, ``no value `1s` of `hold` ``.
    pub fn cause(&self) -> String {
        let of = self.of.as_ref().map(|of| format!(" of `{}`", visible(of))).unwrap_or_default();
        format!("no {} `{}`{of}", self.kind, visible(&self.name))
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        hint(self.kind, &self.name, &self.known)
    }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\nhint: {}", self.cause(), self.hint())
    }
}

/// More names than this are not shown; then there is a subcommand that lists them.
const MOST_SHOWN: usize = 48;

/// The nearest of the known names, and all of them if they are few.
pub(super) fn hint<S: AsRef<str>>(kind: &str, name: &str, known: &[S]) -> String {
    let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
    let few = known.len() <= MOST_SHOWN;
    let list = if few { format!("known: {}", known.join(", ")) } else { format!("`harness list {kind}s` shows all") };
    match nearest(name, known.iter().copied()) {
        Some(candidate) => format!("did you mean `{candidate}`? ({list})"),
        None if known.is_empty() => format!("there is no {kind} at all"),
        None => list,
    }
}

/// `text` without anything that would move a terminal's cursor.
pub fn visible(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}
