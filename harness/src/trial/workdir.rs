//! Where trials have their private folders, so that a harness that is killed leaves nothing for good.
//!
//! All of a harness's lie in one folder, which it keeps locked; the next harness removes those that are locked by
//! nobody.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::locked::{lock, remove_if_abandoned};
use crate::project::temp_dir;

/// The name of a folder that holds trials' folders: this prefix, and [`LETTERS`] letters and digits.
const PREFIX: &str = "harness-trials-";
const LETTERS: usize = 12;

/// How often a folder is made anew that another harness took for an abandoned one before it was locked.
const ATTEMPTS: usize = 16;

/// The place for the private folders of a harness's trials; made when the first one is asked for.
#[derive(Debug)]
pub struct ScratchDirs {
    parent: PathBuf,
    place: Mutex<Option<Place>>,
}

/// A folder that is removed with its lock held.
#[derive(Debug)]
struct Place {
    folder: TempDir,
    /// None where the file system has no locks; such a folder is never taken for an abandoned one either.
    _lock: Option<File>,
}

impl Default for ScratchDirs {
    /// In the temporary folder.
    fn default() -> Self {
        Self::below(temp_dir())
    }
}

impl ScratchDirs {
    /// In `parent`, which exists.
    fn below(parent: PathBuf) -> Self {
        Self { parent, place: Mutex::new(None) }
    }

    /// A new private folder for one trial. It must not outlive these folders.
    pub(super) fn folder(&self) -> io::Result<TempDir> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = &*place {
            match place.trial() {
                // Somebody has cleaned up too much.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                made => return made,
            }
        }
        remove_abandoned(&self.parent);
        place.insert(Place::new(&self.parent)?).trial()
    }
}

impl Place {
    fn new(parent: &Path) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            let folder = tempfile::Builder::new()
                .prefix(PREFIX)
                .rand_bytes(LETTERS)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(parent)?;
            let lock = match lock(folder.path()) {
                Ok(file) => Some(file),
                // Another harness is removing it, or has.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotFound) => continue,
                Err(_) => None,
            };
            // It may have been removed between being opened and being locked; from now on it is not.
            if folder.path().is_dir() {
                return Ok(Self { folder, _lock: lock });
            }
        }
        Err(io::Error::other(format!("each folder made in {} was removed at once", parent.display())))
    }

    fn trial(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix("trial-").tempdir_in(self.folder.path())
    }
}

/// Removes what dead harnesses have left. What cannot be removed is left: it is in nobody's way.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten().filter(|entry| is_ours(&entry.file_name())) {
        match remove_if_abandoned(&entry.path()) {
            Ok(true) => tracing::info!("removed {}, left by a harness that was killed", entry.path().display()),
            Ok(false) => {}
            Err(error) => tracing::debug!("remove {}: {error}", entry.path().display()),
        }
    }
}

fn is_ours(name: &OsStr) -> bool {
    let random = name.as_bytes().strip_prefix(PREFIX.as_bytes());
    random.is_some_and(|random| random.len() == LETTERS && random.iter().all(u8::is_ascii_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn trials_have_folders_of_their_own_in_one_that_goes_with_them() {
        let temporary = tempfile::tempdir().unwrap();
        let scratch_dirs = ScratchDirs::below(temporary.path().to_owned());
        assert!(names(temporary.path()).is_empty(), "nothing is made before it is needed");
        let (one, two) = (scratch_dirs.folder().unwrap(), scratch_dirs.folder().unwrap());
        assert_ne!(one.path(), two.path());
        assert_eq!(one.path().parent(), two.path().parent());
        let place = one.path().parent().unwrap();
        assert_eq!(place.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(is_ours(place.file_name().unwrap()));
        drop((one, two, scratch_dirs));
        assert!(names(temporary.path()).is_empty());
    }

    #[test]
    fn what_a_dead_harness_left_is_removed_and_nothing_else() {
        let temporary = tempfile::tempdir().unwrap();
        let alive = ScratchDirs::below(temporary.path().to_owned());
        let theirs = alive.folder().unwrap();
        fs::write(theirs.path().join("erst"), "of a trial that runs").unwrap();

        let abandoned = temporary.path().join("harness-trials-0123456789ab");
        fs::create_dir_all(abandoned.join("trial-x")).unwrap();
        fs::write(abandoned.join("trial-x/erst"), "").unwrap();
        let others = ["harness-trials-results", "harness-trials-0123456789a-", "my-harness-trials-0123456789ab"];
        for name in others {
            fs::create_dir(temporary.path().join(name)).unwrap();
        }
        // Of the name, but a file, and a link to a folder elsewhere.
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), temporary.path().join("harness-trials-bbbbbbbbbbbb")).unwrap();
        fs::write(temporary.path().join("harness-trials-aaaaaaaaaaaa"), "").unwrap();

        let before = names(temporary.path());
        let scratch_dirs = ScratchDirs::below(temporary.path().to_owned());
        let ours = scratch_dirs.folder().unwrap();
        let mut expected: Vec<_> = before.into_iter().filter(|name| !name.ends_with("0123456789ab")).collect();
        expected.push("my-harness-trials-0123456789ab".to_owned());
        let place = ours.path().parent().unwrap().file_name().unwrap();
        expected.push(place.to_str().unwrap().to_owned());
        expected.sort();
        assert_eq!(names(temporary.path()), expected);
        assert!(theirs.path().join("erst").is_file() && elsewhere.path().join("file").is_file());
    }

    #[test]
    fn a_place_that_was_removed_is_made_anew() {
        let temporary = tempfile::tempdir().unwrap();
        let scratch_dirs = ScratchDirs::below(temporary.path().to_owned());
        let one = scratch_dirs.folder().unwrap();
        fs::remove_dir_all(one.path().parent().unwrap()).unwrap();
        let two = scratch_dirs.folder().unwrap();
        assert!(two.path().is_dir());
        assert_ne!(one.path().parent(), two.path().parent());
    }

    #[test]
    fn a_temporary_folder_that_is_not_there_is_an_error_that_names_it() {
        let error = ScratchDirs::below("/nowhere".into()).folder().unwrap_err();
        assert!(error.to_string().contains("/nowhere"), "{error}");
    }

    /// Harnesses that begin at the same time look for abandoned folders while others make theirs.
    #[test]
    fn nobody_loses_a_folder_to_another_that_begins() {
        let temporary = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let scratch_dirs = ScratchDirs::below(temporary.path().to_owned());
                        let folder = scratch_dirs.folder().unwrap();
                        fs::write(folder.path().join("erst"), "").unwrap();
                    }
                });
            }
        });
        assert!(names(temporary.path()).is_empty());
    }
}
