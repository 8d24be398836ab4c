//! How a guest wakes the tracer: it writes a word of its memory, and lets its CPU become idle.
//!
//! No guest memory can be read by the plugin interface of QEMU 7.2. But a restored guest's RAM is a file that QEMU has
//! mapped in one piece, and the plugin lives in QEMU.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

use harness_trace::{AWAKE, CALLED};

use crate::qemu::{self, Id};
use crate::wake;

static BELL: Mutex<Bell> = Mutex::new(Bell::None);

enum Bell {
    /// There is none, or it has rung.
    None,
    /// The RAM's file, and how far into it the word lies. Not looked for until a CPU is idle: plugins are loaded first.
    Unmapped(Id, String, u64),
    /// Where QEMU has mapped the word.
    At(Id, usize),
}

/// Sleeps until the guest writes [`CALLED`] to the word at the physical address `at`; `ram`: the file of its RAM.
pub fn hang(id: Id, ram: &str, at: u64) {
    *BELL.lock().unwrap_or_else(PoisonError::into_inner) = Bell::Unmapped(id, ram.to_owned(), at);
    qemu::on_idle(id);
}

/// A vCPU has nothing to do. If another one is being looked after, it is not kept waiting: whoever calls in vain calls
/// again.
pub fn idle() {
    let mut bell = match BELL.try_lock() {
        Ok(bell) => bell,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => return,
    };
    if let Bell::Unmapped(id, ram, at) = &*bell {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let found = mapped_at(&maps, ram, *at);
        if found.is_none() {
            eprintln!("tracer: {ram} is not mapped, or has no byte {at:#x}; the guest will call in vain");
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

/// Where byte `at` of the file `path` is mapped, by `/proc/self/maps` (proc(5)), if a whole aligned word of it is.
fn mapped_at(maps: &str, path: &str, at: u64) -> Option<usize> {
    maps.lines().find_map(|line| {
        let (fields, name) = line.split_once('/')?;
        let mut fields = fields.split_ascii_whitespace();
        let (range, _, offset) = (fields.next()?, fields.next()?, fields.next()?);
        let (start, end) = range.split_once('-')?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        let (start, end) = (hex(start)?, hex(end)?);
        let address = start.checked_add(at.checked_sub(hex(offset)?)?)?;
        let whole = address.is_multiple_of(4) && address.checked_add(4)? <= end;
        (path.strip_prefix('/') == Some(name) && whole).then(|| usize::try_from(address).ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "55e0c0000000-55e0c0010000 r-xp 00000000 fe:01 7 /usr/bin/qemu\n\
        7f0000000000-7f0010000000 rw-p 00000000 fe:01 9                          /c/t/ram\n\
        7f0020000000-7f0020001000 rw-p 00000000 00:00 0 \n";

    #[test]
    fn a_word_of_the_ram_is_found() {
        assert_eq!(mapped_at(MAPS, "/c/t/ram", 0x1000), Some(0x7f00_0000_1000));
        assert_eq!(mapped_at(MAPS, "/c/t/ram", 0x0fff_fffc), Some(0x7f00_0fff_fffc));
    }

    #[test]
    fn what_is_not_mapped_is_not() {
        for (path, at) in [("/c/t/ram", 0x1000_0000), ("/c/t/ram", 2), ("/c/t/ra", 0), ("c/t/ram", 0), ("", 0)] {
            assert_eq!(mapped_at(MAPS, path, at), None, "{path} {at:#x}");
        }
        assert_eq!(mapped_at("nonsense\n/", "/", u64::MAX), None);
    }
}
