//! The head of an x86 kernel's image (Linux: `Documentation/arch/x86/boot.rst`).

use thiserror::Error;

/// Where the head begins with its signature, `HdrS`.
const SIGNATURE: (usize, &[u8]) = (0x202, b"HdrS");
/// The boot protocol's version. Since 2.12 it says whether the kernel is one of 64 bits.
const PROTOCOL: usize = 0x206;
const SAYS_64_BIT: u16 = 0x020c;
/// Where the kernel's version stands, from [`SETUP`] on; 0 if nowhere.
const VERSION: usize = 0x20e;
const SETUP: usize = 0x200;
/// `loadflags`: bit 0 is set of a bzImage, and not of a zImage.
const LOAD_FLAGS: usize = 0x211;
/// `xloadflags`: bit 0 is set if it can be entered in 64-bit mode.
const EXTENDED_LOAD_FLAGS: usize = 0x236;
/// No version is longer.
const VERSION_BYTES: usize = 512;

/// What a bzImage says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BzImage {
    /// Release, builder, build number and time: `6.12.57+deb13-amd64 (debian-kernel@lists.debian.org) #1 SMP …`.
    version: String,
}

/// Why a file is no image that guests can boot.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum NoBzImage {
    /// It is an x86-64 kernel, but the ELF file that the image is made of.
    #[error("it is a vmlinux, the ELF file; guests boot a bzImage")]
    Vmlinux,
    /// It is for another architecture.
    #[error("it is for {0}, and guests are x86-64 machines")]
    Architecture(&'static str),
    /// It is nothing that is known.
    #[error("it is no bzImage: its head lacks the signature of the x86 boot protocol")]
    Unknown,
    /// It is a bzImage that does not say which kernel it is.
    #[error("its head does not say which kernel it is")]
    Nameless,
}

impl BzImage {
    /// Reads the head of an image; all of it may be given.
    pub fn parse(image: &[u8]) -> Result<Self, NoBzImage> {
        let has = |(at, magic): (usize, &[u8])| image.get(at..).is_some_and(|rest| rest.starts_with(magic));
        if !has(SIGNATURE) {
            return Err(other(image));
        }
        if image.get(LOAD_FLAGS).is_none_or(|flags| flags & 1 == 0) {
            return Err(NoBzImage::Unknown);
        }
        let protocol = u16_at(image, PROTOCOL).unwrap_or_default();
        if protocol >= SAYS_64_BIT && u16_at(image, EXTENDED_LOAD_FLAGS).is_none_or(|flags| flags & 1 == 0) {
            return Err(NoBzImage::Architecture("32-bit x86"));
        }
        let version = u16_at(image, VERSION).filter(|at| *at != 0).and_then(|at| image.get(SETUP + usize::from(at)..));
        let text = version.and_then(|bytes| {
            let text = bytes.get(..VERSION_BYTES.min(bytes.len()))?;
            std::str::from_utf8(text.split(|byte| *byte == 0).next()?).ok()
        });
        match text {
            Some(version) if !version.trim().is_empty() => Ok(Self { version: version.to_owned() }),
            _ => Err(NoBzImage::Nameless),
        }
    }

    /// What `uname -r` says in it.
    pub fn release(&self) -> &str {
        self.version.split_whitespace().next().unwrap_or_default()
    }

    /// What `uname -v` says in it: the number and the time of the build.
    pub fn build(&self) -> Option<&str> {
        self.version.find(" #").and_then(|at| self.version.get(at + 1..))
    }
}

/// What a file is that is no bzImage.
fn other(image: &[u8]) -> NoBzImage {
    let has = |at: usize, magic: &[u8]| image.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if has(0, b"\x7fELF") {
        // `e_machine`, whose byte order is the machine's own.
        let machine = match image.get(5) {
            Some(2) => u16_at(image, 18).map(u16::swap_bytes),
            _ => u16_at(image, 18),
        };
        return match machine {
            Some(62) => NoBzImage::Vmlinux,
            Some(3) => NoBzImage::Architecture("32-bit x86"),
            Some(40) => NoBzImage::Architecture("arm"),
            Some(183) => NoBzImage::Architecture("arm64"),
            Some(243) => NoBzImage::Architecture("riscv"),
            Some(21) => NoBzImage::Architecture("powerpc"),
            Some(22) => NoBzImage::Architecture("s390"),
            Some(258) => NoBzImage::Architecture("loongarch"),
            _ => NoBzImage::Unknown,
        };
    }
    if has(0x38, b"ARM\x64") {
        NoBzImage::Architecture("arm64")
    } else if has(0x38, b"RSC\x05") {
        NoBzImage::Architecture("riscv")
    } else if has(4, b"zimg") {
        // `CONFIG_EFI_ZBOOT`; x86 has none.
        NoBzImage::Architecture("arm64, riscv or loongarch")
    } else {
        NoBzImage::Unknown
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use harness_testdata::bzimage::bzimage as image;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_image_says_which_kernel_it_is() {
        let image =
            BzImage::parse(&image("6.1.0-41-amd64 (debian-kernel@lists.debian.org) #1 SMP Debian 6.1.158-1")).unwrap();
        assert_eq!(image.release(), "6.1.0-41-amd64");
        assert_eq!(image.build(), Some("#1 SMP Debian 6.1.158-1"));
    }

    #[test]
    fn one_without_a_version_is_refused() {
        assert_eq!(BzImage::parse(&image("")), Err(NoBzImage::Nameless));
        let mut none = image("6.12.0 (a@b) #1");
        none[VERSION..VERSION + 2].fill(0);
        assert_eq!(BzImage::parse(&none), Err(NoBzImage::Nameless));
    }

    #[test]
    fn what_is_no_image_of_this_architecture_is_told() {
        let said = |bytes: &[u8]| BzImage::parse(bytes).unwrap_err().to_string();
        let elf = |machine: u16, order: u8| {
            let mut elf = [b"\x7fELF\x02".as_slice(), &[order], &[0; 12]].concat();
            elf.extend(if order == 2 { machine.to_be_bytes() } else { machine.to_le_bytes() });
            elf
        };
        let at = |place: usize, magic: &[u8]| [vec![b'M'; place].as_slice(), magic, &[0; 64]].concat();
        let mut of_32_bits = image("6.12.0 (a@b) #1");
        of_32_bits[EXTENDED_LOAD_FLAGS] = 0;
        let mut z_image = image("6.12.0 (a@b) #1");
        z_image[LOAD_FLAGS] = 0;
        for (bytes, expected) in [
            (elf(62, 1), "it is a vmlinux, the ELF file; guests boot a bzImage"),
            (elf(183, 1), "it is for arm64, and guests are x86-64 machines"),
            (elf(22, 2), "it is for s390, and guests are x86-64 machines"),
            (at(0x38, b"ARM\x64"), "it is for arm64, and guests are x86-64 machines"),
            (at(0x38, b"RSC\x05"), "it is for riscv, and guests are x86-64 machines"),
            (at(4, b"zimg"), "it is for arm64, riscv or loongarch, and guests are x86-64 machines"),
            (of_32_bits, "it is for 32-bit x86, and guests are x86-64 machines"),
            (z_image, "it is no bzImage: its head lacks the signature of the x86 boot protocol"),
            (b"#!/bin/sh\n".to_vec(), "it is no bzImage: its head lacks the signature of the x86 boot protocol"),
        ] {
            assert_eq!(said(&bytes), expected);
        }
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0_usize..0x430, byte: u8, length in 0_usize..0x430) {
            let mut image = image("6.12.0 (a@b) #1 SMP");
            if let Some(place) = image.get_mut(at) {
                *place = byte;
            }
            image.truncate(length);
            let _ = BzImage::parse(&image);
        }
    }
}
