//! Debian machines made of packages, to try things in that this machine has not, or has and should not need.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::step;

/// The suite whose packages are taken: the one that the harness's own needs are stated for.
const SUITE: &str = "bookworm";

/// A folder with the root of a Debian machine with these packages, made by mmdebstrap. As root, since their files are.
/// `hooks` are run by a shell with that folder as `$1`, before packages are installed that are not essential.
pub fn root(folder: &Path, packages: &[&str], hooks: &[&str]) -> Result<PathBuf> {
    let root = folder.join("root");
    let mut make = Command::new("mmdebstrap");
    make.args(["--mode=root", "--variant=minbase", "--include", &packages.join(",")]);
    make.args(hooks.iter().map(|hook| format!("--essential-hook={hook}")));
    step(&format!("a Debian machine with {}", packages.join(", ")), make.arg(SUITE).arg(&root))?;
    Ok(root)
}

/// An ext4 file system of this size with all that is below `root`, for a virtual machine.
pub fn image(root: &Path, image: &Path, size: &str) -> Result<()> {
    let mut make = Command::new("mke2fs");
    step("its disk", make.args(["-q", "-t", "ext4", "-d"]).arg(root).arg(image).arg(size))
}

/// The only file in a folder whose name begins so.
pub fn only(folder: &Path, begins: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let found = entries.flatten().find(|entry| entry.file_name().to_string_lossy().starts_with(begins));
    found.map(|entry| entry.path()).with_context(|| format!("there is no {begins}* in {}", folder.display()))
}
