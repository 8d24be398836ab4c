//! The source packages that kernels are built from.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::finding::{Finding, Status};
use super::host::Host;

/// How the archives begin that a source package may hold.
const MAGICS: [&[u8]; 4] = [b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"BZh", b"\x1f\x8b"];

/// Whether the package's tarball is there and can be read.
pub(super) fn check(host: &Host, package: &str) -> Finding {
    let new = |status, detail| Finding::new(format!("source-{package}"), package, status, detail);
    let Some(path) = tarball(&host.sources, package) else {
        let detail = format!("there is no {package}.tar.xz in {}", host.sources.display());
        return new(Status::Fail, detail).in_packages(&[package]);
    };
    let wrong = match is_archive(&path) {
        Ok(true) => return new(Status::Ok, path.display().to_string()),
        Ok(false) => format!("{} is no compressed archive", path.display()),
        Err(e) => format!("{} cannot be read: {e}", path.display()),
    };
    let finding = new(Status::Fail, wrong);
    // For apt the package is installed already.
    match host.find("apt-get") {
        Some(_) => finding.fixed_by(format!("{}apt-get install -y --reinstall {package}", host.as_root())),
        None => finding,
    }
}

/// Debian leaves `/usr/src/<package>.tar.xz`; Ubuntu a folder of the package's name with a `.tar.bz2` in it.
fn tarball(sources: &Path, package: &str) -> Option<PathBuf> {
    let folders = [sources.to_owned(), sources.join(package)];
    let names = ["xz", "zst", "bz2", "gz"].map(|suffix| format!("{package}.tar.{suffix}"));
    folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name))).find(|path| path.is_file())
}

fn is_archive(path: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    File::open(path)?.take(8).read_to_end(&mut head)?;
    Ok(MAGICS.iter().any(|magic| head.starts_with(magic)))
}
