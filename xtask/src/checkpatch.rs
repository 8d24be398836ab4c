//! crashlab's sources under the kernel's own `scripts/checkpatch.pl`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// The check. What is asked, and what is not, stands in `.checkpatch.conf` beside the sources.
pub fn check(script: &Path) -> Result<Command> {
    let folder = super::checkout().join("guest-kernel/crashlab");
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
