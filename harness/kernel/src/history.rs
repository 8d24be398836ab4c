//! The commits of a range, as a bisection needs them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::git::{git_in, hash_of, lines_of};
use super::{Canceller, KernelError};

/// One commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its hash, in full.
    pub hash: String,
    /// The first line of its message.
    pub subject: String,
    /// The files that it changes; none of a merge.
    pub paths: Vec<String>,
}

/// The commits between a good one and a bad one, in an order in which parents come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commits {
    /// The good one first, the bad one last.
    pub commits: Vec<Commit>,
    /// The parents of each commit, by their positions. Whatever the good one has in it is taken for the good one.
    pub parents: Vec<Vec<usize>>,
}

/// What stands before each commit in what git is asked for. No path has it.
const MARK: char = '\u{1}';

impl Commits {
    /// Reads the range from `good`, which has to be an ancestor, to `bad`. Everything that git takes for a commit will do.
    pub fn read(tree: &Path, good: &str, bad: &str, canceller: &Canceller) -> Result<Self, KernelError> {
        let (good_hash, bad_hash) = (hash_of(tree, good, canceller)?, hash_of(tree, bad, canceller)?);
        let wrong = |cause: String| KernelError::Range {
            tree: tree.to_owned(),
            good: good.to_owned(),
            bad: bad.to_owned(),
            cause,
        };
        if good_hash == bad_hash {
            return Err(wrong("they are the same commit".to_owned()));
        }
        let mut base = git_in(tree);
        base.args(["merge-base", &good_hash, &bad_hash]);
        match lines_of(&mut base, canceller, tree, bad).map(|lines| lines.concat()) {
            Ok(base) if base == good_hash => {}
            Ok(base) if base == bad_hash => return Err(wrong("the bad one is older than the good one".to_owned())),
            Ok(base) => {
                return Err(wrong(format!("the good one is not in the bad one's history; both have {base} in theirs")));
            }
            Err(_) => return Err(wrong("they have no history in common".to_owned())),
        }
        let log = |range: &[&str]| {
            let mut git = git_in(tree);
            git.args(["-c", "core.quotePath=false", "log", "--topo-order", "--reverse", "--name-only", "--no-renames"]);
            git.arg(format!("--format={MARK}%H{MARK}%P{MARK}%s")).args(range);
            lines_of(&mut git, canceller, tree, bad)
        };
        let mut lines = log(&["-1", &good_hash])?;
        lines.extend(log(&[&format!("{good_hash}..{bad_hash}")])?);
        Ok(Self::parse(&lines))
    }

    fn parse(lines: &[String]) -> Self {
        let (mut commits, mut parents): (Vec<Commit>, Vec<Vec<usize>>) = (Vec::new(), Vec::new());
        let mut positions: HashMap<String, usize> = HashMap::new();
        for line in lines {
            let mut fields = line.strip_prefix(MARK).unwrap_or_default().splitn(3, MARK);
            if let (Some(hash), Some(before), Some(subject)) = (fields.next(), fields.next(), fields.next()) {
                let mut of: Vec<usize> =
                    before.split_whitespace().map(|hash| positions.get(hash).copied().unwrap_or(0)).collect();
                of.sort_unstable();
                of.dedup();
                parents.push(if commits.is_empty() { Vec::new() } else { of });
                positions.insert(hash.to_owned(), commits.len());
                let (hash, subject) = (hash.to_owned(), subject.to_owned());
                commits.push(Commit { hash, subject, paths: Vec::new() });
            } else if let Some(commit) = commits.last_mut().filter(|_| !line.is_empty()) {
                commit.paths.push(line.clone());
            }
        }
        Self { commits, parents }
    }

    /// The message of a commit and which files it changes how much, as git shows them.
    pub fn show(tree: &Path, hash: &str, canceller: &Canceller) -> Result<String, KernelError> {
        let mut git = git_in(tree);
        git.args(["show", "--stat", "--no-color", "--first-parent", "--format=medium", "--end-of-options", hash]);
        Ok(lines_of(&mut git, canceller, tree, hash)?.join("\n"))
    }
}

/// The commit that is checked out in a tree, and one that is known to be good in a `git bisect` that goes on there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedOut {
    /// Its hash.
    pub head: String,
    /// The hash of the good one; the checked-out one itself where no bisection goes on.
    pub good: String,
    /// The tree's top folder.
    pub tree: PathBuf,
}

impl CheckedOut {
    /// Reads them.
    pub fn read(tree: &Path, canceller: &Canceller) -> Result<Self, KernelError> {
        let ask = |arguments: &[&str]| lines_of(git_in(tree).args(arguments), canceller, tree, "HEAD");
        let head = hash_of(tree, "HEAD", canceller)?;
        let top = PathBuf::from(ask(&["rev-parse", "--show-toplevel"])?.concat());
        let good = ask(&["for-each-ref", "--format=%(objectname)", "--count=1", "refs/bisect/good-*"])?.concat();
        Ok(Self { good: if good.is_empty() { head.clone() } else { good }, head, tree: top })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_and_parents_outside_of_the_range_are_understood() {
        let text = "\u{1}g\u{1}x y\u{1}the good one\n\nold.c\n\u{1}a\u{1}g\u{1}first\n\nkernel/panic.c\nfs/pstore/platform.c\n\
                    \u{1}b\u{1}x\u{1}on a branch from before\n\nmm/slub.c\n\u{1}m\u{1}a b\u{1}Merge\n";
        let lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
        let Commits { commits, parents } = Commits::parse(&lines);
        let hashes: Vec<&str> = commits.iter().map(|commit| commit.hash.as_str()).collect();
        assert_eq!(hashes, ["g", "a", "b", "m"]);
        assert_eq!(parents, [vec![], vec![0], vec![0], vec![1, 2]]);
        assert_eq!(commits[1].paths, ["kernel/panic.c", "fs/pstore/platform.c"]);
        assert_eq!((commits[3].subject.as_str(), commits[3].paths.len()), ("Merge", 0));
    }
}
