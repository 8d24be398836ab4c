//! What is kept of a trial: raw, so that another decoder can look again, and as text for people.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::{Crash, Judged, records};
use crate::evidence::console;
use crate::evidence::vmcore::{Capture, Dump};
use crate::guest::{PstoreFile, RamoopsMemory};
use crate::results::{CONSOLE, write_timeline};

/// The file with what was read of a dead kernel's memory.
pub(super) const VMCORE: &str = "vmcore";

/// Writes the files of `docs/results.md`, "artifacts", to `folder`. `found`: what the next boot found in pstore, if it
/// was asked.
pub fn keep(folder: &Path, crash: &Crash, judged: &Judged, found: Option<&[PstoreFile]>) -> io::Result<()> {
    let artifacts = &crash.artifacts;
    std::fs::write(folder.join(CONSOLE), &artifacts.console)?;
    std::fs::write(folder.join("stamps.bin"), &artifacts.page)?;
    match &artifacts.ramoops {
        Some(RamoopsMemory { bytes, .. }) => sparse(&folder.join("ramoops.bin"), bytes)?,
        None => sparse(&folder.join("erst.bin"), &artifacts.erst)?,
    }
    let decoded = records::read(artifacts);
    let mut text = String::new();
    for dump in &decoded.pstore.dumps {
        text.push_str(&dump.text());
        text.push('\n');
    }
    for problem in &decoded.pstore.problems {
        text.extend(["[harness: ", problem, "]\n"]);
    }
    for (id, corrections) in decoded.corrections.iter().enumerate().filter(|(_, corrections)| corrections.bytes > 0) {
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "[harness: dmesg zone {id}: {} bytes were corrected by their parity]", corrections.bytes);
    }
    std::fs::write(folder.join("pstore.txt"), text)?;
    if let Some(Ok(zone)) = &decoded.console {
        std::fs::write(folder.join("pstore-console.log"), console::decode(&zone.bytes).text)?;
    }
    if let Some(Ok(zone)) = &decoded.pmsg {
        std::fs::write(folder.join("pmsg.bin"), &zone.bytes)?;
    }
    if let Some(files) = found {
        let shown = |PstoreFile { name, bytes }: &PstoreFile| {
            let of_guest = [name.as_bytes(), b":\n", bytes, b"\n\n"].concat();
            console::decode(&of_guest).text
        };
        std::fs::write(folder.join("next-boot.txt"), files.iter().map(shown).collect::<String>())?;
    }
    if !artifacts.stderr.is_empty() {
        std::fs::write(folder.join("qemu.stderr"), &artifacts.stderr)?;
    }
    if let Some(hung) = &crash.hung {
        std::fs::write(folder.join("registers.txt"), hung.registers.concat())?;
    }
    if !artifacts.capture_console.is_empty() {
        std::fs::write(folder.join("capture-console.log"), &artifacts.capture_console)?;
    }
    if let Some((Capture::Read(dump), _)) = &crash.capture {
        vmcore(folder, dump)?;
    }
    if let Some(log) = &judged.log {
        let mut file = BufWriter::new(File::create(folder.join("log.txt"))?);
        write!(file, "{log}")?;
        file.flush()?;
    }
    if let Some(difference) = &judged.difference {
        std::fs::write(folder.join("difference.txt"), difference)?;
    }
    if let Some(timeline) = &judged.timeline {
        write_timeline(folder, timeline)?;
    }
    Ok(())
}

/// Writes what was read of a dump where it stands there, in a file of the same length otherwise empty; not if all of it
/// has been kept.
fn vmcore(folder: &Path, dump: &Dump) -> io::Result<()> {
    let path = folder.join(VMCORE);
    if path.exists() {
        return Ok(());
    }
    let file = File::create(path)?;
    file.set_len(dump.core.bytes())?;
    dump.pieces.iter().try_for_each(|(at, piece)| file.write_all_at(piece, *at))
}

/// Writes `bytes` without the zeros at their end, which take no room on the disk: most of a record store is empty.
fn sparse(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let mut file = File::create(path)?;
    file.write_all(bytes.get(..used).unwrap_or_default())?;
    file.set_len(bytes.len() as u64)
}
