//! The head of an x86 kernel's image (Linux: `Documentation/arch/x86/boot.rst`).

/// An image of 64 bits that says that it is `version`: release, builder, number and time of the build.
pub fn bzimage(version: &str) -> Vec<u8> {
    let mut image = vec![0; 0x400];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x202, b"HdrS");
    // Protocol 2.15; the version stands at 0x400, less 0x200.
    put(0x206, &[0x0f, 0x02]);
    put(0x20e, &[0x00, 0x02]);
    // LOADED_HIGH, XLF_KERNEL_64
    put(0x211, &[1]);
    put(0x236, &[1, 0]);
    image.extend(version.as_bytes());
    image.extend([0, b'x']);
    image
}
