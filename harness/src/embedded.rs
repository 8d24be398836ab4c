//! The project's files inside the program, for who has no checkout.

use std::io;
use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry};
use sha2::{Digest, Sha256};

/// What the program was built with.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// Folders, by their paths below the project's root.
    pub folders: Vec<(&'static str, &'static Dir<'static>)>,
    /// Files in the root.
    pub files: &'static [(&'static str, &'static [u8])],
}

impl Embedded {
    /// Unpacks all of it below `cache`, where it is found again by its content, and returns the folder. It is there to be
    /// read; what is to be changed is copied elsewhere first.
    pub fn unpack(&self, cache: &Path) -> io::Result<PathBuf> {
        let files = self.all();
        let mut hash = Sha256::new();
        for (name, content) in &files {
            let of = format!("{} {}\n", name.display(), content.len());
            hash.update(of.as_bytes());
            hash.update(content);
        }
        let digest = format!("{:x}", hash.finalize());
        let parent = cache.join("program");
        appear(&parent, &parent.join(digest.get(..16).unwrap_or(&digest)), |folder| {
            files.iter().try_for_each(|(name, content)| write_new(&folder.join(name), content))
        })
    }

    /// Every file, by its path below the project's root.
    fn all(&self) -> Vec<(PathBuf, &'static [u8])> {
        let mut all: Vec<_> = self.files.iter().map(|(name, content)| (PathBuf::from(name), *content)).collect();
        for (below, folder) in &self.folders {
            add(Path::new(below), folder, &mut all);
        }
        all
    }
}

fn add(below: &Path, folder: &Dir<'static>, all: &mut Vec<(PathBuf, &'static [u8])>) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => add(below, folder, all),
            DirEntry::File(file) => all.push((below.join(file.path()), file.contents())),
        }
    }
}

/// Has a folder that is made by `fill` appear as `at` in `parent` when it is complete, unless it is there; returns it.
pub(crate) fn appear(parent: &Path, at: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    if !at.is_dir() {
        std::fs::create_dir_all(parent)?;
        let staged = tempfile::Builder::new().prefix(".new-").tempdir_in(parent)?;
        fill(staged.path())?;
        match std::fs::rename(staged.path(), at) {
            Ok(()) => drop(staged.keep()),
            // Another harness was faster.
            Err(_) if at.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at.to_owned())
}

/// Writes a file in a folder that is made for it.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    std::fs::write(path, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_inside_is_unpacked_once() {
        static SOURCES: Dir<'static> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/src/timeline");
        let embedded = Embedded { folders: vec![("src", &SOURCES)], files: &[("Cargo.toml", b"x")] };
        let cache = tempfile::tempdir().unwrap();
        let folder = embedded.unpack(cache.path()).unwrap();
        assert_eq!(std::fs::read(folder.join("Cargo.toml")).unwrap(), b"x");
        assert_eq!(std::fs::read_to_string(folder.join("src/mod.rs")).unwrap(), include_str!("timeline/mod.rs"));
        assert!(folder.join("src/order/mod.rs").is_file(), "folders in folders");
        std::fs::write(folder.join("Cargo.toml"), "y").unwrap();
        assert_eq!(embedded.unpack(cache.path()).unwrap(), folder);
        assert_eq!(std::fs::read(folder.join("Cargo.toml")).unwrap(), b"y", "it is not written again");
        let other = Embedded { files: &[("Cargo.toml", b"z")], ..embedded.clone() };
        assert_ne!(other.unpack(cache.path()).unwrap(), folder);
        let left: Vec<_> = std::fs::read_dir(cache.path().join("program")).unwrap().collect();
        assert_eq!(left.len(), 2, "nothing is left beside: {left:?}");
    }
}
