//! The patches of a range of commits: of each what it changes, of a merge what it changes itself.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::git::{git_in, lines_of};
use super::process::{Group, drain};
use super::thread::{Chosen, Refusal};
use super::{Canceller, KernelError, SeriesFrom, mailbox};

/// What helps where a merge is no patch.
const FLATTEN: &str = "rebase the commits, or make one patch of all: git diff FROM TO > series.patch";

/// Reads the range, oldest first. Commits that change nothing are among what is left out.
pub(super) fn read(tree: &Path, range: &str, scratch: &Path, canceller: &Canceller) -> Result<Chosen, KernelError> {
    let from = SeriesFrom::Commits { tree: tree.to_owned(), range: range.to_owned() };
    let from = PathBuf::from(from.to_string());
    let refused = |cause: String, hint| KernelError::refused(&from, Refusal { cause, hint });
    let explain = |error| match error {
        KernelError::Git { said, .. } => {
            refused(said, "name a range of commits that the tree has, as in v6.12..fix; a shallow clone may lack some")
        }
        error => error,
    };
    // As for `git format-patch`, one commit alone is where the range begins.
    let whole = range.contains("..") || range.ends_with("^!");
    let range = if whole { range.to_owned() } else { format!("{range}..HEAD") };
    let ask = |git: &mut Command| lines_of(git, canceller, tree, &range).map_err(explain);
    let list = ["rev-list", "--topo-order", "--parents", "--end-of-options", &range, "--"];
    let lines = ask(git_in(tree).args(list))?;
    let commits: Vec<Vec<&str>> = lines.iter().map(|line| line.split(' ').collect()).collect();
    if commits.len() > mailbox::MOST_MAILS {
        return Err(refused(format!("it has {} commits", commits.len()), FLATTEN));
    }
    if let Some(merge) = commits.iter().find(|commit| commit.len() > 3) {
        let cause = format!("{} is a merge of more than two, and what it changes itself cannot be told", merge[0]);
        return Err(refused(cause, FLATTEN));
    }

    let mut git = git_in(tree);
    git.args(["log", "--topo-order", "--pretty=mboxrd", "--patch-with-stat", "--encoding=UTF-8"]);
    git.args(["--no-renames", "--no-color", "--no-ext-diff", "--no-textconv", "--no-notes", "--no-show-signature"]);
    git.args(["--unified=3", "--src-prefix=a/", "--dst-prefix=b/"]);
    if commits.iter().any(|commit| commit.len() > 2) {
        // What a merge changes itself is seen by merging again, for which git makes objects. They do not go to the tree.
        let objects =
            ask(git_in(tree).args(["rev-parse", "--path-format=absolute", "--git-path", "objects"]))?.concat();
        let own = scratch.join("objects");
        fs::create_dir(&own).map_err(KernelError::io("making", &own))?;
        let quoted = format!("\"{}\"", objects.replace('\\', "\\\\").replace('"', "\\\""));
        git.env("GIT_OBJECT_DIRECTORY", own).env("GIT_ALTERNATE_OBJECT_DIRECTORIES", quoted);
        git.arg("--remerge-diff");
    }
    // The newest comes first. With the oldest first, git 2.47 merges again without a common ancestor (seen), and tells of
    // conflicts that are not there.
    git.args(["--end-of-options", &range, "--"]);
    let mailbox = output(&mut git, &scratch.join("commits"), tree, &range, canceller).map_err(explain)?;
    let chosen = mailbox::read_history(&mailbox, &from)?;
    let by_hand = chosen
        .patches
        .iter()
        .find(|mail| mail.diff().split(|byte| *byte == b'\n').any(|line| line.starts_with(b"remerge CONFLICT")));
    match by_hand {
        Some(mail) => Err(refused(
            format!("`{}` is a merge with conflicts, and how they were solved is no patch", mail.subject.text),
            FLATTEN,
        )),
        None => Ok(chosen),
    }
}

/// What git writes, as bytes; at most as much as is read of a mailbox.
fn output(
    git: &mut Command,
    file: &Path,
    tree: &Path,
    range: &str,
    canceller: &Canceller,
) -> Result<Vec<u8>, KernelError> {
    let fail = KernelError::io("reading commits into", file);
    git.stdout(File::create(file).map_err(&fail)?).stderr(Stdio::piped());
    let mut group = Group::start(git, canceller, "reading a git tree")?;
    let said = group.child.stderr.take().map(drain).unwrap_or_default();
    if !group.wait()?.success() {
        return Err(KernelError::Git { tree: tree.to_owned(), commit: range.to_owned(), said });
    }
    mailbox::bytes(file)
}
