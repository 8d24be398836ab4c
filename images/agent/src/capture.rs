//! What runs on the crash kernel: the host reads what it wants of `/proc/vmcore` through a virtio port, by the protocol
//! of [`harness_protocol::capture`].
//!
//! The host asks and this answers, so that everything about a dead kernel's structures is known in one place, the host,
//! and no more is copied than it wants.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use harness_protocol::capture::{Greeting, MAX_PIECE, Request};

const VMCORE: &str = "/proc/vmcore";
const PORT: &str = "/dev/vport0p1";
/// How often the port is looked for: for five seconds.
const PORT_POLLS: u32 = 2500;

/// Serves requests until the machine is switched off.
pub fn serve() -> Result<Infallible, String> {
    let mut port = open_port().map_err(|e| format!("open the host's port {PORT}: {e}"))?;
    let (vmcore, greeting) = match File::open(VMCORE) {
        Ok(vmcore) => (Some(vmcore), Greeting::Vmcore { free_kib: available() }),
        Err(error) => (None, Greeting::None(format!("open {VMCORE}: {error}"))),
    };
    let told = |what: &str, error: std::io::Error| format!("{what} on {PORT}: {error}");
    port.write_all(format!("{greeting}\n").as_bytes()).map_err(|e| told("greet the host", e))?;
    let mut buffer = vec![0; MAX_PIECE as usize];
    loop {
        let mut request = [0; Request::LEN];
        port.read_exact(&mut request).map_err(|e| told("hear the host", e))?;
        let Request { at, bytes } = Request::from_bytes(request);
        let wanted = bytes.min(MAX_PIECE) as usize;
        let found = vmcore.as_ref().map_or(0, |vmcore| read(vmcore, &mut buffer[..wanted], at));
        let length = u32::try_from(found).unwrap_or(0).to_le_bytes();
        port.write_all(&length)
            .and_then(|()| port.write_all(&buffer[..found]))
            .map_err(|e| told("answer the host", e))?;
    }
}

/// Opens the host's port. If its driver was only just loaded, it may not be there yet.
fn open_port() -> std::io::Result<File> {
    let mut polls = 0;
    loop {
        match OpenOptions::new().read(true).write(true).open(PORT) {
            Err(error) if error.kind() == ErrorKind::NotFound && polls < PORT_POLLS => polls += 1,
            opened => return opened,
        }
        std::thread::sleep(Duration::from_millis(2));
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
