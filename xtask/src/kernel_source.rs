//! The few files of a kernel's source that chores and tests run, from the source package of the base that crashlab is written
//! on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The package (`guest-kernel/bases.yaml`).
const PACKAGE: &str = "linux-source-6.12";

/// `checkpatch.pl` with the lists that it reads from its own folder, and the reader of KTAP with its modules.
const FILES: [&str; 10] = [
    "scripts/checkpatch.pl",
    "scripts/spelling.txt",
    "scripts/const_structs.checkpatch",
    "tools/testing/kunit/kunit.py",
    "tools/testing/kunit/kunit_config.py",
    "tools/testing/kunit/kunit_json.py",
    "tools/testing/kunit/kunit_kernel.py",
    "tools/testing/kunit/kunit_parser.py",
    "tools/testing/kunit/kunit_printer.py",
    "tools/testing/kunit/qemu_config.py",
];

/// `checkpatch.pl`, below [`folder`].
pub const CHECKPATCH: &str = FILES[0];
/// The reader of KTAP, below [`folder`].
pub const KUNIT: &str = FILES[3];

/// A folder with these files in their places, which are unpacked the first time that this tarball of the package's is seen.
///
/// `None`: the package is not installed.
pub fn folder() -> Result<Option<PathBuf>> {
    let Some(tarball) = tarball() else { return Ok(None) };
    let meta = tarball.metadata().with_context(|| format!("look at {}", tarball.display()))?;
    let modified = meta.modified()?.duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| super::checkout().join("target"), PathBuf::from);
    let folder = target.join("kernel-source").join(format!("{PACKAGE}-{}-{modified}", meta.len()));
    if !folder.is_dir() {
        unpack(&tarball, &folder)?;
    }
    Ok(Some(folder))
}

/// Where Debian and Ubuntu leave it.
fn tarball() -> Option<PathBuf> {
    let names = ["xz", "zst", "bz2", "gz"].map(|suffix| format!("{PACKAGE}.tar.{suffix}"));
    let folders = [PathBuf::from("/usr/src"), Path::new("/usr/src").join(PACKAGE)];
    folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name))).find(|path| path.is_file())
}

/// Unpacks beside its place and renames, so that a folder which is there is whole.
fn unpack(tarball: &Path, folder: &Path) -> Result<()> {
    eprintln!("── unpacking scripts of the kernel from {}", tarball.display());
    let staged = folder.with_file_name(format!("unpack-{}", std::process::id()));
    fs::create_dir_all(&staged).with_context(|| format!("create {}", staged.display()))?;
    let members = FILES.map(|file| format!("{PACKAGE}/{file}"));
    let mut tar = Command::new("tar");
    // It need not read on once it has found them.
    tar.args(["--extract", "--occurrence"]).arg("--file").arg(tarball).arg("--directory").arg(&staged);
    let status = tar.args(["--strip-components=1"]).args(members).status().context("start tar")?;
    if !status.success() {
        bail!("unpack {}: tar failed ({status})", tarball.display());
    }
    match fs::rename(&staged, folder) {
        // Another one has been faster.
        Err(_) if folder.is_dir() => fs::remove_dir_all(&staged),
        renamed => renamed,
    }
    .with_context(|| format!("rename {} to {}", staged.display(), folder.display()))
}
