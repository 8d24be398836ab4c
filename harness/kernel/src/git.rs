//! Reading a git tree: never written to, never fetched for.

use std::path::Path;
use std::process::Command;

use super::process::{Answer, ask, program};
use super::{Canceller, KernelError};

/// Git, with nothing that would write to the tree or fetch from elsewhere.
pub(super) fn git_in(tree: &Path) -> Command {
    let mut git = program("git");
    git.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_LAZY_FETCH", "1").env("GIT_TERMINAL_PROMPT", "0");
    git.arg("-C").arg(tree).arg("--no-pager");
    git
}

/// The hash of what git takes for a commit.
pub(super) fn hash_of(tree: &Path, commit: &str, canceller: &Canceller) -> Result<String, KernelError> {
    let mut git = git_in(tree);
    git.args(["rev-parse", "--verify", "--end-of-options", &format!("{commit}^{{commit}}")]);
    Ok(lines_of(&mut git, canceller, tree, commit)?.concat())
}

/// The lines that git says about a commit or a range of a tree.
pub(super) fn lines_of(
    git: &mut Command,
    canceller: &Canceller,
    tree: &Path,
    commit: &str,
) -> Result<Vec<String>, KernelError> {
    let Answer { status, lines, complaint } = ask(git, canceller, "reading a git tree")?;
    if status.success() {
        return Ok(lines);
    }
    let said: Vec<&str> = complaint.lines().collect();
    let said = said.get(said.len().saturating_sub(8)..).unwrap_or_default().join("\n");
    Err(KernelError::Git { tree: tree.to_owned(), commit: commit.to_owned(), said })
}
