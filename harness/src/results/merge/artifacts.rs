//! Artifacts brought from one run to another: hard-linked, or copied where that cannot be.
//!
//! A run may come from another machine, packed and unpacked by others: no link in it is followed, and nothing but plain
//! files is taken.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, linkat, mkdirat, openat, statat};
use rustix::io::Errno;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The `artifacts/` of two runs.
pub(super) struct Bringer {
    /// `None` if there is no such folder.
    from: Option<OwnedFd>,
    to: OwnedFd,
}

impl Bringer {
    pub fn open(from: &Path, to: &Path) -> io::Result<Self> {
        Ok(Self { from: open_folder(CWD, from)?, to: openat(CWD, to, FOLDER, Mode::empty())? })
    }

    /// Brings a trial's files, if it has any: those of the folder of this name.
    pub fn bring(&self, artifacts: &Path) -> io::Result<()> {
        let Some(name) = artifacts.file_name() else { return Ok(()) };
        let Some(from) = &self.from else { return Ok(()) };
        let Some(from) = open_folder(from, name)? else { return Ok(()) };
        mkdirat(&self.to, name, Mode::from_raw_mode(0o777))?;
        let to = openat(&self.to, name, FOLDER, Mode::empty())?;
        for entry in Dir::read_from(&from)? {
            let entry = entry?;
            let file = entry.file_name();
            let stat = statat(&from, file, AtFlags::SYMLINK_NOFOLLOW)?;
            if [c".", c".."].contains(&file) {
                continue;
            }
            if !FileType::from_raw_mode(stat.st_mode).is_file() {
                tracing::warn!("{}/{}: left out, as it is no plain file", artifacts.display(), file.to_string_lossy());
                continue;
            }
            // Another file system, one without links, or files of somebody else.
            if linkat(&from, file, &to, file, AtFlags::empty()).is_err() {
                copy(&from, &to, file)?;
            }
        }
        Ok(())
    }
}

/// Opens a folder; `None` if there is none of that name, but nothing, a link, or something else.
fn open_folder(at: impl std::os::fd::AsFd, name: impl rustix::path::Arg) -> io::Result<Option<OwnedFd>> {
    match openat(at, name, FOLDER, Mode::empty()) {
        Ok(folder) => Ok(Some(folder)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Copies a plain file.
pub(super) fn copy(from: &OwnedFd, to: &OwnedFd, name: &CStr) -> io::Result<()> {
    // A pipe that has come in its place would keep us waiting.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let from = openat(from, name, flags, Mode::empty())?;
    if !FileType::from_raw_mode(fstat(&from)?.st_mode).is_file() {
        return Err(io::Error::other("not a plain file"));
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let to = openat(to, name, flags, Mode::from_raw_mode(0o666))?;
    io::copy(&mut File::from(from), &mut File::from(to)).map(drop)
}
