//! Small disks that can be full.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::text;

/// A file system in memory; unmounted when this is dropped.
pub struct Disk {
    at: PathBuf,
}

impl Disk {
    /// None where this user may not mount anything, which is said.
    pub fn mount(at: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&at).unwrap();
        if let Err(why) = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], &at) {
            // Not by a macro, whose output the test runner swallows.
            let _ = writeln!(std::io::stderr(), "SKIPPED, not tested: a full disk; this user may not mount one: {why}");
            return None;
        }
        Some(Self { at })
    }

    /// Where it is mounted.
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// Makes it larger or smaller.
    pub fn resize(&self, size: &str) {
        mount(&["-o", &format!("remount,size={size}")], &self.at).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

fn mount(options: &[&str], at: &Path) -> Result<(), String> {
    let output = Command::new("mount").args(options).arg(at).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(text(&output.stderr)) }
}
