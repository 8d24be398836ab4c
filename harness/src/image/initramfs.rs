//! The initramfs: a newc cpio archive, which the kernel unpacks itself (`init/initramfs.c`).

use std::io::{self, Write as _};

use cpio::newc::{Builder, ModeFileType, trailer};

/// Device number of `/dev/console` (`Documentation/admin-guide/devices.txt`: char 5, 1).
const CONSOLE: (u32, u32) = (5, 1);

/// Packs the agent as `/init` and crashlab as `/crashlab.ko`, with the mount points that the agent needs and the
/// console that the kernel opens for it. The same input gives the same bytes: no times, no owners.
pub fn initramfs(agent: &[u8], crashlab: &[u8]) -> io::Result<Vec<u8>> {
    let mut archive = Vec::with_capacity(agent.len() + crashlab.len() + 4096);
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
    for name in ["dev", "proc", "sys"] {
        archive = entry(archive, name, ModeFileType::Directory, 0o755, (0, 0), &[])?;
    }
    archive = entry(archive, "dev/console", ModeFileType::Char, 0o600, CONSOLE, &[])?;
    archive = entry(archive, "init", ModeFileType::Regular, 0o755, (0, 0), agent)?;
    archive = entry(archive, "crashlab.ko", ModeFileType::Regular, 0o644, (0, 0), crashlab)?;
    trailer(archive)
}
