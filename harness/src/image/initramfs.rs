//! The initramfs: a newc cpio archive, which the kernel unpacks itself (`init/initramfs.c`).

use std::io::{self, Write as _};

use cpio::newc::{Builder, ModeFileType, trailer};
use harness_protocol::image::{CRASH_COMMAND_LINE, CRASH_INITRAMFS, CRASH_KERNEL, CRASHLAB, MODULES, WORKLOAD};

/// Device number of `/dev/console` (`Documentation/admin-guide/devices.txt`: char 5, 1).
const CONSOLE: (u32, u32) = (5, 1);

/// What takes over when the kernel dies.
#[derive(Debug, Clone, Copy)]
pub struct Crash<'a> {
    /// The kernel, `bzImage`.
    pub kernel: &'a [u8],
    /// What boots on it, of [`capture_initramfs`].
    pub initramfs: &'a [u8],
    /// What it is told.
    pub command_line: &'a str,
}

/// A module of the kernel's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: Vec<u8>,
}

/// What every guest has.
#[derive(Debug, Clone, Copy)]
pub struct Content<'a> {
    /// PID 1.
    pub agent: &'a [u8],
    /// Modules that it needs and that the kernel has not built in, in the order in which they are loaded.
    pub modules: &'a [Module],
    /// crashlab.
    pub crashlab: &'a [u8],
}

/// Packs the agent as `/init` and crashlab as `/crashlab.ko`, with the mount points that the agent needs and the
/// console that the kernel opens for it; modules lie below `/modules`, what takes over when the kernel dies below `/crash`, and
/// a program of the user's is `/workload`. The same input gives the same bytes: no times, no owners.
pub fn initramfs(content: Content<'_>, crash: Option<Crash<'_>>, program: Option<&[u8]>) -> io::Result<Vec<u8>> {
    let Content { agent, modules, crashlab } = content;
    let mut files = vec![(CRASHLAB, crashlab)];
    files.extend(program.map(|program| (WORKLOAD, program)));
    if let Some(Crash { kernel, initramfs, command_line }) = crash {
        let line = command_line.as_bytes();
        files.extend([(CRASH_KERNEL, kernel), (CRASH_INITRAMFS, initramfs), (CRASH_COMMAND_LINE, line)]);
    }
    pack(agent, modules, &files)
}

/// Packs the agent with the modules of the crash kernel alone: what boots on that has little memory.
pub fn capture_initramfs(agent: &[u8], modules: &[Module]) -> io::Result<Vec<u8>> {
    pack(agent, modules, &[])
}

fn pack(agent: &[u8], modules: &[Module], files: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let path = |(at, module): (usize, &Module)| format!("{MODULES}/{at:02}-{}.ko", module.name);
    let paths: Vec<String> = modules.iter().enumerate().map(path).collect();
    let of_modules = paths.iter().map(String::as_str).zip(modules.iter().map(|module| module.file.as_slice()));
    let files: Vec<(&str, &[u8])> = of_modules.chain(files.iter().copied()).collect();
    let bytes = files.iter().fold(agent.len(), |sum, (_, file)| sum + file.len());
    let mut archive = Vec::with_capacity(bytes + 4096);
    let mut inode = 0;
    let mut entry = |archive: Vec<u8>, name: &str, kind: ModeFileType, mode: u32, device: (u32, u32), data: &[u8]| {
        inode += 1;
        let size =
            u32::try_from(data.len()).map_err(|_| io::Error::other(format!("{name} is too large for a cpio")))?;
        let mut writer = Builder::new(name)
            .ino(inode)
            .nlink(1)
            .mode(mode)
            .set_mode_file_type(kind)
            .rdev_major(device.0)
            .rdev_minor(device.1)
            .write(archive, size);
        writer.write_all(data)?;
        writer.finish()
    };
    // The archive's names are those of the files below `/`.
    let below_root = |path: &str| path.trim_start_matches('/').to_owned();
    let crash = files.iter().any(|(path, _)| *path == CRASH_KERNEL).then_some("crash");
    let folder = (!modules.is_empty()).then(|| MODULES.trim_start_matches('/'));
    for name in ["dev", "proc", "sys"].into_iter().chain(crash).chain(folder) {
        archive = entry(archive, name, ModeFileType::Directory, 0o755, (0, 0), &[])?;
    }
    archive = entry(archive, "dev/console", ModeFileType::Char, 0o600, CONSOLE, &[])?;
    archive = entry(archive, "init", ModeFileType::Regular, 0o755, (0, 0), agent)?;
    for (path, file) in files {
        let mode = if path == WORKLOAD { 0o755 } else { 0o644 };
        archive = entry(archive, &below_root(path), ModeFileType::Regular, mode, (0, 0), file)?;
    }
    trailer(archive)
}
