//! What holds a QEMU in: its guest is hostile, and QEMU has bugs.
//!
//! QEMU's own sandbox (`-sandbox`) begins when QEMU has come that far, and knows nothing of files. So before QEMU is
//! executed
//!
//! - it loses the environment, where CI servers keep their secrets;
//! - it loses the user: if the harness is root, QEMU becomes `nobody`, with no capability but the one by which it finds
//!   the files below;
//! - it can gain no privileges (`PR_SET_NO_NEW_PRIVS`), whatever it executes;
//! - Landlock leaves it its own program, libraries and firmware to read, the trial's inputs to read, the trial's folder
//!   to write, and no TCP (Linux: `Documentation/userspace-api/landlock.rst`). Where the kernel has no Landlock, or an
//!   older one, that much is missing; `harness doctor` says so;
//! - a seccomp filter leaves it no socket of any kind, and closes what Landlock does not know of.
//!
//! Everything is computed before the fork; after it there are only system calls.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set, set_capabilities,
    set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::machine::{Files, Ram};

/// The newest Landlock whose rights are asked for; an older kernel grants what it knows.
const ABI_ASKED_FOR: ABI = ABI::V6;

/// Where programs, libraries and firmware of the system lie, and what they read of the machine they run on.
const SYSTEM: [&str; 13] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/sys/devices/system",
    // glibc's allocator asks here for huge pages, and how it may give memory back.
    "/sys/kernel/mm/transparent_hugepage",
    "/proc/sys/vm/overcommit_memory",
];

/// Where a QEMU that is not the system's has libraries and firmware: folders beside its program, and beside the folder
/// that this lies in.
const OWN_FOLDERS: [&str; 5] = ["lib", "lib64", "pc-bios", "qemu-bundle", "share"];

/// Devices that are read, and those that are written too.
const READ_DEVICES: [&str; 2] = ["/dev/random", "/dev/urandom"];
const DEVICES: [&str; 3] = ["/dev/kvm", "/dev/null", "/dev/zero"];

/// What QEMU keeps of the environment, besides what it is given: where a script finds programs, and a QEMU of one's own its
/// libraries.
const INHERITED: [&str; 2] = ["PATH", "LD_LIBRARY_PATH"];

/// The user and group `nobody`, by convention and as the kernel's own (`overflowuid`).
const NOBODY: u32 = 65534;

/// What root's QEMU keeps: the cache and the trial's folder are root's, so nobody else finds the files in them. Which
/// files that are is for Landlock to say.
const KEPT: CapabilitySet = CapabilitySet::DAC_OVERRIDE;

/// What it takes to become `nobody`, and to end such a QEMU.
const NEEDED: CapabilitySet = KEPT.union(CapabilitySet::SETUID).union(CapabilitySet::SETGID).union(CapabilitySet::KILL);

/// The limits of one QEMU: what it may do with which files, besides the system's.
#[derive(Debug)]
pub(crate) struct Confinement {
    files: Vec<(PathBuf, BitFlags<AccessFs>)>,
    /// Whether the machine will be saved, to a socket.
    saves: bool,
}

/// A [`Confinement`] that the kernel knows of.
struct Limits {
    /// Landlock's rules; none where the kernel has no Landlock.
    ruleset: Option<OwnedFd>,
    filter: Vec<libc::sock_filter>,
    /// Whether it is started as root and can become `nobody`.
    becomes_nobody: bool,
}

impl Confinement {
    /// What the QEMU at `program` needs for a guest of these `files`, with the trial's folder `workdir`.
    pub fn new(program: &Path, files: &Files<'_>, workdir: &Path) -> Self {
        let read = BitFlags::from(AccessFs::ReadFile) | AccessFs::ReadDir;
        let write = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
        let code = files.flash.map(|flash| flash.code);
        let inputs = [files.kernel, files.initramfs, files.directives];
        let inputs = inputs.into_iter().chain(files.tracer).chain(files.state).chain(code);
        let ram = match files.ram {
            Ram::Private => None,
            Ram::Shared(ram) => Some((ram, write)),
            // QEMU opens the file for writing, and then maps it privately. Only from 8.2 on can it be told not to
            // (`rom=off,readonly=on`).
            Ram::CopyOnWrite(ram) => Some((ram, AccessFs::ReadFile | AccessFs::WriteFile)),
        };
        let folder = write | AccessFs::ReadDir | AccessFs::MakeReg;
        let vars = files.flash.map(|flash| (flash.vars, write));
        let erst = files.erst.map(|erst| (erst, write));
        let trials = [(workdir, folder)].into_iter().chain(erst).chain(vars).chain(ram);
        let own = own_files(program).into_iter().map(|path| (path, read | AccessFs::Execute));
        let given = inputs.map(|path| (path, read)).chain(trials).map(|(path, access)| (path.to_owned(), access));
        Self { files: own.chain(given).collect(), saves: matches!(files.ram, Ram::Shared(_)) }
    }

    /// Holds in a QEMU that is not yet started. A change of the user clears the parent-death signal, so that has to be set
    /// after this.
    pub fn apply_to(&self, command: &mut std::process::Command) -> io::Result<()> {
        let limits = self.limits()?;
        keep_environment(command);
        let before_exec = move || {
            if limits.becomes_nobody {
                become_nobody()?;
            }
            set_no_new_privs(true)?;
            if let Some(ruleset) = &limits.ruleset {
                allow_proc_self(ruleset.as_fd())?;
                restrict_self(ruleset.as_fd())?;
            }
            install(&limits.filter)
        };
        // SAFETY: the closure runs between fork and exec and makes only async-signal-safe system calls; it allocates
        // nothing.
        #[expect(unsafe_code, reason = "a process can only restrict itself")]
        unsafe {
            command.pre_exec(before_exec)
        };
        Ok(())
    }

    fn limits(&self) -> io::Result<Limits> {
        let read = BitFlags::from(AccessFs::ReadFile) | AccessFs::ReadDir;
        let rules = Ruleset::default()
            .handle_access(AccessFs::from_all(ABI_ASKED_FOR))
            .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI_ASKED_FOR)))
            .and_then(|rules| rules.scope(Scope::from_all(ABI_ASKED_FOR)))
            .and_then(Ruleset::create)
            .and_then(|rules| allow(rules, SYSTEM, read | AccessFs::Execute))
            .and_then(|rules| allow(rules, READ_DEVICES, read))
            .and_then(|rules| allow(rules, DEVICES, read | AccessFs::WriteFile | AccessFs::IoctlDev))
            .and_then(|rules| self.files.iter().try_fold(rules, |rules, (path, access)| allow(rules, [path], *access)));
        let ruleset = rules.map_err(io::Error::other)?;
        Ok(Limits { ruleset: ruleset.into(), filter: filter(self.saves), becomes_nobody: can_become_nobody() })
    }
}

/// Takes from a command what it would inherit of the environment, but for [`INHERITED`].
fn keep_environment(command: &mut std::process::Command) {
    let inherited = INHERITED.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    let given = command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    let kept: Vec<_> = inherited.chain(given).collect();
    command.env_clear().envs(kept);
}

/// Adds a rule for each of these paths that exists.
fn allow<P: AsRef<Path>>(
    rules: RulesetCreated,
    paths: impl IntoIterator<Item = P>,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    rules.add_rules(path_beneath_rules(paths, access))
}

/// The program, and what may belong to it.
fn own_files(program: &Path) -> Vec<PathBuf> {
    let program = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let folders: Vec<&Path> = program.ancestors().skip(1).take(2).collect();
    let beside = folders.iter().flat_map(|folder| OWN_FOLDERS.map(|name| folder.join(name)));
    let mut files: Vec<PathBuf> = beside.collect();
    files.push(program);
    files
}

/// The version of Landlock that the kernel has; an error says why it has none.
pub(crate) fn landlock_abi() -> io::Result<i64> {
    const VERSION: libc::c_long = 1;
    // SAFETY: with this flag the kernel takes no attributes and makes nothing.
    #[expect(unsafe_code, reason = "a system call")]
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    if abi < 0 { Err(io::Error::last_os_error()) } else { Ok(abi) }
}

/// `struct landlock_path_beneath_attr` (`include/uapi/linux/landlock.h`).
#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: i32,
}

/// Lets this process read what `/proc` tells of it, as the tracer does; which folder that is is known only after the fork.
fn allow_proc_self(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    const PATH_BENEATH: libc::c_long = 1;
    let folder = open(c"/proc/self", OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY, Mode::empty())?;
    let allowed_access = (BitFlags::from(AccessFs::ReadFile) | AccessFs::ReadDir).bits();
    let rule = PathBeneath { allowed_access, parent_fd: folder.as_raw_fd() };
    // SAFETY: the kernel reads the attributes, which live until it returns; both descriptors are open.
    #[expect(unsafe_code, reason = "a system call")]
    let done = unsafe {
        let rule = std::ptr::from_ref(&rule);
        libc::syscall(libc::SYS_landlock_add_rule, ruleset.as_raw_fd(), PATH_BENEATH, rule, 0)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn restrict_self(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes a descriptor, which is open, and flags.
    #[expect(unsafe_code, reason = "a system call")]
    let done = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether this process is root, with what that usually means, and its namespace knows `nobody`.
fn can_become_nobody() -> bool {
    let maps = ["/proc/self/uid_map", "/proc/self/gid_map"].map(|map| std::fs::read_to_string(map).unwrap_or_default());
    let groups = std::fs::read_to_string("/proc/self/setgroups").unwrap_or_default();
    geteuid().is_root()
        && capabilities(None).is_ok_and(|sets| sets.effective.contains(NEEDED))
        && maps.iter().all(|map| is_mapped(map, NOBODY))
        && groups.trim() == "allow"
}

/// Whether a user namespace has an id: lines of the first id inside, the first outside, and how many (`user_namespaces(7)`).
fn is_mapped(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) = (numbers.next(), numbers.next(), numbers.next()) else {
            return false;
        };
        id.checked_sub(first).is_some_and(|offset| offset < count)
    })
}

fn become_nobody() -> io::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_keep_capabilities(true)?;
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    set_capabilities(None, CapabilitySets { effective: KEPT, permitted: KEPT, inheritable: KEPT })?;
    // Else it would be lost when QEMU is executed.
    configure_capability_in_ambient_set(KEPT, true)?;
    Ok(())
}

/// System calls that are refused.
///
/// - `io_uring_setup`: what is asked for through a ring passes no filter.
/// - chmod(2), chown(2) and their like: Landlock does not know of them.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_io_uring_setup,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchmodat2,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
];

/// The architecture whose system calls those are (`include/uapi/linux/audit.h`): the ELF machine, 64 bit, little endian.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_0000 + 62;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_0000 + 183;

/// System calls from this number on are those of x32 (`__X32_SYSCALL_BIT`): others by other numbers.
const X32: u32 = 0x4000_0000;

/// The filter: a program for the kernel's BPF machine, run at each system call (Linux:
/// `Documentation/userspace-api/seccomp_filter.rst`). With `unix`, sockets of that family can be made, otherwise none.
fn filter(unix: bool) -> Vec<libc::sock_filter> {
    // `struct seccomp_data`: the call's number, the architecture, the instruction's address, the arguments.
    const NUMBER: u32 = 0;
    const ARCH: u32 = 4;
    const FIRST_ARGUMENT: u32 = 16;
    const FAMILY: u32 = libc::AF_UNIX.unsigned_abs();
    let number = |call: libc::c_long| u32::try_from(call).unwrap_or(u32::MAX);
    let mut filter = vec![load(ARCH), jump(EQUAL, ARCHITECTURE, 1, 0), refuse(), load(NUMBER)];
    filter.extend([jump(AT_LEAST, X32, 0, 1), refuse()]);
    for call in REFUSED {
        filter.extend([jump(EQUAL, number(*call), 0, 1), refuse()]);
    }
    let socket = number(libc::SYS_socket);
    if unix {
        filter.extend([jump(EQUAL, socket, 0, 3), load(FIRST_ARGUMENT), jump(EQUAL, FAMILY, 1, 0), refuse()]);
    } else {
        filter.extend([jump(EQUAL, socket, 0, 1), refuse()]);
    }
    filter.push(end(libc::SECCOMP_RET_ALLOW));
    filter
}

/// Jumps if what was loaded is equal to a number, or not less (`BPF_JMP | BPF_JEQ | BPF_K`, `BPF_JMP | BPF_JGE | BPF_K`).
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;

/// Goes on `yes` or `no` instructions further.
const fn jump(test: u16, k: u32, yes: u8, no: u8) -> libc::sock_filter {
    libc::sock_filter { code: test, jt: yes, jf: no, k }
}

/// Loads a word of `struct seccomp_data` (`BPF_LD | BPF_W | BPF_ABS`).
const fn load(offset: u32) -> libc::sock_filter {
    libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: offset }
}

/// Ends the filter with a verdict (`BPF_RET | BPF_K`).
const fn end(verdict: u32) -> libc::sock_filter {
    libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: verdict }
}

const fn refuse() -> libc::sock_filter {
    end(libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs())
}

fn install(filter: &[libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(filter.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the kernel copies the program, which lives until it returns, and writes nothing.
    #[expect(unsafe_code, reason = "a system call")]
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, std::ptr::from_ref(&program)) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
