//! What a file is, by its bytes.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::{Bytes, MAX_IMAGE, io};
use crate::evidence::{efi_store, printk, ramoops};

/// A kind of evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The backing file of QEMU's `acpi-erst`.
    Erst,
    /// Flash with EFI variables.
    EfiStore,
    /// Files of efivarfs.
    EfiVariables,
    /// Memory of ramoops.
    Ramoops,
    /// Files of `/sys/fs/pstore`.
    Pstore,
    /// The memory of a kernel that has died, as an ELF core file.
    Vmcore,
    /// Frames with netconsole's messages.
    Netconsole,
    /// The text of a log.
    Log,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Erst => "storage of QEMU's acpi-erst",
            Self::EfiStore => "flash with EFI variables",
            Self::EfiVariables => "EFI variables, by efivarfs",
            Self::Ramoops => "memory of ramoops",
            Self::Pstore => "records of pstore",
            Self::Vmcore => "memory of a dead kernel (ELF core)",
            Self::Netconsole => "frames of netconsole (pcap)",
            Self::Log => "log",
        })
    }
}

/// The kinds that are known, for the error about any other.
const KNOWN: &str = "known are: a file of QEMU's acpi-erst (ERSTSTOR); flash with edk2's EFI variables (_FVH), as OVMF_VARS.fd; \
                     memory with zones of ramoops (DBGC); a vmcore that is an ELF core of x86-64; a pcap file of \
                     netconsole; the text of a log; files or folders of /sys/fs/pstore, /var/lib/systemd/pstore and \
                     /sys/firmware/efi/efivars";

/// Nothing that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// What it looks like, and what to do with that.
    looks: &'static str,
    /// Its first bytes.
    head: Vec<u8>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { looks, head } = self;
        let mut bytes = String::new();
        for byte in head {
            // Writing to a string does not fail.
            let _ = write!(bytes, "{byte:02x} ");
        }
        write!(f, "{looks}")?;
        if !head.is_empty() {
            write!(f, "; its first bytes are {bytes}({})", head.escape_ascii())?;
        }
        write!(f, "; {KNOWN}")
    }
}

/// As much of a file as tells what it is.
const HEAD: usize = 64 << 10;
/// As much of it as is shown.
const SHOWN: usize = 16;

/// Files that are none of ours, and often met where evidence is.
const OTHERS: &[(&[u8], &str)] = &[
    (b"\x1f\x8b", "it is compressed by gzip: decompress it first (gunzip)"),
    (b"\x28\xb5\x2f\xfd", "it is compressed by zstd: decompress it first (unzstd)"),
    (b"\xfd7zXZ\0", "it is compressed by xz: decompress it first (unxz)"),
    (b"BZh", "it is compressed by bzip2: decompress it first (bunzip2)"),
    (b"\x04\x22\x4d\x18", "it is compressed by lz4: decompress it first (unlz4)"),
    (b"PK\x03\x04", "it is a zip archive: unpack it first"),
    (
        b"KDUMP   ",
        "it is a vmcore in makedumpfile's compressed format, which is not read here: `makedumpfile --dump-dmesg` has its log",
    ),
    (b"DISKDUMP", "it is a vmcore in the format of diskdump, which is not read here: `crash` reads it"),
    (
        b"makedumpfile",
        "it is a vmcore in makedumpfile's flattened format, which is not read here: `makedumpfile -R` makes a file of it",
    ),
    (b"EMiL", "it is memory in the format of LiME, which is not read here"),
    (b"QFI\xfb", "it is a disk image (qcow2)"),
    (b"LPKSHHRH", "it is a journal of systemd: `journalctl --file` shows it"),
    (b"\x7fELF", "it is an ELF file, and no core of x86-64"),
];

/// What a file is.
pub(super) fn of(bytes: &dyn Bytes) -> Result<Kind, String> {
    let head = io(bytes.read(0, HEAD))?;
    if head.starts_with(b"ERSTSTOR") {
        return Ok(Kind::Erst);
    }
    if head.starts_with(b"\x7fELF\x02\x01") && head.get(16..20) == Some(&[4, 0, 62, 0]) {
        return Ok(Kind::Vmcore);
    }
    if [0xa1b2_c3d4_u32, 0xa1b2_3c4d].iter().any(|magic| head.starts_with(&magic.to_le_bytes())) {
        return Ok(Kind::Netconsole);
    }
    if efi_store::begins(&head) {
        return Ok(Kind::EfiStore);
    }
    let unknown = |looks| Unknown { looks, head: head.get(..SHOWN).unwrap_or(&head).to_vec() }.to_string();
    if let Some((_, looks)) = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(unknown(looks));
    }
    // Before text, which a zone of the console's is for the most part.
    if ramoops::find(&head, 0).is_some() {
        return Ok(Kind::Ramoops);
    }
    if is_text(&head) {
        return Ok(Kind::Log);
    }
    // What is not at the start of a whole flash chip, or of more memory.
    let image = io(bytes.read(0, MAX_IMAGE))?;
    if ramoops::find(&image, 0).is_some() {
        return Ok(Kind::Ramoops);
    }
    if efi_store::decode(&image).is_ok() {
        return Ok(Kind::EfiStore);
    }
    Err(unknown(match head.first() {
        None => "it is empty",
        Some(0) if image.iter().all(|byte| *byte == 0) => "it is nothing but zeros",
        Some(0xff) if image.iter().all(|byte| *byte == 0xff) => "it is nothing but erased flash",
        Some(_) => "nothing in it is known",
    }))
}

/// Whether it is text but for some damage.
fn is_text(head: &[u8]) -> bool {
    let odd = |text: &str| {
        text.chars()
            .filter(|c| *c == char::REPLACEMENT_CHARACTER || (c.is_control() && !"\n\r\t\x1b".contains(*c)))
            .count()
    };
    let text = String::from_utf8_lossy(head);
    !head.is_empty() && odd(&text) * 10 <= text.chars().count()
}

/// Whether a file that was found in a folder, and not named, is evidence: of texts only those with lines of a kernel.
pub(super) fn is_evidence(bytes: &dyn Bytes) -> bool {
    match of(bytes) {
        Ok(Kind::Log) => bytes.read(0, HEAD).is_ok_and(|head| {
            String::from_utf8_lossy(&head).lines().any(|line| printk::Line::parse(line).micros.is_some())
        }),
        found => found.is_ok(),
    }
}
