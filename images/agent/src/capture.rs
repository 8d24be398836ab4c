//! What runs on the crash kernel: the host reads what it wants of `/proc/vmcore` through a virtio port.
//!
//! The host asks and this answers, so that everything about a dead kernel's structures is known in one place, the host,
//! and no more is copied than it wants. A request is a position in the file (64 bits) and a length (32 bits); the answer
//! is a length, and so many bytes: fewer than asked for at the end of the file or where it cannot be read. All numbers
//! are little-endian.
//!
//! Before that it says in a line which the host waits for how much memory was left, or why there is nothing to read:
//! `vmcore 12345` (KiB), `none open /proc/vmcore: …`.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileExt as _;

/// What the crash kernel's command line says to its PID 1.
pub const WORD: &str = "capture";

const VMCORE: &str = "/proc/vmcore";
const PORT: &str = "/dev/vport0p1";
/// Most of what is asked for fits into one answer of this size; a capture kernel has little memory.
const LARGEST: usize = 1 << 20;

/// Serves requests until the machine is switched off.
pub fn serve() -> Result<Infallible, String> {
    let mut port = OpenOptions::new()
        .read(true)
        .write(true)
        .open(PORT)
        .map_err(|e| format!("open the host's port {PORT}: {e}"))?;
    let (vmcore, greeting) = match File::open(VMCORE) {
        Ok(vmcore) => (Some(vmcore), format!("vmcore {}\n", available())),
        Err(error) => (None, format!("none open {VMCORE}: {error}\n")),
    };
    let told = |what: &str, error: std::io::Error| format!("{what} on {PORT}: {error}");
    port.write_all(greeting.as_bytes()).map_err(|e| told("greet the host", e))?;
    let mut buffer = vec![0; LARGEST];
    loop {
        let (mut at, mut length) = ([0; 8], [0; 4]);
        port.read_exact(&mut at).and_then(|()| port.read_exact(&mut length)).map_err(|e| told("hear the host", e))?;
        let wanted = usize::try_from(u32::from_le_bytes(length)).unwrap_or(LARGEST).min(LARGEST);
        let found = vmcore.as_ref().map_or(0, |vmcore| read(vmcore, &mut buffer[..wanted], u64::from_le_bytes(at)));
        let length = u32::try_from(found).unwrap_or(0).to_le_bytes();
        port.write_all(&length)
            .and_then(|()| port.write_all(&buffer[..found]))
            .map_err(|e| told("answer the host", e))?;
    }
}

/// As much of it as can be read.
fn read(vmcore: &File, buffer: &mut [u8], at: u64) -> usize {
    let mut found = 0;
    while found < buffer.len() {
        match vmcore.read_at(&mut buffer[found..], at + found as u64) {
            Ok(n) if n > 0 => found += n,
            _ => break,
        }
    }
    found
}

/// Memory that is left, in KiB.
fn available() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}
