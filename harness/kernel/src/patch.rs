//! The text of one patch: which files it changes, and its hunks, to name them when they do not fit.

use std::path::{Component, Path, PathBuf};

use super::PatchFault;

/// A patch, read far enough to know what it touches. Applying it is the patch program's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PatchText {
    /// Its file sections, in order.
    pub files: Vec<FileSection>,
}

/// What a patch does to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileSection {
    /// The file before; `None` for one that the patch creates.
    pub old: Option<PathBuf>,
    /// The file after; `None` for one that the patch removes.
    pub new: Option<PathBuf>,
    /// Its hunks: the text of each from its `@@` line.
    pub hunks: Vec<String>,
}

impl FileSection {
    /// The name to use for it in messages.
    pub fn name(&self) -> String {
        self.new.as_ref().or(self.old.as_ref()).map(|path| path.display().to_string()).unwrap_or_default()
    }
}

impl PatchText {
    /// Every path that is changed, created or removed.
    pub fn touched(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().flat_map(|file| [&file.old, &file.new]).flatten().map(PathBuf::as_path)
    }

    /// Reads a unified diff, as `git format-patch` and `diff -up` write it.
    pub fn parse(text: &str) -> Result<Self, PatchFault> {
        let mut files = Vec::new();
        let mut head = Head::default();
        let mut lines = Lines { lines: text.lines().collect(), at: 0 };
        while let Some(line) = lines.next() {
            if let Some(rest) = line.strip_prefix("diff --git ") {
                files.extend(head.take());
                head.git = Some(rest.to_owned());
            } else if line.starts_with("GIT binary patch") || line.starts_with("Binary files ") {
                return Err(PatchFault::Binary { line: lines.at });
            } else if let Some(from) = head.extended(line, "rename from ").or(head.extended(line, "copy from ")) {
                head.renamed_from = Some(inside(from, 0)?);
            } else if let Some(to) = head.extended(line, "rename to ").or(head.extended(line, "copy to ")) {
                head.renamed_to = Some(inside(to, 0)?);
            } else if let (Some(old), Some(new)) =
                (line.strip_prefix("--- "), lines.peek().and_then(|next| next.strip_prefix("+++ ")))
                && lines.peek_at(1).is_some_and(|line| line.starts_with("@@ -"))
            {
                lines.next();
                let (old, new) = (named(old)?, named(new)?);
                if old.is_none() && new.is_none() {
                    return Err(PatchFault::Malformed { line: lines.at, why: "it names no file".into() });
                }
                let hunks = lines.hunks()?;
                // The head of a renamed file's own hunks, or one of a file before it.
                files.extend(head.take().filter(|renamed| renamed.old != old));
                files.push(FileSection { old, new, hunks });
            } else if line.starts_with("@@ -") {
                let why = "a hunk without `--- FILE` and `+++ FILE` lines before it".to_owned();
                return Err(PatchFault::Malformed { line: lines.at, why });
            }
        }
        files.extend(head.take());
        if files.is_empty() { Err(PatchFault::Empty) } else { Ok(Self { files }) }
    }
}

/// What git writes above `---`, which may be all there is: a file that is only renamed has no hunks.
#[derive(Default)]
struct Head {
    git: Option<String>,
    renamed_from: Option<PathBuf>,
    renamed_to: Option<PathBuf>,
}

impl Head {
    fn extended<'a>(&self, line: &'a str, keyword: &str) -> Option<&'a str> {
        self.git.as_ref().and_then(|_| line.strip_prefix(keyword))
    }

    fn take(&mut self) -> Option<FileSection> {
        let head = std::mem::take(self);
        let (old, new) = (head.renamed_from?, head.renamed_to?);
        Some(FileSection { old: Some(old), new: Some(new), hunks: Vec::new() })
    }
}

struct Lines<'a> {
    lines: Vec<&'a str>,
    /// How many were taken; the number, from 1, of the last one.
    at: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let line = self.lines.get(self.at).copied()?;
        self.at += 1;
        Some(line)
    }

    fn peek(&self) -> Option<&'a str> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<&'a str> {
        self.lines.get(self.at + ahead).copied()
    }

    /// The hunks that follow. Each says how many lines it has: a line of it may look like a new file's head.
    fn hunks(&mut self) -> Result<Vec<String>, PatchFault> {
        let mut hunks = Vec::new();
        while let Some(head) = self.peek().filter(|line| line.starts_with("@@ -")) {
            self.at += 1;
            let malformed = |line: usize, why: &str| PatchFault::Malformed { line, why: why.to_owned() };
            let (mut old, mut new) =
                counts(head).ok_or_else(|| malformed(self.at, "a hunk's head is `@@ -line,count +line,count @@`"))?;
            let mut text = head.to_owned();
            while old > 0 || new > 0 || self.peek().is_some_and(|line| line.starts_with('\\')) {
                let line = self.next().ok_or_else(|| malformed(self.at, "the patch ends in the middle of a hunk"))?;
                let (less_old, less_new) = match line.bytes().next() {
                    // A mail program may have taken the only blank of an empty line.
                    Some(b' ') | None => (1, 1),
                    Some(b'-') => (1, 0),
                    Some(b'+') => (0, 1),
                    Some(b'\\') => (0, 0),
                    Some(_) => return Err(malformed(self.at, "a hunk's line begins with ` `, `-` or `+`")),
                };
                let counted = old.checked_sub(less_old).zip(new.checked_sub(less_new));
                (old, new) = counted.ok_or_else(|| malformed(self.at, "a hunk has more lines than its head says"))?;
                text.push('\n');
                text.push_str(line);
            }
            hunks.push(text);
        }
        Ok(hunks)
    }
}

/// The two counts of `@@ -430,15 +430,19 @@ context`; a count that is not given is 1.
fn counts(head: &str) -> Option<(u32, u32)> {
    let (ranges, _) = head.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    let count = |range: &str| match range.split_once(',') {
        Some((start, count)) => start.parse::<u32>().ok().and(count.parse().ok()),
        None => range.parse::<u32>().ok().map(|_| 1),
    };
    count(old).zip(count(new))
}

/// The path of a `---` or `+++` line, without its first folder; `None` for `/dev/null`.
fn named(text: &str) -> Result<Option<PathBuf>, PatchFault> {
    // Behind a tab there may be a time.
    let path = text.split('\t').next().unwrap_or_default().trim_end();
    if path == "/dev/null" { Ok(None) } else { inside(path, 1).map(Some) }
}

/// A path that stays within the tree, without its first `strip` folders.
fn inside(path: &str, strip: usize) -> Result<PathBuf, PatchFault> {
    let parts: Vec<Component> = Path::new(path).components().collect();
    let plain = parts.iter().all(|part| matches!(part, Component::Normal(_)));
    match parts.get(strip..) {
        Some(rest) if plain && !rest.is_empty() && !path.starts_with('"') => Ok(rest.iter().collect()),
        _ => Err(PatchFault::Outside { file: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests;
