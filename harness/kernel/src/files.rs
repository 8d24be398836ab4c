//! Small things done to files.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Bytes that an ordinary user may still write to the disk that `path` lies, or would lie, on.
pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    let there = path.ancestors().find(|path| path.exists())?;
    let disk = rustix::fs::statvfs(there).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Replaces a file in one step: whoever reads it, and whenever the program is killed, sees the old or the new text.
pub(super) fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    file.write_all(text)?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

/// Copies a file with its mode, making folders as needed.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to).map(drop)
}

/// Whether two files have the same content and the same right to be executed; what does not exist is like nothing.
pub(super) fn same(a: &Path, b: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    let (Some(meta_a), Some(meta_b)) = (meta(a)?, meta(b)?) else { return Ok(false) };
    let executable = |meta: &fs::Metadata| meta.permissions().mode() & 0o111 != 0;
    Ok(meta_a.is_file()
        && meta_b.is_file()
        && meta_a.len() == meta_b.len()
        && executable(&meta_a) == executable(&meta_b)
        && fs::read(a)? == fs::read(b)?)
}

/// What a path is, not following a link; `None` if it is not there.
pub(super) fn meta(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match path.symlink_metadata() {
        Ok(meta) => Ok(Some(meta)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Removes a file; that it was not there is no error.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Removes a folder with all that is in it; that it was not there is no error.
pub(super) fn remove_all(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// SHA-256 in lowercase hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of a file, with progress in bytes.
pub(super) fn sha256_of(file: &mut File, progress: &mut dyn FnMut(u64)) -> io::Result<String> {
    use std::io::Read;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut total: u64 = 0;
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        hasher.update(bytes);
        total = total.saturating_add(read as u64);
        progress(total);
    }
    Ok(hex(&hasher.finalize()))
}

/// Bytes as lowercase hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
/// Whether a name can be part of a path, a cell and a command line without being mistaken for something else.
pub(super) fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
