//! crashlab's sources under the kernel's own `scripts/checkpatch.pl`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Where the script is taken from: the source package of the base that crashlab is written on (`guest-kernel/bases.yaml`).
const PACKAGE: &str = "linux-source-6.12";

/// The script, and the lists that it reads from its own folder.
const FILES: [&str; 3] = ["checkpatch.pl", "spelling.txt", "const_structs.checkpatch"];

/// The script, which is unpacked the first time that this tarball of the package's is seen.
///
/// `None`: the package is not installed.
pub fn script() -> Result<Option<PathBuf>> {
    let Some(tarball) = tarball() else { return Ok(None) };
    let meta = tarball.metadata().with_context(|| format!("look at {}", tarball.display()))?;
    let modified = meta.modified()?.duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let folder = target.join("checkpatch").join(format!("{PACKAGE}-{}-{modified}", meta.len()));
    if !folder.is_dir() {
        unpack(&tarball, &folder)?;
    }
    Ok(Some(folder.join(FILES[0])))
}

/// The check. What is asked, and what is not, stands in `.checkpatch.conf` beside the sources.
pub fn check(script: &Path) -> Result<Command> {
    let folder = root().join("guest-kernel/crashlab");
    let reading = || format!("list {}", folder.display());
    let mut sources = Vec::new();
    for entry in fs::read_dir(&folder).with_context(reading)? {
        let path = PathBuf::from(entry.with_context(reading)?.file_name());
        let is_c = matches!(path.extension().and_then(OsStr::to_str), Some("c" | "h"));
        let is_build = path.as_os_str().to_string_lossy().contains(".mod.");
        if (is_c && !is_build) || path == Path::new("Makefile") {
            sources.push(path);
        }
    }
    sources.sort();
    let mut command = Command::new("perl");
    command.arg(script).args(["--quiet", "--show-types", "--file"]).args(sources).current_dir(&folder);
    Ok(command)
}

/// The checkout.
fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Where Debian and Ubuntu leave it.
fn tarball() -> Option<PathBuf> {
    let names = ["xz", "zst", "bz2", "gz"].map(|suffix| format!("{PACKAGE}.tar.{suffix}"));
    let folders = [PathBuf::from("/usr/src"), Path::new("/usr/src").join(PACKAGE)];
    folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name))).find(|path| path.is_file())
}

/// Unpacks beside its place and renames, so that a folder which is there is whole.
fn unpack(tarball: &Path, folder: &Path) -> Result<()> {
    eprintln!("── unpacking {} from {}", FILES[0], tarball.display());
    let staged = folder.with_file_name(format!("unpack-{}", std::process::id()));
    fs::create_dir_all(&staged).with_context(|| format!("create {}", staged.display()))?;
    let members = FILES.map(|file| format!("{PACKAGE}/scripts/{file}"));
    let mut tar = Command::new("tar");
    // It need not read on once it has found them.
    tar.args(["--extract", "--occurrence"]).arg("--file").arg(tarball).arg("--directory").arg(&staged);
    let status = tar.args(["--strip-components=2"]).args(members).status().context("start tar")?;
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
