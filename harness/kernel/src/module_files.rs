//! The files of the modules that were built with a kernel, in its build folder or below `/lib/modules`.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::process::{program, write_out};
use super::{Canceller, KernelError, files};

/// What lists a kernel's modules: their paths, `kernel/drivers/firmware/qemu_fw_cfg.ko`; in build folders of 6.3 and newer
/// their objects, which end in `.o`.
const LIST: &str = "modules.order";
/// How a module may be compressed, and what shows it as it was.
const COMPRESSED: [(&str, &str); 3] = [("xz", "xz"), ("zst", "zstd"), ("gz", "gzip")];
/// What stands before the names of the modules that one needs, in its section `.modinfo`.
const DEPENDS: &[u8] = b"\0depends=";
/// The folder of a kernel in the store with the modules that guests load.
pub(super) const FOLDER: &str = "modules";

/// The modules of a folder, by name.
#[derive(Debug)]
pub(super) struct ModuleFiles(HashMap<String, PathBuf>);

impl ModuleFiles {
    /// Those that a folder lists; none if it has no list.
    pub fn of(folder: &Path) -> Option<Self> {
        let list = fs::read_to_string(folder.join(LIST)).ok()?;
        let named = list.lines().filter_map(|line| {
            let stem = line.trim().rsplit_once('.')?.0;
            Some((plain(Path::new(stem).file_name()?.to_str()?), folder.join(format!("{stem}.ko"))))
        });
        Some(Self(named.collect()))
    }

    /// Whether there is a module of that name.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Where a module is, and by what it is compressed.
    fn find(&self, name: &str) -> Option<(PathBuf, Option<&'static str>)> {
        let plain = self.0.get(name)?;
        if plain.is_file() {
            return Some((plain.clone(), None));
        }
        COMPRESSED.iter().find_map(|(suffix, tool)| {
            let path = plain.with_extension(format!("ko.{suffix}"));
            path.is_file().then_some((path, Some(*tool)))
        })
    }

    /// Copies modules, and those that they need, to [`FOLDER`] in `output`. Returns their files' names in the order in which
    /// they are to be loaded.
    pub fn collect(&self, names: &[&str], output: &Path, canceller: &Canceller) -> Result<Vec<String>, KernelError> {
        let folder = output.join(FOLDER);
        fs::create_dir_all(&folder).map_err(KernelError::io("creating", &folder))?;
        let mut ordered = Vec::new();
        for name in names {
            self.add(name, &folder, canceller, &mut ordered)?;
        }
        Ok(ordered)
    }

    fn add(
        &self,
        name: &str,
        folder: &Path,
        canceller: &Canceller,
        ordered: &mut Vec<String>,
    ) -> Result<(), KernelError> {
        let file = format!("{name}.ko");
        let to = folder.join(&file);
        // It is there, or is being added: modules do not need each other in a circle.
        if to.exists() {
            return Ok(());
        }
        let Some((from, compressed)) = self.find(name) else {
            let missing = std::io::Error::other("it is not among the kernel's modules");
            return Err(KernelError::io("finding the module", Path::new(&file))(missing));
        };
        let fail = KernelError::io("copying the module", &from);
        match compressed {
            None => files::copy(&from, &to).map_err(&fail)?,
            Some(tool) => write_out(program(tool).arg("-dc").arg(&from), &to, canceller, "unpacking a module")?,
        }
        for needed in depends(&fs::read(&to).map_err(&fail)?) {
            self.add(&needed, folder, canceller, ordered)?;
        }
        ordered.push(file);
        Ok(())
    }
}

/// A module's name as the kernel has it.
fn plain(name: &str) -> String {
    name.replace('-', "_")
}

/// The names of the modules that one needs.
fn depends(module: &[u8]) -> Vec<String> {
    let at = module.windows(DEPENDS.len()).position(|bytes| bytes == DEPENDS);
    let names = at.and_then(|at| module.get(at + DEPENDS.len()..)?.split(|byte| *byte == 0).next());
    let names = String::from_utf8_lossy(names.unwrap_or_default()).into_owned();
    names.split(',').filter(|name| !name.is_empty()).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(list: &str, modules: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LIST), list).unwrap();
        for (path, content) in modules {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    fn module(needs: &str) -> Vec<u8> {
        format!("\u{7f}ELF\0license=GPL\0depends={needs}\0name=x\0").into_bytes()
    }

    #[test]
    fn what_a_module_needs_is_loaded_before_it() {
        let from = folder(
            "drivers/virtio/virtio_pci.o\ndrivers/virtio/virtio-ring.o\nlib/never.o\n",
            &[
                ("drivers/virtio/virtio_pci.ko", &module("virtio-ring")),
                ("drivers/virtio/virtio-ring.ko", &module("")),
                ("lib/never.ko", &module("")),
            ],
        );
        let to = tempfile::tempdir().unwrap();
        let files = ModuleFiles::of(from.path()).unwrap();
        let ordered = files.collect(&["virtio_pci", "virtio_ring"], to.path(), &Canceller::default()).unwrap();
        assert_eq!(ordered, ["virtio_ring.ko", "virtio_pci.ko"]);
        assert_eq!(fs::read(to.path().join("modules/virtio_pci.ko")).unwrap(), module("virtio-ring"));
        assert_eq!(fs::read_dir(to.path().join(FOLDER)).unwrap().count(), 2);
    }

    #[test]
    fn compressed_modules_are_unpacked() {
        let from = folder("kernel/a.ko\n", &[("kernel/a.ko", &module(""))]);
        let packed = program("xz").arg(from.path().join("kernel/a.ko")).status().unwrap();
        assert!(packed.success() && !from.path().join("kernel/a.ko").exists());
        let to = tempfile::tempdir().unwrap();
        let files = ModuleFiles::of(from.path()).unwrap();
        assert_eq!(files.collect(&["a"], to.path(), &Canceller::default()).unwrap(), ["a.ko"]);
        assert_eq!(fs::read(to.path().join("modules/a.ko")).unwrap(), module(""));
    }

    #[test]
    fn a_module_that_is_listed_and_not_there_is_none() {
        let from = folder("kernel/a.ko\nkernel/b.ko\n", &[("kernel/b.ko", &module("a"))]);
        let files = ModuleFiles::of(from.path()).unwrap();
        assert!(!files.has("a") && files.has("b") && !files.has("c"));
        let to = tempfile::tempdir().unwrap();
        let error = files.collect(&["b"], to.path(), &Canceller::default()).unwrap_err().to_string();
        assert!(error.starts_with("finding the module a.ko: it is not among the kernel's modules"), "{error}");
        assert!(ModuleFiles::of(to.path()).is_none());
    }
}
