//! The error of an input file, shown with the line.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Mark;

/// At most this much of a line is shown, in characters.
const WINDOW: usize = 100;

/// Something is wrong in a file that a user wrote.
///
/// Its text says what was being read, where in it, the line itself, the cause and, mostly, what to do:
///
/// ```text
/// reading scenarios/panic-alone.yaml: unknown key `cpu` in `guest`
///   --> scenarios/panic-alone.yaml:7:10
///   |
/// 7 | guest: { cpu: 4 }
///   |          ^^^
///
/// hint: did you mean `cpus`? (known: cpus, memory)
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InputError(Box<Parts>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    path: PathBuf,
    cause: String,
    hint: Option<String>,
    place: Option<Place>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    mark: Mark,
    line: String,
}

impl InputError {
    /// Something is wrong at `mark` of the file at `path`, whose text is `source`.
    pub fn at(path: &Path, source: &str, mark: Mark, cause: impl Into<String>, hint: Option<String>) -> Self {
        let index = usize::try_from(mark.line).unwrap_or(usize::MAX).checked_sub(1);
        let line = index.map(|index| source.lines().nth(index).unwrap_or_default().to_owned());
        let place = line.map(|line| Place { mark, line });
        Self(Box::new(Parts { path: path.to_owned(), cause: cause.into(), hint, place }))
    }

    /// Something is wrong with the file at `path` as a whole.
    pub fn of_file(path: &Path, cause: impl Into<String>) -> Self {
        Self(Box::new(Parts { path: path.to_owned(), cause: cause.into(), hint: None, place: None }))
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Where in the file, if the error is about one place.
    pub fn mark(&self) -> Option<Mark> {
        self.0.place.as_ref().map(|place| place.mark)
    }

    /// Why the file cannot be used, in one line.
    pub fn cause(&self) -> &str {
        &self.0.cause
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { path, cause, hint, place } = &*self.0;
        let path = path.display();
        write!(f, "reading {path}: {cause}")?;
        if let Some(Place { mark, line }) = place {
            let number = mark.line.to_string();
            let gutter = " ".repeat(number.len());
            let (shown, before, length) = window(line, *mark);
            let carets = "^".repeat(length);
            write!(f, "\n{gutter} --> {path}:{}:{}", mark.line, mark.column)?;
            write!(f, "\n{gutter} |\n{number} |{}{shown}", if shown.is_empty() { "" } else { " " })?;
            write!(f, "\n{gutter} | {:before$}{carets}", "")?;
        }
        match hint {
            Some(hint) => write!(f, "\n\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// The part of a line that is shown, how many characters of it lie before the mark, and how many are marked.
fn window(line: &str, mark: Mark) -> (String, usize, usize) {
    // One column for each character, or the caret would stand elsewhere; and nothing that moves a terminal's cursor.
    let line: Vec<char> = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let wide = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
    let column = wide(mark.column).saturating_sub(1).min(line.len());
    let first = if line.len() > WINDOW { column.saturating_sub(WINDOW / 2) } else { 0 };
    let shown: String = line.iter().skip(first).take(WINDOW).collect();
    let before = column - first;
    let rest = shown.trim_end().chars().count().saturating_sub(before);
    (shown.trim_end().to_owned(), before, wide(mark.length).min(rest).max(1))
}
