//! What is kept of a trial: raw, so that another decoder can look again, and as text for people.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use super::Crash;
use crate::evidence::printk_ring::Log;
use crate::evidence::pstore;
use crate::model::timeline::Timeline;
use crate::results::{CONSOLE, write_timeline};

/// Writes the files of `docs/results.md`, "artifacts", to `folder`.
pub fn keep(folder: &Path, crash: &Crash, timeline: Option<&Timeline>, log: Option<&Log>) -> io::Result<()> {
    let remains = &crash.remains;
    std::fs::write(folder.join(CONSOLE), &remains.console)?;
    std::fs::write(folder.join("stamps.bin"), &remains.page)?;
    sparse(&folder.join("erst.bin"), &remains.erst)?;
    let decoded = pstore::from_erst_file(&remains.erst);
    let mut text = String::new();
    for dump in &decoded.dumps {
        text.push_str(&dump.text());
        text.push('\n');
    }
    for problem in &decoded.problems {
        text.extend(["[harness: ", problem, "]\n"]);
    }
    std::fs::write(folder.join("pstore.txt"), text)?;
    if !remains.stderr.is_empty() {
        std::fs::write(folder.join("qemu.stderr"), &remains.stderr)?;
    }
    if let Some(hung) = &crash.hung {
        std::fs::write(folder.join("registers.txt"), hung.registers.concat())?;
    }
    if let Some(log) = log {
        let mut file = BufWriter::new(File::create(folder.join("log.txt"))?);
        write!(file, "{log}")?;
        file.flush()?;
    }
    if let Some(timeline) = timeline {
        write_timeline(folder, timeline)?;
    }
    Ok(())
}

/// Writes `bytes` without the zeros at their end, which take no room on the disk: most of a record store is empty.
fn sparse(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut file = File::create(path)?;
    file.write_all(bytes.get(..used).unwrap_or_default())?;
    file.set_len(bytes.len() as u64)
}
