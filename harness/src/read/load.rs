//! Files and folders that are named, as sources. All that is read or asked of the disk is here.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Bytes, Content, NamedFile, Source, kind};
use crate::evidence::{efi_store, pstore};

/// Folders within each other that are looked into: `/var/lib/systemd/pstore` has one for each crash, which may have some.
const MAX_DEPTH: usize = 4;
/// Files of one folder, with those below it, that are looked at.
const MAX_FILES: usize = 4096;
/// A record of pstore or an EFI variable has fewer bytes.
const MAX_NAMED: u64 = 4 << 20;
/// All of them together, of one folder.
const MAX_ALL_NAMED: u64 = 32 << 20;

/// Why something that was named cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The host.
    #[error("read {}: {source}", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A device, a pipe, a socket.
    #[error("{} is neither a file nor a folder: copy it to a file first (`dd`)", .0.display())]
    Special(PathBuf),
    /// Too much.
    #[error("{} has more than {MAX_FILES} files: name those that are evidence", .0.display())]
    TooMany(PathBuf),
    /// A folder without anything.
    #[error("in {} there is no evidence: no record of pstore, no EFI variable, no image, no log", .0.display())]
    Nothing(PathBuf),
}

/// What one of the names stands for: a file, or what is in a folder and those below it, of which each is a source of its
/// own. Of a folder what is no evidence is passed over.
pub fn load(paths: &[PathBuf]) -> Result<Vec<Source>, LoadError> {
    let mut sources = Vec::new();
    // Records that were named one by one (by a shell's `*`) belong together if they lie in one folder.
    let mut named: Vec<(PathBuf, Class, Vec<NamedFile>)> = Vec::new();
    for path in paths {
        let meta = fs::metadata(path).map_err(|source| failed(path, source))?;
        if meta.is_dir() {
            let (mut found, mut left) = (Vec::new(), MAX_FILES);
            folder(path, 0, &mut left, &mut found)?;
            if found.is_empty() {
                return Err(LoadError::Nothing(path.clone()));
            }
            sources.append(&mut found);
            continue;
        }
        if !meta.is_file() {
            return Err(LoadError::Special(path.clone()));
        }
        let class = Class::of(path);
        if class == Class::Other {
            sources.push(Source { name: path.display().to_string(), content: Content::File(Box::new(open(path)?)) });
            continue;
        }
        let parent = path.parent().unwrap_or(Path::new("")).to_owned();
        let read = named_file(path)?;
        match named.iter_mut().find(|(of, known, _)| (of, *known) == (&parent, class)) {
            Some((.., files)) => files.push(read),
            None => named.push((parent, class, vec![read])),
        }
    }
    let groups = named.into_iter().map(|(parent, class, files)| {
        let name = match files.as_slice() {
            [one] => parent.join(&one.name),
            _ if parent.as_os_str().is_empty() => PathBuf::from("."),
            _ => parent,
        };
        Source { name: name.display().to_string(), content: class.content(files) }
    });
    sources.extend(groups);
    Ok(sources)
}

/// What a file's name says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A record of pstore.
    Record,
    /// An EFI variable.
    Variable,
    /// Nothing.
    Other,
}

impl Class {
    fn of(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_zone = |prefix: &str| {
            name.strip_prefix(prefix).and_then(|rest| rest.rsplit_once('-')).is_some_and(|(_, id)| {
                let id = id.split('.').next().unwrap_or_default();
                !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())
            })
        };
        if name.starts_with("dump-type") && name.ends_with(&efi_store::LINUX_CRASH.to_string()) {
            Self::Variable
        } else if pstore::backend_and_id(&name).is_some()
            || ["console-", "pmsg-", "ftrace-", "mce-"].into_iter().any(is_zone)
        {
            Self::Record
        } else {
            Self::Other
        }
    }

    fn content(self, files: Vec<NamedFile>) -> Content {
        match self {
            Self::Variable => Content::Variables(files),
            Self::Record | Self::Other => Content::Records(files),
        }
    }
}

fn folder(path: &Path, depth: usize, left: &mut usize, sources: &mut Vec<Source>) -> Result<(), LoadError> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path).map_err(|source| failed(path, source))? {
        let entry = entry.map_err(|source| failed(path, source))?.path();
        *left = left.checked_sub(1).ok_or_else(|| LoadError::TooMany(path.to_owned()))?;
        match fs::metadata(&entry) {
            Ok(meta) if meta.is_dir() => folders.push(entry),
            Ok(meta) if meta.is_file() => files.push(entry),
            // A device, or a link to nowhere.
            _ => {}
        }
    }
    files.sort();
    folders.sort();
    for class in [Class::Record, Class::Variable] {
        let of: Vec<&PathBuf> = files.iter().filter(|file| Class::of(file) == class).collect();
        let (mut read, mut bytes) = (Vec::new(), 0);
        for file in of {
            let file = named_file(file)?;
            bytes += file.bytes.len() as u64;
            if bytes > MAX_ALL_NAMED {
                return Err(LoadError::TooMany(path.to_owned()));
            }
            read.push(file);
        }
        if !read.is_empty() {
            sources.push(Source { name: path.display().to_string(), content: class.content(read) });
        }
    }
    // Beside records lies what systemd has made of them.
    let has_records = files.iter().any(|file| Class::of(file) != Class::Other);
    for file in files.iter().filter(|_| !has_records) {
        let opened = open(file)?;
        if kind::is_evidence(&opened) {
            sources.push(Source { name: file.display().to_string(), content: Content::File(Box::new(opened)) });
        }
    }
    if depth < MAX_DEPTH {
        folders.iter().try_for_each(|below| folder(below, depth + 1, left, sources))?;
    }
    Ok(())
}

fn named_file(path: &Path) -> Result<NamedFile, LoadError> {
    let failed = |source| failed(path, source);
    let file = File::open(path).map_err(failed)?;
    let modified = file.metadata().and_then(|meta| meta.modified()).ok();
    let mut bytes = Vec::new();
    file.take(MAX_NAMED).read_to_end(&mut bytes).map_err(failed)?;
    Ok(NamedFile {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        modified: modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()).map(|since| since.as_secs()),
        bytes,
    })
}

fn open(path: &Path) -> Result<OnDisk, LoadError> {
    let failed = |source| failed(path, source);
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    Ok(OnDisk { file, size })
}

fn failed(path: &Path, source: io::Error) -> LoadError {
    LoadError::Io { path: path.to_owned(), source }
}

/// A file, and how long it was when it was opened.
struct OnDisk {
    file: File,
    size: u64,
}

impl Bytes for OnDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let there = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut read = vec![0; bytes.min(there)];
        let mut filled = 0;
        while let Some(rest) = read.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, at + filled as u64) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        read.truncate(filled);
        Ok(read)
    }
}
