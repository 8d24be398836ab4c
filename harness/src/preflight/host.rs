//! What the checks look at, and how they start programs.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::Access;
use tokio::process::Command;

use crate::firmware::Places;
use crate::guest::{die_with_parent, landlock_abi};

/// What to check, and against which needs.
#[derive(Debug, Clone)]
pub struct Options {
    /// The QEMU to use, a path or a name; `None`: `qemu-system-x86_64` from the PATH.
    pub qemu: Option<PathBuf>,
    /// The source packages that kernels will be built from, e.g. `linux-source-6.12`.
    pub source_packages: Vec<String>,
    /// The build cache; need not exist yet.
    pub cache: PathBuf,
    /// Where runs are stored; need not exist yet.
    pub results: PathBuf,
    /// Guests that will run at once.
    pub jobs: u32,
    /// Whether kernels are to be built.
    pub builds_kernels: bool,
    /// Whether the guest's agent and the tracer are to be built.
    pub builds_parts: bool,
    /// Whether EFI firmware is looked for.
    pub looks_for_firmware: bool,
    /// The machine to look at.
    pub host: Host,
}

impl Options {
    /// This machine, with the QEMU that the environment's `HARNESS_QEMU` names, if it names one.
    pub fn new(cache: PathBuf, results: PathBuf, jobs: u32) -> Self {
        let qemu = env::var_os("HARNESS_QEMU").filter(|name| !name.is_empty()).map(PathBuf::from);
        let (builds_kernels, builds_parts) = (true, true);
        Self {
            qemu,
            source_packages: Vec::new(),
            cache,
            results,
            jobs,
            builds_kernels,
            builds_parts,
            looks_for_firmware: false,
            host: Host::this(),
        }
    }
}

/// Where a machine keeps things, and how long it may take: a test has its own.
#[derive(Debug, Clone)]
pub struct Host {
    /// Where programs are looked for, as in `PATH`.
    pub path: OsString,
    /// Where source packages leave their tarballs.
    pub sources: PathBuf,
    /// Where EFI firmware is looked for.
    pub firmware: Places,
    /// Whether we are root.
    pub root: bool,
    /// The version of Landlock that the kernel has, or why it has none.
    pub landlock: Result<i64, String>,
    /// How long a guest or a tool may take.
    pub patience: Patience,
}

/// How long the checks wait.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a tool to answer.
    pub tool: Duration,
    /// For the probe guest's first sign of life: QEMU's own start, which a machine that is itself emulated makes long.
    pub start: Duration,
    /// From one sign to the next, and to its end, under KVM: a KVM that takes longer is of no use.
    pub kvm: Duration,
    /// From QEMU's start to the guest's end, under KVM, at least, however fast TCG is.
    pub kvm_least: Duration,
    /// Likewise under TCG: on a busy machine still slower than elsewhere.
    pub tcg: Duration,
}

impl Host {
    /// This machine.
    pub fn this() -> Self {
        Self {
            path: env::var_os("PATH").unwrap_or_default(),
            sources: PathBuf::from("/usr/src"),
            firmware: Places::of_this_machine(),
            root: rustix::process::geteuid().is_root(),
            landlock: landlock_abi().map_err(|error| error.to_string()),
            patience: Patience {
                tool: Duration::from_secs(20),
                start: Duration::from_secs(60),
                kvm: Duration::from_secs(2),
                kvm_least: Duration::from_millis(500),
                tcg: Duration::from_secs(20),
            },
        }
    }

    /// What goes before a command that needs root's rights.
    pub(super) const fn as_root(&self) -> &'static str {
        if self.root { "" } else { "sudo " }
    }

    /// The absolute path of the program `name`, which may also be a path: it is not always started from this folder.
    pub(super) fn find(&self, name: impl AsRef<Path>) -> Option<PathBuf> {
        let name = name.as_ref();
        let runs = |path: &PathBuf| path.is_file() && rustix::fs::access(path.as_path(), Access::EXEC_OK).is_ok();
        let found = if name.components().count() > 1 {
            Some(name.to_owned()).filter(runs)
        } else {
            env::split_paths(&self.path).map(|folder| folder.join(name)).find(runs)
        };
        found.and_then(|path| std::path::absolute(path).ok())
    }

    /// A command that sees this host's programs, speaks English, reads nothing, is its own process group, so that its
    /// children end with it, and dies with the harness.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path).env("LC_ALL", "C").stdin(Stdio::null());
        command.process_group(0).kill_on_drop(true);
        // A KVM that runs nothing would keep its QEMU for ever.
        die_with_parent(command.as_std_mut());
        command
    }
}

/// The folder that `path` is, or the nearest one above it that exists: there it will be made.
pub(super) fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|folder| folder.is_dir()).unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unit tests run in the package's folder, which is the current one.
    #[test]
    fn a_program_is_found_by_an_absolute_path() {
        let script = "src/preflight/testdata/fake-tool";
        let here = std::path::absolute(script).unwrap();
        let host = Host { path: "src/preflight/testdata".into(), ..Host::this() };
        assert_eq!(host.find(script), Some(here.clone()));
        assert_eq!(host.find("fake-tool"), Some(here));
        assert_eq!(host.find("./fake-tool"), None);
    }

    /// As a harness does that is killed: whoever started it cannot end it any more.
    #[test]
    fn a_command_dies_with_who_started_it() {
        let started = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let child = runtime.block_on(async { Host::this().command("sleep").arg("1000").spawn().unwrap() });
            let pid = child.id().unwrap();
            std::mem::forget(child);
            pid
        });
        let stat = format!("/proc/{}/stat", started.join().unwrap());
        for _ in 0..2000 {
            // A zombie is dead: nobody has waited for it.
            match std::fs::read_to_string(&stat) {
                Ok(text) if !text.contains(") Z ") => std::thread::sleep(std::time::Duration::from_millis(10)),
                _ => return,
            }
        }
        panic!("it is still there: {stat}");
    }
}
