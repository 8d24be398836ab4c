//! Running the kernel's own build, with everything that would make two builds differ held still.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

use super::process::{program, run_lines};
use super::workbench::Workbench;
use super::{Canceller, KernelError, files};
use harness_model::Arch;

/// The build's environment, part of every key by way of the recipe's version.
pub(super) const fn still(arch: Arch) -> [(&'static str, &'static str); 6] {
    [
        ("ARCH", arch.spec().kernel.make_arch),
        ("KBUILD_BUILD_TIMESTAMP", "1970-01-01"),
        ("KBUILD_BUILD_USER", "harness"),
        ("KBUILD_BUILD_HOST", "harness"),
        ("KBUILD_BUILD_VERSION", "1"),
        // Set but empty: nothing of a git tree that the cache may lie in gets into the release.
        ("LOCALVERSION", ""),
    ]
}

/// The builds of one kernel, which share a log.
pub(super) struct Make<'a> {
    workbench: &'a Workbench,
    arch: Arch,
    /// What every make is told.
    arguments: &'a [String],
    canceller: &'a Canceller,
    log: BufWriter<File>,
    log_path: PathBuf,
}

impl<'a> Make<'a> {
    /// Starts a log at `log_path`. `arguments` are told to make before those of each run.
    pub fn new(
        workbench: &'a Workbench,
        arch: Arch,
        arguments: &'a [String],
        canceller: &'a Canceller,
        log_path: PathBuf,
    ) -> Result<Self, KernelError> {
        let fail = KernelError::io("writing the build's log", &log_path);
        if let Some(folder) = log_path.parent() {
            std::fs::create_dir_all(folder).map_err(&fail)?;
        }
        let log = BufWriter::new(File::create(&log_path).map_err(&fail)?);
        Ok(Self { workbench, arch, arguments, canceller, log, log_path })
    }

    /// Where the log is.
    pub fn log_path(&self) -> &Path {
        &self.log_path
    }

    /// Runs make in the tree; `step` is called for each file that was made. Returns whether it succeeded.
    pub fn run(&mut self, arguments: &[OsString], step: &mut dyn FnMut()) -> Result<bool, KernelError> {
        let tree = self.workbench.tree();
        let fail = KernelError::io("preparing the build in", &tree);
        let jobs = available_parallelism().map_or(1, usize::from);
        let mut make = program("make");
        make.current_dir(&tree).envs(still(self.arch)).arg(format!("--jobs={jobs}")).arg("--output-sync=target");
        make.args(self.arguments).args(arguments);
        make.stdin(self.workbench.lock().map_err(&fail)?);

        let mark = self.workbench.mark();
        files::replace(&mark, b"").map_err(&fail)?;
        let (log, log_path) = (&mut self.log, &self.log_path);
        let status = run_lines(&mut make, self.canceller, "building a kernel", &mut |line| {
            if is_step(line) {
                step();
            }
            writeln!(log, "{line}").map_err(KernelError::io("writing the build's log", log_path))
        });
        let flushed = self.log.flush().map_err(KernelError::io("writing the build's log", &self.log_path));
        // A make that ends by itself, or is asked to, removes what it has only half made. Else the mark stays.
        match &status {
            Ok(status) if status.signal().is_none_or(|signal| signal == 15) => {
                files::remove(&mark).map_err(&fail)?;
            }
            Err(KernelError::Cancelled | KernelError::ToolMissing { .. }) => files::remove(&mark).map_err(&fail)?,
            _ => {}
        }
        let status = status?;
        flushed?;
        Ok(status.success())
    }
}

/// Whether a line of the build's output tells of a file that was made: `  CC      kernel/panic.o`.
fn is_step(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("  ") else { return false };
    let Some((what, path)) = rest.split_once(' ') else { return false };
    let named = what.len() >= 2
        && what.starts_with(|c: char| c.is_ascii_uppercase())
        && what.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    named && !path.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_from_other_output() {
        for step in ["  CC      kernel/panic.o", "  LD [M]  crashlab.ko", "  CHKSHA1 include/linux/atomic.h"] {
            assert!(is_step(step), "{step}");
        }
        for other in
            ["", "  ", "Kernel: arch/x86/boot/bzImage is ready  (#1)", "  341 |  foo;", "make[2]: ***", "  x y"]
        {
            assert!(!is_step(other), "{other}");
        }
    }
}
