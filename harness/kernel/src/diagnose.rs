//! From a build's log to the first thing that went wrong.

use std::fmt;

/// How many lines of source and notes below an error are shown.
const CONTEXT_LINES: usize = 8;

/// The first error of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The line that says so, e.g. ``kernel/panic.c:341:2: error: 'foo' undeclared``.
    pub error: String,
    /// The source lines that the compiler shows below it.
    pub source: Vec<String>,
    /// The package that is missing, if that is the cause.
    package: Option<&'static str>,
}

impl Diagnosis {
    /// What is to be said before the log's path.
    pub(super) fn hint(&self) -> String {
        self.package.map(|package| format!("apt install {package}; ")).unwrap_or_default()
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        self.source.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Whether a log says that there is no room.
pub(super) fn disk_full(log: &str) -> bool {
    log.contains("No space left on device") || log.contains("Disk quota exceeded")
}

/// The first error of a build's log.
pub(super) fn first_error(log: &str) -> Diagnosis {
    let lines: Vec<&str> = log.lines().collect();
    let find = |marks: &[&str]| lines.iter().position(|line| marks.iter().any(|mark| line.contains(mark)));
    let compilers =
        [": error: ", ": fatal error: ", ": syntax error", ": undefined reference to ", "ERROR: ", ": not found"];
    // Of make's own complaints those about recipes only repeat that something failed; but they may be all there is.
    let at = find(&compilers).or_else(|| find(&["*** No rule", "*** missing"])).or_else(|| find(&["*** "]));
    let at = at.unwrap_or(lines.len().saturating_sub(1));
    let error = lines.get(at).map_or_else(|| "it said nothing".to_owned(), |line| line.trim().to_owned());
    let below = lines.get(at + 1..).unwrap_or_default();
    let source = below.iter().take(CONTEXT_LINES).take_while(|line| is_source(line)).map(|&line| line.to_owned());
    Diagnosis { package: missing_package(&error), source: source.collect(), error }
}

/// `  341 |  foo();` and `      |  ^~~`.
fn is_source(line: &str) -> bool {
    line.split_once('|')
        .is_some_and(|(number, _)| number.starts_with(' ') && number.trim().bytes().all(|b| b.is_ascii_digit()))
}

fn missing_package(error: &str) -> Option<&'static str> {
    let packages = [
        ("flex: not found", "flex"),
        ("bison: not found", "bison"),
        ("bc: not found", "bc"),
        ("gelf.h", "libelf-dev"),
        ("libelf", "libelf-dev"),
        ("openssl/", "libssl-dev"),
    ];
    packages.into_iter().find(|(mark, _)| error.contains(mark)).map(|(_, package)| package)
}

#[cfg(test)]
mod tests;
