//! Things that are read by name, one a file or one an entry of a file: a broken one stops only what needs it.

use std::fmt;
use std::path::Path;

use super::{InputError, UnknownName};

/// What is wrong with one file or entry: at least one error, in the order of the file as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    first: InputError,
    others: Vec<InputError>,
}

/// Collects errors, so that all of them can be told at once.
#[derive(Debug, Default)]
pub struct Collected(Vec<InputError>);

/// What a folder's files or a file's entries are, in their order, and those that cannot be used.
#[derive(Debug, Clone)]
pub struct Listed<T> {
    /// Those that can be used.
    pub good: Vec<T>,
    /// Those that cannot.
    pub broken: Vec<Broken>,
}

/// A file, or an entry of one, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What it should be, as in [`UnknownName`]: `scenario`, `suite`, `variant`, `base`, `axis`.
    pub kind: &'static str,
    /// Its name; none if the folder or file with everything of this kind cannot be read.
    pub name: Option<String>,
    /// What is wrong with it.
    pub problems: Problems,
}

/// A thing that was asked for by name and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// There is none of that name.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// Its file is broken.
    #[error(transparent)]
    Broken(#[from] InputError),
}

impl Problems {
    /// The first of them.
    pub fn first(&self) -> &InputError {
        &self.first
    }

    /// The first of them alone.
    pub fn into_first(self) -> InputError {
        self.first
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &InputError> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl fmt::Display for Problems {
    /// The first of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)
    }
}

impl From<InputError> for Problems {
    fn from(first: InputError) -> Self {
        Self { first, others: Vec::new() }
    }
}

impl Collected {
    /// The value, or none if its error was kept.
    pub fn keep<T>(&mut self, read: Result<T, impl Into<Problems>>) -> Option<T> {
        read.map_err(|error| self.add(error)).ok()
    }

    /// Keeps the error, if it is one.
    pub fn note<T>(&mut self, read: &Result<T, InputError>) {
        if let Err(error) = read {
            self.add(error.clone());
        }
    }

    /// Keeps an error, unless the same is known: one mistake may be met at each point of a sweep.
    pub fn add(&mut self, error: impl Into<Problems>) {
        for error in error.into().iter() {
            if !self.0.contains(error) {
                self.0.push(error.clone());
            }
        }
    }

    /// Whether there was none; else what there was.
    pub fn end(self) -> Result<(), Problems> {
        let mut errors = self.0.into_iter();
        errors.next().map_or(Ok(()), |first| Err(Problems { first, others: errors.collect() }))
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { good: Vec::new(), broken: Vec::new() }
    }
}

impl<T> Listed<T> {
    /// The `*.yaml` files of the folder `dir`, by name; nothing if there is no such folder.
    pub fn of_folder(kind: &'static str, dir: &Path, read: impl Fn(&Path) -> Result<T, Problems>) -> Self {
        let files = match super::files(dir) {
            Ok(files) => files,
            Err(error) => return Self::unreadable(kind, error),
        };
        let mut listed = Self::default();
        for path in files {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            listed.add(kind, &name, read(&path));
        }
        listed
    }

    /// Nothing, because what has everything of this kind cannot be read.
    pub fn unreadable(kind: &'static str, error: impl Into<Problems>) -> Self {
        Self { good: Vec::new(), broken: vec![Broken { kind, name: None, problems: error.into() }] }
    }

    /// Adds what was read under this name.
    pub fn add(&mut self, kind: &'static str, name: &str, read: Result<T, Problems>) {
        match read {
            Ok(good) => self.good.push(good),
            Err(problems) => self.broken.push(Broken { kind, name: Some(name.to_owned()), problems }),
        }
    }

    /// The good ones as something else, if they can be that.
    pub fn and_then<U>(self, mut next: impl FnMut(T) -> Result<U, Broken>) -> Listed<U> {
        let mut listed = Listed { good: Vec::new(), broken: self.broken };
        for good in self.good {
            match next(good) {
                Ok(good) => listed.good.push(good),
                Err(broken) => listed.broken.push(broken),
            }
        }
        listed
    }

    /// Everything, for what needs all of it; the first error if one is broken.
    pub fn all(self) -> Result<Vec<T>, InputError> {
        self.broken.into_iter().next().map_or(Ok(self.good), |broken| Err(broken.problems.into_first()))
    }
}

impl Broken {
    /// The name, or that of the folder or file.
    pub fn shown(&self) -> String {
        let path = self.problems.first().path();
        let file =
            || path.file_name().map_or_else(|| path.display().to_string(), |it| it.to_string_lossy().into_owned());
        self.name.clone().unwrap_or_else(file)
    }
}

impl fmt::Display for Broken {
    /// ``reading scenarios/panic-alone.yaml: unknown key `titel` ``
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.problems.first().to_string();
        f.write_str(text.lines().next().unwrap_or_default())
    }
}

impl LookupError {
    /// That nobody knows the name, unless it is one of the broken ones.
    pub fn of(unknown: UnknownName, broken: &[Broken]) -> Self {
        let of_kind = || broken.iter().filter(|broken| broken.kind == unknown.kind);
        let named = of_kind().find(|broken| broken.name.as_ref() == Some(&unknown.name));
        match named.or_else(|| of_kind().find(|broken| broken.name.is_none())) {
            Some(broken) => Self::Broken(broken.problems.first().clone()),
            None => Self::Unknown(unknown),
        }
    }
}
