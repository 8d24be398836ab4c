//! The fault-injection module's sources, and their copy beside the tree that they are built against.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{KernelError, files};

/// The name that the module's Makefile gives it.
pub(super) const MODULE: &str = "crashlab.ko";

/// The sources, by file name.
#[derive(Debug)]
pub(super) struct ModuleSources(BTreeMap<String, Vec<u8>>);

impl ModuleSources {
    /// Reads what is C, assembler or a makefile in `folder`.
    pub fn read(folder: &Path) -> Result<Self, KernelError> {
        let fail = KernelError::io("reading the fault-injection module in", folder);
        let missing = || KernelError::NoModuleSources { folder: folder.to_owned() };
        if !folder.is_dir() {
            return Err(missing());
        }
        let mut sources = BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(&fail)? {
            let entry = entry.map_err(&fail)?;
            if let Ok(name) = entry.file_name().into_string()
                && is_source(&name)
            {
                sources.insert(name, fs::read(entry.path()).map_err(&fail)?);
            }
        }
        if sources.contains_key("Makefile") || sources.contains_key("Kbuild") {
            Ok(Self(sources))
        } else {
            Err(missing())
        }
    }

    /// SHA-256 over names and contents, in hex.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for (name, content) in &self.0 {
            digest.update(files::sha256(name.as_bytes()));
            digest.update(files::sha256(content));
        }
        files::hex(&digest.finalize())
    }

    /// Makes `folder` have these sources and no others. What is so already is not written, so that it is not built
    /// again.
    pub fn copy_to(&self, folder: &Path) -> Result<(), KernelError> {
        let fail = KernelError::io("copying the fault-injection module to", folder);
        fs::create_dir_all(folder).map_err(&fail)?;
        for entry in fs::read_dir(folder).map_err(&fail)? {
            let name = entry.map_err(&fail)?.file_name().to_string_lossy().into_owned();
            if is_source(&name) && !self.0.contains_key(&name) {
                files::remove(&folder.join(name)).map_err(&fail)?;
            }
        }
        for (name, content) in &self.0 {
            let path = folder.join(name);
            if fs::read(&path).ok().as_ref() != Some(content) {
                fs::write(&path, content).map_err(&fail)?;
            }
        }
        Ok(())
    }
}

/// `crashlab.mod.c` is left by a build that somebody made in the folder itself.
fn is_source(name: &str) -> bool {
    let by_name = matches!(name, "Makefile" | "Kbuild");
    let c = [".c", ".h", ".S"].iter().any(|suffix| name.ends_with(suffix)) && !name.starts_with('.');
    by_name || (c && !name.ends_with(".mod.c"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        folder
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn only_sources_are_taken_and_stale_ones_go() {
        let from = folder(&[("Makefile", "obj-m"), ("a.c", "1"), ("a.h", "2"), ("a.mod.c", "x"), ("a.o", "x")]);
        let sources = ModuleSources::read(from.path()).unwrap();
        let to = folder(&[("old.c", "x"), ("a.c", "0"), ("a.o", "kept")]);
        sources.copy_to(to.path()).unwrap();
        assert_eq!(names(to.path()), ["Makefile", "a.c", "a.h", "a.o"]);
        assert_eq!(fs::read_to_string(to.path().join("a.c")).unwrap(), "1");
    }

    #[test]
    fn what_is_as_it_should_be_keeps_its_time() {
        let from = folder(&[("Makefile", "obj-m"), ("a.c", "1")]);
        let sources = ModuleSources::read(from.path()).unwrap();
        let to = folder(&[]);
        sources.copy_to(to.path()).unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH;
        let path = to.path().join("a.c");
        fs::File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
        sources.copy_to(to.path()).unwrap();
        assert_eq!(path.metadata().unwrap().modified().unwrap(), old);
    }

    #[test]
    fn the_digest_changes_with_names_and_contents() {
        let digest = |files: &[(&str, &str)]| ModuleSources::read(folder(files).path()).unwrap().digest();
        let one = digest(&[("Makefile", ""), ("a.c", "1")]);
        assert_eq!(one, digest(&[("Makefile", ""), ("a.c", "1"), ("a.mod.c", "x"), ("README", "x")]));
        assert_ne!(one, digest(&[("Makefile", ""), ("b.c", "1")]));
        assert_ne!(one, digest(&[("Makefile", ""), ("a.c", "2")]));
    }

    #[test]
    fn a_folder_without_a_makefile_is_an_error() {
        let from = folder(&[("a.c", "1")]);
        let error = ModuleSources::read(from.path()).unwrap_err().to_string();
        assert!(error.starts_with("there is no Makefile in "), "{error}");
        let error = ModuleSources::read(&from.path().join("nowhere")).unwrap_err().to_string();
        assert!(error.starts_with("there is no Makefile in "), "{error}");
    }
}
