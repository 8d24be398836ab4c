//! A patch series, applied beside the tree: the result is a handful of files, and the tree is not touched by a series
//! that does not apply.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::error::RejectReason;
use super::patch::{FileSection, PatchText};
use super::process::{program, run_quiet};
use super::subject::Subject;
use super::{Canceller, KernelError, PatchFault, PatchRecord, files};

/// A hunk of a patch that adds a file may have thousands.
const HUNK_LINES: usize = 24;

/// A patch of a series: where it was, and what it says.
#[derive(Debug, Clone)]
pub(super) struct Patch {
    /// Its file.
    pub path: PathBuf,
    /// Its bytes.
    pub content: Vec<u8>,
    /// What they say.
    pub text: PatchText,
}

impl Patch {
    /// Reads a patch and checks that it is one.
    pub fn read(path: &Path) -> Result<Self, KernelError> {
        let content = fs::read(path).map_err(KernelError::io("reading patch", path))?;
        // Old sources have Latin-1 in comments; what is wanted of the text is only its structure.
        let text = PatchText::parse(&String::from_utf8_lossy(&content))
            .map_err(|fault| KernelError::Patch { patch: path.to_owned(), fault })?;
        Ok(Self { path: path.to_owned(), content, text })
    }

    /// What it is called and what it changes.
    pub fn head(&self) -> PatchHead {
        let text = String::from_utf8_lossy(&self.content);
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let subject = text.lines().take_while(|line| !line.starts_with("---")).find_map(|line| {
            let subject = line.strip_prefix("Subject: ")?;
            Some(Subject::parse(subject).text)
        });
        let paths = self.text.touched().map(|path| path.display().to_string()).collect();
        PatchHead { subject: subject.unwrap_or_else(|| name.clone()), name, paths }
    }

    fn fault(&self, fault: PatchFault) -> KernelError {
        KernelError::Patch { patch: self.path.clone(), fault }
    }
}

/// A patch in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchHead {
    /// Its file's name.
    pub name: String,
    /// Its subject, without what is in brackets; its file's name, if it has none.
    pub subject: String,
    /// The files that it changes.
    pub paths: Vec<String>,
}

/// What a series makes of a source: every file it changes, creates or removes.
#[derive(Debug)]
pub(super) struct Overlay {
    folder: TempDir,
    paths: BTreeSet<PathBuf>,
}

/// Applies a series to copies of the files it touches, below `scratch`. `pristine` says where the source's own content
/// of a file is, or that the source does not have it.
pub(super) fn apply(
    series: &[Patch],
    scratch: &Path,
    canceller: &Canceller,
    pristine: &dyn Fn(&Path) -> std::io::Result<Option<PathBuf>>,
) -> Result<(Overlay, Vec<PatchRecord>), KernelError> {
    let paths: BTreeSet<PathBuf> = series.iter().flat_map(|patch| patch.text.touched()).map(Path::to_owned).collect();
    let mut overlay = Overlay::copy(paths, scratch, pristine)?;
    let mut records = Vec::new();
    for patch in series {
        let (next, record) = overlay.with(patch, scratch, canceller)?;
        overlay = next;
        records.push(record);
    }
    Ok((overlay, records))
}

impl Overlay {
    fn copy(
        paths: BTreeSet<PathBuf>,
        scratch: &Path,
        content: &dyn Fn(&Path) -> std::io::Result<Option<PathBuf>>,
    ) -> Result<Self, KernelError> {
        let fail = KernelError::io("preparing patched files in", scratch);
        let folder = tempfile::Builder::new().prefix("patched-").tempdir_in(scratch).map_err(&fail)?;
        for path in &paths {
            if let Some(content) = content(path).map_err(KernelError::io("reading", path))? {
                files::copy(&content, &folder.path().join(path)).map_err(&fail)?;
            }
        }
        Ok(Self { folder, paths })
    }

    /// The files below `folder`; of `paths` those that it does not have are removed.
    pub fn new(folder: TempDir, paths: BTreeSet<PathBuf>) -> Self {
        Self { folder, paths }
    }

    /// Where the new content of a file is, or that it is removed; `None` for a file that is not changed.
    pub fn find(&self, path: &Path) -> Option<std::io::Result<Option<PathBuf>>> {
        self.paths.contains(path).then(|| self.content(path))
    }

    /// The files, and for each where its new content is; `None` for one that is removed.
    pub fn files(&self) -> std::io::Result<BTreeMap<&Path, Option<PathBuf>>> {
        self.paths.iter().map(|path| Ok((path.as_path(), self.content(path)?))).collect()
    }

    fn content(&self, path: &Path) -> std::io::Result<Option<PathBuf>> {
        let content = self.folder.path().join(path);
        Ok(files::meta(&content)?.is_some().then_some(content))
    }

    /// What one more patch makes of it. On an error `self` is what the patch met, so more can be said about it.
    fn with(&self, patch: &Patch, scratch: &Path, canceller: &Canceller) -> Result<(Self, PatchRecord), KernelError> {
        let next = Self::copy(self.paths.clone(), scratch, &|path| self.content(path))?;
        let run = next.run(patch, &["--fuzz=0"], canceller)?;
        if let Some(said) = run.failed {
            return Err(patch.fault(self.explain(patch, said, canceller)));
        }
        let name = patch.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok((next, PatchRecord { name, sha256: files::sha256(&patch.content), offsets: run.offsets }))
    }

    fn explain(&self, patch: &Patch, said: String, canceller: &Canceller) -> PatchFault {
        let missing =
            |section: &&FileSection| section.old.as_ref().is_some_and(|old| !matches!(self.content(old), Ok(Some(_))));
        let Some((section, number)) = failed_hunk(&said, &patch.text.files) else {
            return match patch.text.files.iter().find(missing).and_then(|section| section.old.as_ref()) {
                Some(file) => PatchFault::NoSuchFile { file: file.display().to_string() },
                None => PatchFault::Other { said },
            };
        };
        let fits =
            |option: &str| self.run(patch, &["--dry-run", option], canceller).is_ok_and(|run| run.failed.is_none());
        let reason = if fits("--reverse") {
            RejectReason::AlreadyThere
        } else if fits("--fuzz=2") {
            RejectReason::Fuzz
        } else {
            RejectReason::Other
        };
        PatchFault::Rejected {
            file: section.name(),
            number,
            of: section.hunks.len(),
            hunk: section.hunks.get(number.saturating_sub(1)).map(|hunk| beginning(hunk)).unwrap_or_default(),
            reason,
        }
    }

    fn run(&self, patch: &Patch, options: &[&str], canceller: &Canceller) -> Result<Run, KernelError> {
        // What was read and digested is what is applied, whatever happens to the file meanwhile.
        let fail = KernelError::io("applying a patch in", self.folder.path());
        let input = tempfile::NamedTempFile::new().map_err(&fail)?;
        fs::write(input.path(), &patch.content).map_err(&fail)?;
        let mut command = program("patch");
        command.arg("--directory").arg(self.folder.path()).arg("--input").arg(input.path());
        command.args(["--strip=1", "--force", "--no-backup-if-mismatch", "--reject-file=-"]).args(options);
        let (status, said) = run_quiet(&mut command, canceller, "applying a patch")?;
        let offsets = said.lines().filter(|line| line.contains("succeeded at")).map(|line| line.trim().to_owned());
        Ok(Run { offsets: offsets.collect(), failed: (!status.success()).then(|| said.trim().to_owned()) })
    }
}

/// What the patch program did.
struct Run {
    /// `Hunk #1 succeeded at 432 (offset 2 lines).`
    offsets: Vec<String>,
    /// What it said, if it failed.
    failed: Option<String>,
}

/// A hunk as far as it is shown.
fn beginning(hunk: &str) -> String {
    let mut shown: Vec<&str> = hunk.lines().take(HUNK_LINES).collect();
    let left = hunk.lines().count() - shown.len();
    let more = format!("… {left} more lines");
    if left > 0 {
        shown.push(&more);
    }
    shown.join("\n")
}

/// The first hunk that failed, and its file. The program says `patching file F`, then `Hunk #N FAILED at L.` for each
/// that does not fit.
fn failed_hunk<'a>(said: &str, sections: &'a [FileSection]) -> Option<(&'a FileSection, usize)> {
    let mut section = None;
    for line in said.lines() {
        if let Some(rest) = line.strip_prefix("patching file ") {
            // A name with odd characters comes in quotes; a rename is told as `F (renamed from G)`.
            let name = rest.split(" (").next().unwrap_or(rest).trim_matches('\'');
            section = sections.iter().find(|section| section.name() == name);
        } else if let Some(rest) = line.strip_prefix("Hunk #")
            && let Some((number, _)) = rest.split_once(" FAILED")
        {
            return Some((section?, number.parse().ok()?));
        }
    }
    None
}

#[cfg(test)]
mod tests;
