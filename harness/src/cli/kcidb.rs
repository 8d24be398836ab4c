//! `harness report kcidb`

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::project::{project, results};
use super::reports::KnownArguments;
use super::{Failure, Global, print_json};
use crate::report::{Kcidb, Repository, SourceCommit, kcidb};
use crate::results::{KernelInfo, LATEST, Run};
use crate::session::Recorded;

/// Write a run as a submission to `KernelCI`'s database.
///
/// JSON of kcidb's schema 5.3, to be sent by its own tools. A test for each cell and channel: FAIL if what was expected was
/// refuted, PASS if it was not, DONE if nothing was expected, MISS if the harness or the host failed, SKIP if the kernel lacks
/// what the scenario needs. The exit code is 0, whatever the results.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  harness report kcidb latest --origin example --commit 9f8b5ac4ab3fbf0c1b6bd2d1ee2b4bbb1c4a6e1d \\\n    \
                  --artifacts-url https://ci.example.org/harness/latest > kcidb.json"
)]
pub struct Arguments {
    /// The run: its id, `latest`, or a path with a `/`
    #[arg(default_value = LATEST)]
    run: String,
    /// Who reports, as `KernelCI` knows you: lower-case letters, digits, `_`
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    origin: String,
    /// The commit that a base is, where the run does not know it: a package, a tarball, what is not committed (repeatable; without
    /// BASE for the only one)
    #[arg(long, value_name = "[BASE=]HASH")]
    commit: Vec<CommitOf>,
    /// Where the commits are to be had
    #[arg(long, value_name = "URL", value_parser = https)]
    repository: Option<String>,
    /// The branch that they are on
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// What the repository is called: mainline, stable
    #[arg(long, value_name = "NAME")]
    tree_name: Option<String>,
    /// Where the run's folder is to be found, for links to consoles and the like
    #[arg(long, value_name = "URL", value_parser = url)]
    artifacts_url: Option<String>,
    #[command(flatten)]
    known: KnownArguments,
}

/// The commit of a base.
#[derive(Debug, Clone)]
struct CommitOf {
    base: Option<String>,
    hash: String,
}

impl FromStr for CommitOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (base, hash) = text.rsplit_once('=').map_or((None, text), |(base, hash)| (Some(base.to_owned()), hash));
        if is_commit(hash) {
            Ok(Self { base, hash: hash.to_owned() })
        } else {
            Err("a commit has 40 hexadecimal digits, 0 to 9 and a to f".to_owned())
        }
    }
}

fn is_commit(hash: &str) -> bool {
    hash.len() == 40 && hash.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

fn origin(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !text.is_empty() && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("it is of lower-case letters, digits and `_`".to_owned())
    }
}

/// The URL of a repository, as the schema has it.
fn https(text: &str) -> Result<String, String> {
    if text.starts_with("https://") { url(text) } else { Err("it begins with https://".to_owned()) }
}

/// An absolute URL, without a `/` at its end.
fn url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).filter(|rest| !rest.is_empty());
    let plain = rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_graphic() && !"<>\"\\^`{|}".contains(c)));
    if plain { Ok(text.trim_end_matches('/').to_owned()) } else { Err("it is a whole URL, https://…".to_owned()) }
}

pub fn main(global: &Global, arguments: &Arguments) -> Result<ExitCode, Failure> {
    let run = Run::find(&results(global, &project(global)?), &arguments.run)?;
    let recorded = Recorded::read(run, arguments.known.list()?)?;
    let sources = sources(&recorded, &arguments.commit)?;
    let Arguments { repository: url, branch, tree_name: tree, .. } = arguments;
    let (submission, not_built) = kcidb(&Kcidb {
        reported: recorded.reported(),
        origin: &arguments.origin,
        sources: &sources,
        repository: &Repository { url: url.clone(), branch: branch.clone(), tree: tree.clone() },
        artifacts_url: arguments.artifacts_url.as_deref(),
        console_tail: &|trial| recorded.console_tail(trial),
        artifacts: &|trial| recorded.artifacts(trial),
    });
    for kernel in not_built {
        eprintln!("left out: {kernel}, which was not built");
    }
    print_json(&submission)?;
    Ok(ExitCode::SUCCESS)
}

/// What the source of each base is: by the run, or by what was named.
fn sources(recorded: &Recorded, named: &[CommitOf]) -> Result<BTreeMap<String, SourceCommit>, Failure> {
    let kernels: BTreeMap<&str, &KernelInfo> =
        recorded.info.kernels.iter().map(|kernel| (kernel.base.as_str(), kernel)).collect();
    let there = kernels.keys().copied().collect::<Vec<_>>().join(", ");
    for CommitOf { base, .. } in named {
        let wrong = match base.as_deref() {
            Some(base) if !kernels.contains_key(base) => format!("no base `{base}`"),
            None if kernels.len() != 1 => "several bases, or none, and a commit that is of none of them".to_owned(),
            Some(_) | None => continue,
        };
        return Err(Failure::input(format!("run {} has {wrong}\n\nhint: its bases are {there}", recorded.run.id())));
    }
    let mut sources = BTreeMap::new();
    let mut unknown = Vec::new();
    for (base, kernel) in kernels {
        let of_base = |named: &&CommitOf| named.base.as_deref().is_none_or(|named| named == base);
        // What was not committed is in no commit of anybody's.
        let path = recorded.run.folder().join(format!("{base}.diff"));
        let difference = std::fs::read(path).ok().map(|text| format!("{:x}", Sha256::digest(text)));
        let own = kernel.commit.clone().filter(|_| difference.is_none());
        match named.iter().find(of_base).map(|named| named.hash.clone()).or(own).filter(|hash| is_commit(hash)) {
            Some(commit) => {
                sources.insert(base.to_owned(), SourceCommit { commit, difference });
            }
            None => unknown.push(base),
        }
    }
    if unknown.is_empty() {
        return Ok(sources);
    }
    Err(Failure::input(format!(
        "run {} does not say which commit base {} is, and KernelCI knows kernels by their commits\n\nhint: --commit {}=HASH",
        recorded.run.id(),
        unknown.join(", "),
        unknown[0]
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_schema_would_refuse_is_refused_here() {
        assert_eq!(origin("example_1").unwrap(), "example_1");
        assert!(["", "Example", "a-b"].iter().all(|text| origin(text).is_err()));
        assert_eq!(url("http://ci.example.org/a/").unwrap(), "http://ci.example.org/a");
        assert!(https("http://ci.example.org").is_err() && https("https://git.example.org").is_ok());
        assert!(["results/", "ftp://x", "https://", "https://a b"].iter().all(|text| url(text).is_err()));
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let commit: CommitOf = format!("6.12={hash}").parse().unwrap();
        assert_eq!((commit.base.as_deref(), commit.hash.as_str()), (Some("6.12"), hash));
        assert!(["v6.12", &hash[1..], &hash.to_uppercase()].iter().all(|text| text.parse::<CommitOf>().is_err()));
    }
}
