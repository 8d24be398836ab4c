//! Folders that a harness keeps locked as long as it uses them. The kernel gives a lock up with the process that holds
//! it, however that ends: a folder of this kind that is not locked has been left by a dead harness, and may be removed.
//!
//! The lock is on the folder itself, which also keeps systemd-tmpfiles(8) from cleaning in it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Locks a folder as long as what is returned lives; [`io::ErrorKind::WouldBlock`] if somebody else has the lock.
pub fn lock(folder: &Path) -> io::Result<File> {
    let file = open(folder)?;
    file.try_lock()?;
    Ok(file)
}

/// Removes a folder if it is this user's and locked by nobody; whether it was. Which folders are of this kind, the
/// caller knows.
pub fn remove_if_abandoned(folder: &Path) -> io::Result<bool> {
    let file = open(folder)?;
    if file.metadata()?.uid() != rustix::process::geteuid().as_raw() {
        return Ok(false);
    }
    match file.try_lock() {
        // Locked while it is removed, so that whoever has just made it sees that it is gone.
        Ok(()) => fs::remove_dir_all(folder).map(|()| true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Opens a folder, and nothing else.
fn open(folder: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(folder, flags, Mode::empty())?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_has_locked_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("folder");
        fs::create_dir_all(folder.join("within")).unwrap();
        let held = lock(&folder).unwrap();
        assert_eq!(lock(&folder).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert!(!remove_if_abandoned(&folder).unwrap() && folder.is_dir());
        drop(held);
        assert!(remove_if_abandoned(&folder).unwrap() && !folder.exists());
        assert_eq!(remove_if_abandoned(&folder).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn files_and_links_are_left() {
        let parent = tempfile::tempdir().unwrap();
        let [folder, link, file] = ["folder", "link", "file"].map(|name| parent.path().join(name));
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        fs::write(&file, "").unwrap();
        for other in [&link, &file] {
            remove_if_abandoned(other).unwrap_err();
        }
        assert!(folder.is_dir() && link.is_symlink() && file.is_file());
    }

    #[test]
    fn what_is_another_users_is_left() {
        let folder = tempfile::tempdir().unwrap();
        if let Err(error) = std::os::unix::fs::chown(folder.path(), Some(1), None) {
            eprintln!("not tested: a folder of another user cannot be made: {error}");
            return;
        }
        assert!(!remove_if_abandoned(folder.path()).unwrap() && folder.path().is_dir());
    }
}
