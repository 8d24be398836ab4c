//! What a commit makes of another commit's files: only what differs is written, so that both are built on one workbench.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::git::{git_in, lines_of};
use super::process::{feed, program};
use super::series::Overlay;
use super::{Canceller, KernelError};

/// From one commit of a tree to another one. The tree is only read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// The tree or bare repository.
    pub tree: PathBuf,
    /// The commit whose files are there, its hash.
    pub from: String,
    /// The commit whose files are wanted, its hash.
    pub to: String,
}

impl Change {
    /// Every file that differs, as it is in the wanted commit, in a folder below `scratch`.
    ///
    /// Symbolic links are left as they are: the few that the kernel has lead to headers of device trees and of tools.
    pub fn overlay(&self, scratch: &Path, canceller: &Canceller) -> Result<Overlay, KernelError> {
        let fail = KernelError::io("preparing the files of a commit in", scratch);
        // The names are of those that a killed build may leave behind.
        let temporary = || tempfile::Builder::new().prefix("patched-").tempdir_in(scratch).map_err(&fail);
        let (folder, index) = (temporary()?, temporary()?);
        let ask = |git: &mut std::process::Command| lines_of(git, canceller, &self.tree, &self.to);
        let mut diff = git_in(&self.tree);
        diff.args(["-c", "core.quotePath=false", "diff-tree", "-r", "--raw", "--no-renames"]);
        let lines = ask(diff.args([&self.from, &self.to]))?;
        let changed: Vec<Entry> = lines.iter().filter_map(|line| Entry::parse(line)).collect();

        let git_dir = ask(git_in(&self.tree).args(["rev-parse", "--absolute-git-dir"]))?.concat();
        let git = |arguments: &[&str]| {
            let mut git = program("git");
            git.current_dir(folder.path()).env("GIT_NO_LAZY_FETCH", "1");
            git.env("GIT_DIR", &git_dir).env("GIT_WORK_TREE", folder.path());
            // The tree's own index is not touched.
            git.env("GIT_INDEX_FILE", index.path().join("index")).args(arguments);
            git
        };
        ask(&mut git(&["read-tree", &self.to]))?;
        let list: String = changed.iter().filter(|entry| entry.stays).flat_map(|entry| [entry.path, "\0"]).collect();
        let mut checkout = git(&["checkout-index", "-z", "--stdin"]);
        let (status, said) = feed(&mut checkout, &mut list.as_bytes(), canceller, "reading a commit", &mut |_| {})?;
        if !status.success() {
            return Err(KernelError::Git { tree: self.tree.clone(), commit: self.to.clone(), said });
        }
        let paths: BTreeSet<PathBuf> = changed.iter().map(|entry| PathBuf::from(entry.path)).collect();
        Ok(Overlay::new(folder, paths))
    }
}

/// A plain file that differs.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    path: &'a str,
    /// Whether the wanted commit has it.
    stays: bool,
}

impl<'a> Entry<'a> {
    /// `:100644 100755 <hash> <hash> M<tab>path`; `None` for what is no plain file before or after.
    fn parse(line: &'a str) -> Option<Self> {
        let (head, path) = line.strip_prefix(':')?.split_once('\t')?;
        let mut modes = head.split(' ');
        let (old, new) = (modes.next()?, modes.next()?);
        let plain = |mode: &str| mode.starts_with("100") || mode == "000000";
        (plain(old) && plain(new)).then_some(Self { path, stays: new != "000000" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_files_are_told_from_links_and_removed_ones() {
        let entry = |line| Entry::parse(line);
        assert_eq!(
            entry(":100644 100755 1a 2b M\tkernel/panic.c"),
            Some(Entry { path: "kernel/panic.c", stays: true })
        );
        assert_eq!(entry(":000000 100644 00 2b A\ta b"), Some(Entry { path: "a b", stays: true }));
        assert_eq!(entry(":100644 000000 1a 00 D\tgone.c"), Some(Entry { path: "gone.c", stays: false }));
        assert_eq!(entry(":120000 120000 1a 2b M\tlink"), None);
        assert_eq!(entry(":000000 160000 00 2b A\tsubmodule"), None);
        assert_eq!(entry("warning: something"), None);
    }
}
