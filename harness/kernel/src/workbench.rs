//! One source, unpacked and built in place, one build at a time.
//!
//! The tree is the source plus what the last variant made of it; `state.json` names every file that may differ from the
//! source, and `pristine/` has the source's own version of each. The file is written before the tree is touched, and
//! files are compared by content before they are written: wherever a build was killed, the next one puts right what has
//! to be, and a file that is as it should be keeps its time, so that make does not build it again.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::series::Overlay;
use super::source::Source;
use super::state::{Pristine, State};
use super::{BuildEvent, Canceller, CustomBuild, KernelError, Version, files};

/// How often a waiting build looks whether the workbench is free. (The kernel would wake us, but not for a
/// cancellation.)
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Folders that a killed build may have left.
const TEMPORARY: [&str; 3] = ["unpack-", "patched-", "output"];

/// The mark that a program is writing to the tree.
const MARK: &str = "building";

/// A workbench that nobody else uses while it is held.
#[derive(Debug)]
pub(super) struct Workbench {
    folder: PathBuf,
    lock: File,
    state: State,
}

impl Workbench {
    /// Waits for the workbench of a source (of a kernel that is built in a way of its own, `custom`: of that), unpacks the
    /// source if that was not done, and repairs what a killed build left.
    pub fn open(
        cache: &Path,
        source: &Source,
        custom: Option<&CustomBuild>,
        canceller: &Canceller,
        report: &mut dyn FnMut(BuildEvent),
    ) -> Result<Self, KernelError> {
        let folder = folder_of(cache, source, custom);
        fs::create_dir_all(&folder).map_err(KernelError::io("creating", &folder))?;
        let lock = lock(&folder.join("lock"), canceller, report)?;
        remove_temporary(&folder)?;
        let killed = killed_since(&folder)?;
        let found = State::read(&folder.join("state.json")).filter(|state| {
            let usable = state.source == source.unpacked && folder.join("tree").is_dir();
            usable
                && match killed {
                    // Had the clock been set back in between, what the killed build wrote could not be told from the
                    // source.
                    Some(since) => state.unpacked < since,
                    // If `.config` is another, so may be anything else: somebody who writes no state was here.
                    None => state.configuration.as_ref().is_none_or(|known| known.is_in(&folder.join("tree"))),
                }
        });
        let Some(state) = found else {
            let state = unpack(&folder, source, canceller, report)?;
            return Ok(Self { folder, lock, state });
        };
        let mut workbench = Self { folder, lock, state };
        if let Some(since) = killed {
            workbench.sweep(since, report)?;
        }
        Ok(workbench)
    }

    /// The unpacked source.
    pub fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// The folder that everything of this workbench lies in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The version that the source says it is.
    pub fn version(&self) -> &Version {
        &self.state.version
    }

    /// What is known about the tree, to be changed with [`Self::note`].
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The lock, for the programs that work on the tree. Whoever still has it open keeps the workbench locked: a build
    /// that outlives its killed harness is waited for.
    pub fn lock(&self) -> io::Result<File> {
        self.lock.try_clone()
    }

    /// Changes what is known, and writes it down.
    pub fn note(&mut self, change: impl FnOnce(&mut State)) -> Result<(), KernelError> {
        change(&mut self.state);
        self.state.write(&self.folder.join("state.json"))
    }

    /// Where the source's own content of a file is; `None` if the source does not have the file.
    pub fn pristine(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        pristine(&self.folder, &self.state, path)
    }

    fn kept(&self, path: &Path) -> PathBuf {
        self.folder.join("pristine").join(path)
    }

    /// Makes the tree what was unpacked plus `overlays`, each over the one before. Files that are so already are not
    /// written.
    pub fn lay(&mut self, overlays: &[&Overlay]) -> Result<(), KernelError> {
        let tree = self.tree();
        let fail = KernelError::io("patching files in", &tree);
        let mut wanted = BTreeMap::new();
        for overlay in overlays {
            wanted.extend(overlay.files().map_err(&fail)?);
        }

        let mut touched = self.state.touched.clone();
        for path in wanted.keys() {
            if touched.contains_key(*path) {
                continue;
            }
            let pristine = match self.pristine(path).map_err(&fail)? {
                Some(file) => {
                    files::copy(&file, &self.kept(path)).map_err(&fail)?;
                    Pristine::Kept
                }
                None => Pristine::Absent,
            };
            touched.insert((*path).to_owned(), pristine);
        }
        let all: Vec<PathBuf> = touched.keys().cloned().collect();
        if self.state.touched != touched {
            self.note(|state| state.touched = touched)?;
        }

        let time = self.state.later();
        for path in &all {
            let content = match wanted.get(path.as_path()) {
                Some(content) => content.clone(),
                None => self.pristine(path).map_err(&fail)?,
            };
            put(content.as_deref(), &tree.join(path), time).map_err(&fail)?;
        }

        let forgotten: Vec<PathBuf> = all.into_iter().filter(|path| !wanted.contains_key(path.as_path())).collect();
        if !forgotten.is_empty() {
            self.note(|state| state.touched.retain(|path, _| wanted.contains_key(path.as_path())))?;
            for path in forgotten {
                files::remove(&self.kept(&path)).map_err(&fail)?;
            }
        }
        Ok(())
    }

    /// The mark that a program is writing to the tree, and since when.
    pub fn mark(&self) -> PathBuf {
        self.folder.join(MARK)
    }

    /// If a build was killed, the compiler or the linker may have been in the middle of a file, which make would take
    /// for finished. So whatever was written since that build began is removed, and built again.
    fn sweep(&mut self, since: SystemTime, report: &mut dyn FnMut(BuildEvent)) -> Result<(), KernelError> {
        let fail = KernelError::io("repairing", &self.folder);
        report(BuildEvent::Repairing);
        for folder in ["tree", "module"] {
            remove_newer(&self.folder.join(folder), since).map_err(&fail)?;
        }
        self.note(|state| state.configuration = None)?;
        files::remove(&self.mark()).map_err(&fail)
    }
}

/// The source's own files in a workbench that somebody else may be building in meanwhile. What differs from the source is
/// written down before it is changed, so what was read is the source's own if the same is written down afterwards.
#[derive(Debug)]
pub(super) struct Glance {
    folder: PathBuf,
    state: State,
}

impl Glance {
    /// A look at the workbench of a source; `None` if it is not unpacked there.
    pub fn at(cache: &Path, source: &Source) -> Option<Self> {
        let folder = folder_of(cache, source, None);
        let state = State::read(&folder.join("state.json")).filter(|state| state.source == source.unpacked)?;
        Some(Self { folder, state })
    }

    /// Where the source's own content of a file is; `None` if the source does not have the file.
    pub fn pristine(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        pristine(&self.folder, &self.state, path)
    }

    /// Whether all that was read until now is the source's own.
    pub fn holds(&self) -> bool {
        let now = State::read(&self.folder.join("state.json"));
        now.is_some_and(|now| now.unpacked == self.state.unpacked && now.touched == self.state.touched)
    }
}

/// What is built in another way has a workbench of its own: there is hardly an object that both could use.
fn folder_of(cache: &Path, source: &Source, custom: Option<&CustomBuild>) -> PathBuf {
    let source = source.unpacked.get(..12).unwrap_or(&source.unpacked);
    let name = custom.map_or_else(|| source.to_owned(), |custom| format!("{source}-{}", custom.name));
    cache.join("workbench").join(name)
}

/// Where the source's own content of a file is in a workbench; `None` if the source does not have the file.
fn pristine(folder: &Path, state: &State, path: &Path) -> io::Result<Option<PathBuf>> {
    match state.touched.get(path) {
        Some(Pristine::Absent) => Ok(None),
        Some(Pristine::Kept) => Ok(Some(folder.join("pristine").join(path))),
        None => {
            let tree = folder.join("tree");
            Ok(regular(&tree, path)?.then_some(tree.join(path)))
        }
    }
}

/// When the build began that was killed in this workbench, if one was.
fn killed_since(folder: &Path) -> Result<Option<SystemTime>, KernelError> {
    let mark = folder.join(MARK);
    let fail = KernelError::io("reading", &mark);
    files::meta(&mark).map_err(&fail)?.map(|meta| meta.modified()).transpose().map_err(&fail)
}

/// Waits until nobody else has the lock of this path, which is held for as long as the file is open.
pub(super) fn lock(
    path: &Path,
    canceller: &Canceller,
    report: &mut dyn FnMut(BuildEvent),
) -> Result<File, KernelError> {
    let fail = KernelError::io("locking", path);
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path).map_err(&fail)?;
    let mut waiting = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(fail(e)),
            Err(TryLockError::WouldBlock) if canceller.is_cancelled() => return Err(KernelError::Cancelled),
            Err(TryLockError::WouldBlock) => {
                if !std::mem::replace(&mut waiting, true) {
                    report(BuildEvent::Waiting);
                }
                std::thread::sleep(LOOK_AGAIN);
            }
        }
    }
}

fn remove_temporary(folder: &Path) -> Result<(), KernelError> {
    let fail = KernelError::io("cleaning", folder);
    for entry in fs::read_dir(folder).map_err(&fail)? {
        let entry = entry.map_err(&fail)?;
        if TEMPORARY.iter().any(|prefix| entry.file_name().to_string_lossy().starts_with(prefix)) {
            files::remove_all(&entry.path()).map_err(&fail)?;
        }
    }
    Ok(())
}

fn unpack(
    folder: &Path,
    source: &Source,
    canceller: &Canceller,
    report: &mut dyn FnMut(BuildEvent),
) -> Result<State, KernelError> {
    let fail = KernelError::io("unpacking into", folder);
    // Without the state nothing of the rest counts, so that goes first.
    files::remove(&folder.join("state.json")).map_err(&fail)?;
    for old in ["tree", "pristine", "module"] {
        files::remove_all(&folder.join(old)).map_err(&fail)?;
    }
    files::remove(&folder.join(MARK)).map_err(&fail)?;
    let needed = source.workbench_bytes();
    if files::free_bytes(folder).is_some_and(|free| free < needed) {
        let error = KernelError::disk_full(format!("unpacking {} into", source.name), folder);
        return Err(error.needing(needed));
    }
    let fresh = tempfile::Builder::new().prefix(TEMPORARY[0]).tempdir_in(folder).map_err(&fail)?;
    source.unpack(fresh.path(), canceller, report)?;
    let version = fs::read_to_string(fresh.path().join("Makefile")).ok().and_then(|text| Version::of_makefile(&text));
    let Some(version) = version else {
        return Err(KernelError::NotAKernel { source_name: source.name.clone() });
    };
    fs::rename(fresh.path(), folder.join("tree")).map_err(&fail)?;
    let state = State::new(source.unpacked.clone(), version);
    state.write(&folder.join("state.json"))?;
    Ok(state)
}

/// Whether a path is a regular file of the tree: `false` if it is not there, an error if it is something else or lies
/// behind a link, which may lead anywhere.
fn regular(tree: &Path, path: &Path) -> io::Result<bool> {
    let mut at = tree.to_owned();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        let Some(meta) = files::meta(&at)? else { return Ok(false) };
        let good = if parts.peek().is_some() { meta.is_dir() } else { meta.is_file() };
        if !good {
            return Err(io::Error::other(format!("{} is not a plain file of the tree", path.display())));
        }
    }
    Ok(true)
}

/// Gives a file its content, or removes it, unless it is so already.
fn put(content: Option<&Path>, file: &Path, time: SystemTime) -> io::Result<()> {
    let Some(content) = content else { return files::remove(file) };
    if files::same(content, file)? {
        return Ok(());
    }
    files::copy(content, file)?;
    File::options().write(true).open(file)?.set_times(FileTimes::new().set_modified(time))
}

/// Removes every file below `folder` that was written after `since`.
fn remove_newer(folder: &Path, since: SystemTime) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                folders.push(entry.path());
            } else if meta.modified()? > since {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
