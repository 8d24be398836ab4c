//! A git tree as it lies there: what is checked out, and what is changed but not committed. The tree is only read.
//!
//! ```text
//! index (a copy), files ─> objects in a repository of the cache, which borrows the tree's ─> a commit on top of HEAD
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::base::{commit_as_base, commit_name, keep_difference};
use super::git::{git_in, hash_of, lines_of};
use super::process::{Answer, ask};
use super::{Canceller, KernelError, files};
use harness_project::Project;

/// What a branch follows.
const UPSTREAM: &str = "@{upstream}";

/// How many files of an unfinished merge are named.
const MOST_NAMED: usize = 3;

/// The kernels that are compared where a tree is tried, by the names of bases that are this machine's alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeBases {
    /// What the tree's own work began with.
    pub against: String,
    /// What is in the tree; called `…+dirty-…` if that is not what is checked out.
    pub candidate: String,
}

impl TreeBases {
    /// The tree that `folder` lies in, against where its work began: the last commit that it has in common with `against`, or
    /// with its upstream.
    pub fn of(
        project: &Project,
        folder: &Path,
        against: Option<&str>,
        canceller: &Canceller,
    ) -> Result<Self, KernelError> {
        let tree = Tree::at(folder, canceller)?;
        let revision = against.unwrap_or(UPSTREAM);
        let base = tree.merge_base(revision).map_err(|cause| match against {
            Some(_) => tree.wrong(cause, "name a commit that the tree has, as in --against v6.12"),
            None => tree.wrong(
                format!("there is nothing to compare it with: {cause}"),
                "--against REV, as in --against v6.12; for what is not committed alone: --against HEAD",
            ),
        })?;
        let candidate = tree.candidate(project, &base)?;
        commit_as_base(project, &tree.top, &base, &base)?;
        let against = commit_name(&base);
        if against == candidate {
            let cause = format!("it is what {revision} has: nothing is changed");
            return Err(tree.wrong(cause, "--against REV, for an older commit to compare it with"));
        }
        Ok(Self { against, candidate })
    }

    /// The tree that `folder` lies in, by itself: the name of its base.
    pub fn alone(project: &Project, folder: &Path, canceller: &Canceller) -> Result<String, KernelError> {
        let tree = Tree::at(folder, canceller)?;
        tree.candidate(project, &tree.head)
    }
}

/// A git tree with its files.
struct Tree<'a> {
    top: PathBuf,
    /// The hash of what is checked out.
    head: String,
    canceller: &'a Canceller,
}

impl<'a> Tree<'a> {
    /// The tree that `folder` lies in. One in the middle of a merge with conflicts is refused.
    fn at(folder: &Path, canceller: &'a Canceller) -> Result<Self, KernelError> {
        let wrong = |cause: String, hint: &str| KernelError::tree(folder, cause, hint);
        if !folder.is_dir() {
            return Err(wrong("there is no such folder".to_owned(), "name the folder of a git tree of Linux"));
        }
        let show = ask(git_in(folder).args(["rev-parse", "--show-toplevel"]), canceller, "reading a git tree")?;
        if !show.status.success() {
            let pack = "without git nothing says what is changed: pack it (tar -cf linux.tar FOLDER) and name that, --kernel linux.tar";
            return Err(wrong(last_line(&show).to_owned(), pack));
        }
        let top = PathBuf::from(show.lines.concat());
        let head = hash_of(&top, "HEAD", canceller)
            .map_err(|_| wrong("it has no commit".to_owned(), "commit something to compare with"))?;
        let tree = Self { top, head, canceller };
        let mut unmerged: Vec<String> = tree
            .ask(git_in(&tree.top).args(["-c", "core.quotePath=false", "ls-files", "--unmerged"]))?
            .iter()
            .filter_map(|line| Some(line.split_once('\t')?.1.to_owned()))
            .collect();
        unmerged.dedup();
        if !unmerged.is_empty() {
            let more = if unmerged.len() > MOST_NAMED { ", …" } else { "" };
            unmerged.truncate(MOST_NAMED);
            let cause = format!("a merge in it is not finished: conflicts in {}{more}", unmerged.join(", "));
            return Err(tree.wrong(cause, "resolve and add them, or take the merge back: git merge --abort"));
        }
        Ok(tree)
    }

    fn wrong(&self, cause: String, hint: &str) -> KernelError {
        KernelError::tree(&self.top, cause, hint)
    }

    fn ask(&self, git: &mut Command) -> Result<Vec<String>, KernelError> {
        lines_of(git, self.canceller, &self.top, "HEAD")
    }

    /// The last commit that HEAD and a revision have in common; the error is why there is none.
    fn merge_base(&self, revision: &str) -> Result<String, String> {
        let other = hash_of(&self.top, revision, self.canceller).map_err(|error| match error {
            KernelError::Git { said, .. } if revision == UPSTREAM => said.trim_start_matches("fatal: ").to_owned(),
            KernelError::Git { .. } => format!("it has no commit `{}`", revision.escape_debug()),
            error => error.first_line(),
        })?;
        let base = self.ask(git_in(&self.top).args(["merge-base", &self.head, &other]));
        base.map(|lines| lines.concat()).map_err(|_| format!("it has no history in common with {revision}"))
    }

    /// Makes a base of what is in the tree, which is built near to the commit `near`.
    fn candidate(&self, project: &Project, near: &str) -> Result<String, KernelError> {
        let commits = project.commits();
        let fail = KernelError::io("keeping what is not committed in", &commits);
        fs::create_dir_all(&commits).map_err(&fail)?;
        let fresh = tempfile::Builder::new().prefix(".new-").tempdir_in(&commits).map_err(&fail)?;
        let Some(Snapshot { commit, difference }) = self.snapshot(fresh.path())? else {
            commit_as_base(project, &self.top, &self.head, near)?;
            return Ok(commit_name(&self.head));
        };
        let name = format!("{}+dirty-{}", commit_name(&self.head), commit.get(..8).unwrap_or(&commit));
        let repository = commits.join(format!("{name}.git"));
        // If it was kept before, its name tells that it is the same.
        if !repository.is_dir() {
            fs::rename(fresh.keep(), &repository).map_err(&fail)?;
        }
        keep_difference(project, &name, (&repository, &commit, near), &difference)?;
        Ok(name)
    }

    /// Makes a commit of what is in the tree, in a repository at `folder`; `None` if that is what is checked out. Files that
    /// git does not know of and is not told to ignore belong to it.
    fn snapshot(&self, folder: &Path) -> Result<Option<Snapshot>, KernelError> {
        let fail = KernelError::io("reading what is not committed into", folder);
        let path = |name: &str| -> Result<PathBuf, KernelError> {
            let path = ["rev-parse", "--path-format=absolute", "--git-path", name];
            Ok(PathBuf::from(self.ask(git_in(&self.top).args(path))?.concat()))
        };
        let format = self.ask(git_in(&self.top).args(["rev-parse", "--show-object-format"]))?.concat();
        let mut init = git_in(folder);
        self.ask(init.args(["init", "--quiet", "--bare", "--template=", &format!("--object-format={format}")]))?;
        let write = |name: &str, text: &[u8]| {
            let path = folder.join(name);
            let folders = path.parent().map_or(Ok(()), fs::create_dir_all);
            folders.and_then(|()| fs::write(&path, text)).map_err(&fail)
        };
        write("objects/info/alternates", format!("{}\n", path("objects")?.display()).as_bytes())?;
        for (from, to) in [("index", "index"), ("info/exclude", "info/exclude")] {
            if let Ok(content) = fs::read(path(from)?) {
                write(to, &content)?;
            }
        }
        let git = |arguments: &[&str]| {
            let mut git = git_in(&self.top);
            git.env("GIT_DIR", folder).env("GIT_WORK_TREE", &self.top).env("GIT_INDEX_FILE", folder.join("index"));
            // Who and when are no part of what is tried.
            for who in ["AUTHOR", "COMMITTER"] {
                git.env(format!("GIT_{who}_NAME"), "harness").env(format!("GIT_{who}_EMAIL"), "harness@localhost");
                git.env(format!("GIT_{who}_DATE"), "1970-01-01T00:00:00Z");
            }
            git.args(["-c", "core.fsmonitor=false", "-c", "core.compression=0"]).args(arguments);
            git
        };
        self.ask(&mut git(&["add", "--all"]))?;
        let tree = self.ask(&mut git(&["write-tree"]))?.concat();
        if tree == self.ask(&mut git(&["rev-parse", &format!("{}^{{tree}}", self.head)]))?.concat() {
            return Ok(None);
        }
        let commit = self.ask(&mut git(&["commit-tree", &tree, "-p", &self.head, "-m", "what is not committed"]))?;
        let commit = commit.concat();
        let output = folder.join("difference");
        let mut diff = git(&["diff", "--binary", "--no-color", "--no-ext-diff", "--no-textconv"]);
        diff.arg(format!("--output={}", output.display())).args([&self.head, &commit]);
        self.ask(&mut diff)?;
        let difference = fs::read(&output).map_err(&fail)?;
        files::remove(&output).and_then(|()| files::remove(&folder.join("index"))).map_err(&fail)?;
        Ok(Some(Snapshot { commit, difference }))
    }
}

/// Whether files that a tree's git knows of are changed and not committed. Of what is no tree with files nothing is.
pub fn has_changes(tree: &Path, canceller: &Canceller) -> Result<bool, KernelError> {
    let mut status = git_in(tree);
    let answer = ask(status.args(["status", "--porcelain", "--untracked-files=no"]), canceller, "reading a git tree")?;
    Ok(answer.status.success() && !answer.lines.is_empty())
}

/// What is in a tree, and not in its HEAD.
struct Snapshot {
    /// The commit that was made of it.
    commit: String,
    /// The difference, as git shows it.
    difference: Vec<u8>,
}

/// What git complained of last.
fn last_line(answer: &Answer) -> &str {
    let line = answer.complaint.lines().last().unwrap_or("it is no git tree");
    line.trim_start_matches("fatal: ")
}
