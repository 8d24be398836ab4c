//! How a guest wakes the tracer: it writes a word of its memory, and lets its CPU become idle.
//!
//! No guest memory can be read by the plugin interface of QEMU 7.2. But a restored guest's RAM is a file that QEMU has
//! mapped in one piece, and the plugin lives in QEMU.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

use harness_trace::{AWAKE, CALLED};

use crate::qemu::Id;
use crate::wake;

static BELL: Mutex<Bell> = Mutex::new(Bell::None);

enum Bell {
    /// There is none, or it has rung.
    None,
    /// The RAM's file, and how far into it the word lies. Not looked for until a CPU is idle: plugins are loaded first.
    Unmapped(Id, Ram, u64),
    /// Where QEMU has mapped the word.
    At(Id, usize),
}

/// The file of the guest's RAM, as a mapping of it shows it.
///
/// The path is no use: a mapping has it without symbolic links, and with a remark once the file is deleted. Nor is the
/// device, which btrfs and overlayfs show otherwise than stat(2) does.
struct Ram {
    inode: u64,
    name: OsString,
}

impl Ram {
    fn of(path: &Path) -> std::io::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_owned();
        Ok(Self { inode: path.metadata()?.ino(), name })
    }
}

/// Sleeps until the guest writes [`CALLED`] to the word at the physical address `at`; `ram`: the file of its RAM.
///
/// Which file that is is found out now, shortly before QEMU maps it: another may have its name later.
pub fn watch(id: Id, ram: &Path, at: u64) {
    match Ram::of(ram) {
        Ok(ram) => *BELL.lock().unwrap_or_else(PoisonError::into_inner) = Bell::Unmapped(id, ram, at),
        Err(error) => eprintln!("tracer: look at {}: {error}; the guest will not be heard", ram.display()),
    }
}

/// A vCPU has nothing to do. If another one is being looked after, it is not kept waiting: the caller retries.
pub fn idle() {
    let mut bell = match BELL.try_lock() {
        Ok(bell) => bell,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return,
    };
    if let Bell::Unmapped(id, ram, at) = &*bell {
        let maps = std::fs::read("/proc/self/maps").unwrap_or_default();
        let found = mapped_at(&maps, ram, *at);
        if found.is_none() {
            let name = ram.name.display();
            eprintln!("tracer: no file {name} is mapped, or it has no byte {at:#x}; the guest will not be heard");
        }
        *bell = found.map_or(Bell::None, |address| Bell::At(*id, address));
    }
    let Bell::At(id, address) = *bell else { return };
    let word: *mut u32 = std::ptr::with_exposed_provenance_mut(address);
    // SAFETY: an aligned word of the guest's RAM, which stays mapped until QEMU ends; the guest's accesses are atomic.
    let word = unsafe { AtomicU32::from_ptr(word) };
    if word.load(Ordering::Acquire) == CALLED {
        wake(id);
        word.store(AWAKE, Ordering::Release);
        *bell = Bell::None;
    }
}

/// Where byte `at` of the file is mapped, by `/proc/self/maps` (proc(5)), if a whole aligned word of it is.
fn mapped_at(maps: &[u8], ram: &Ram, at: u64) -> Option<usize> {
    maps.split(|byte| *byte == b'\n').find_map(|line| {
        let slash = line.iter().position(|byte| *byte == b'/')?;
        let (fields, path) = line.split_at(slash);
        let mut fields = std::str::from_utf8(fields).ok()?.split_ascii_whitespace();
        let (range, _, offset) = (fields.next()?, fields.next()?, fields.next()?);
        let (_, inode) = (fields.next()?, fields.next()?);
        let path = Path::new(OsStr::from_bytes(path.strip_suffix(b" (deleted)").unwrap_or(path)));
        if inode.parse() != Ok(ram.inode) || path.file_name() != Some(&ram.name) {
            return None;
        }
        let (start, end) = range.split_once('-')?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        let (start, end) = (hex(start)?, hex(end)?);
        let address = start.checked_add(at.checked_sub(hex(offset)?)?)?;
        let whole = address.is_multiple_of(4) && address.checked_add(4)? <= end;
        whole.then(|| usize::try_from(address).ok())?
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use rustix::mm::{MapFlags, ProtFlags, mmap};

    use super::*;

    const MAPS: &[u8] = b"55e0c0000000-55e0c0010000 r-xp 00000000 fe:01 7 /usr/bin/qemu\n\
        7f0000000000-7f0010000000 rw-p 00000000 fe:01 9                          /c/t/ram\n\
        7f0010000000-7f0020000000 rw-p 00000000 fe:01 8                          /c/\xff/ram (deleted)\n\
        7f0020000000-7f0020001000 rw-p 00000000 00:00 0 \n";

    fn ram(inode: u64, name: &str) -> Ram {
        Ram { inode, name: name.into() }
    }

    #[test]
    fn a_word_of_the_ram_is_found() {
        assert_eq!(mapped_at(MAPS, &ram(9, "ram"), 0x1000), Some(0x7f00_0000_1000));
        assert_eq!(mapped_at(MAPS, &ram(9, "ram"), 0x0fff_fffc), Some(0x7f00_0fff_fffc));
        assert_eq!(mapped_at(MAPS, &ram(8, "ram"), 4), Some(0x7f00_1000_0004));
    }

    #[test]
    fn what_is_not_mapped_is_not() {
        for (inode, name, at) in [(9, "ram", 0x1000_0000), (9, "ram", 2), (7, "ram", 0), (9, "qemu", 0), (0, "", 0)] {
            assert_eq!(mapped_at(MAPS, &ram(inode, name), at), None, "{inode} {name} {at:#x}");
        }
        assert_eq!(mapped_at(b"nonsense\n/", &ram(0, ""), u64::MAX), None);
    }

    /// A cache behind a symbolic link, and a template that is replaced while a guest runs from it.
    #[test]
    fn a_file_behind_a_link_is_found_and_goes_on_being_when_it_is_deleted() {
        let folder = std::env::temp_dir().join(format!("harness-doorbell-{}", std::process::id()));
        let (real, link) = (folder.join("real"), folder.join("link"));
        std::fs::create_dir_all(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        std::fs::write(real.join("ram"), [0; 4096]).unwrap();
        let ram = Ram::of(&link.join("ram")).unwrap();
        let file = File::open(link.join("ram")).unwrap();
        // SAFETY: a new mapping at an address of the kernel's choice, never touched and never undone.
        let mapped = unsafe { mmap(std::ptr::null_mut(), 4096, ProtFlags::READ, MapFlags::PRIVATE, &file, 0) }.unwrap();
        let maps = || std::fs::read("/proc/self/maps").unwrap();
        assert_eq!(mapped_at(&maps(), &ram, 8), Some(mapped.addr() + 8));
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(mapped_at(&maps(), &ram, 8), Some(mapped.addr() + 8));
    }
}
