//! Loading the kernel that takes over when this one dies.

use std::ffi::{CString, c_long, c_ulong};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd as _;

use harness_protocol::image::{CRASH_COMMAND_LINE, CRASH_INITRAMFS, CRASH_KERNEL};

use crate::run_on;

/// `KEXEC_FILE_ON_CRASH` (Linux: `include/uapi/linux/kexec.h`).
const ON_CRASH: c_ulong = 2;

/// Loads it once more, on one CPU, in place of the one that is loaded.
pub fn load_on(cpu: u32) -> Result<(), String> {
    run_on(cpu)?;
    load()
}

/// Loads the crash kernel, if there is one.
pub fn load() -> Result<(), String> {
    let kernel = match File::open(CRASH_KERNEL) {
        Ok(kernel) => kernel,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("open {CRASH_KERNEL}: {error}")),
    };
    let initramfs = File::open(CRASH_INITRAMFS).map_err(|e| format!("open {CRASH_INITRAMFS}: {e}"))?;
    let line = fs::read(CRASH_COMMAND_LINE).map_err(|e| format!("read {CRASH_COMMAND_LINE}: {e}"))?;
    let line = CString::new(line).map_err(|e| format!("read {CRASH_COMMAND_LINE}: {e}"))?;
    let bytes = line.as_bytes_with_nul();
    #[expect(unsafe_code, reason = "no crate has this system call")]
    // SAFETY: the kernel takes two descriptors, a flag, and a string of that many bytes, which it copies.
    let status: c_long = unsafe {
        libc::syscall(
            libc::SYS_kexec_file_load,
            kernel.as_raw_fd(),
            initramfs.as_raw_fd(),
            bytes.len(),
            bytes.as_ptr(),
            ON_CRASH,
        )
    };
    if status != 0 {
        return Err(format!("load the crash kernel: {}", why(&io::Error::last_os_error())));
    }
    Ok(())
}

/// The error, and what it mostly means here.
fn why(error: &io::Error) -> String {
    let hint = match error.raw_os_error() {
        Some(libc::EADDRNOTAVAIL | libc::ENOMEM) => ": `crashkernel=` reserves too little for it, or nothing",
        Some(libc::ENOSYS | libc::EOPNOTSUPP) => ": the kernel is built without CONFIG_KEXEC_FILE",
        _ => "",
    };
    format!("{error}{hint}")
}
