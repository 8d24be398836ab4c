//! What is kept of a trial: raw, so that another decoder can look again, and as text for people.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::examine::Examined;
use crate::evidence::vmcore::{Capture, Dump};
use crate::evidence::{Evidence, console};
use crate::guest::{EfiVars, PstoreFile, RamoopsMemory};
use crate::model::artifacts::{CONSOLE, DIFFERENCE, TIMELINE, VMCORE};
use crate::model::timeline::Timeline;

/// Writes the files of `docs/results.md`, "artifacts", to `folder`. `found`: what the next boot found in pstore, if it
/// was asked.
pub fn keep(folder: &Path, examined: &Examined, found: Option<&[PstoreFile]>) -> io::Result<()> {
    let Examined { artifacts, hung, evidence, verdict } = examined;
    std::fs::write(folder.join(CONSOLE), &artifacts.console)?;
    if let Some(line) = &artifacts.earlycon {
        std::fs::write(folder.join("earlycon.log"), line)?;
    }
    if let (Some(frames), Some(netconsole)) = (&artifacts.frames, &evidence.netconsole) {
        std::fs::write(folder.join("netconsole.pcap"), &frames.pcap)?;
        std::fs::write(folder.join("netconsole.log"), &netconsole.console.text)?;
    }
    std::fs::write(folder.join("stamps.bin"), &artifacts.page)?;
    match (&artifacts.ramoops, &artifacts.vars) {
        (Some(RamoopsMemory { bytes, .. }), _) => sparse(&folder.join("ramoops.bin"), bytes)?,
        (None, Some(EfiVars { bytes, .. })) => std::fs::write(folder.join("vars.bin"), without_erased(bytes))?,
        (None, None) => sparse(&folder.join("erst.bin"), &artifacts.erst)?,
    }
    std::fs::write(folder.join("pstore.txt"), pstore_text(evidence))?;
    if let Some(Ok(zone)) = &evidence.pstore_console {
        std::fs::write(folder.join("pstore-console.log"), &zone.console.text)?;
    }
    if let Some(Ok(zone)) = &evidence.pmsg {
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
    if let Some(hung) = hung {
        std::fs::write(folder.join("registers.txt"), hung.registers.concat())?;
    }
    if !artifacts.capture_console.is_empty() {
        std::fs::write(folder.join("capture-console.log"), &artifacts.capture_console)?;
    }
    if let Some(Capture::Read(dump)) = &evidence.facts.capture {
        vmcore(folder, dump)?;
    }
    if let Ok(log) = &evidence.log {
        let mut file = BufWriter::new(File::create(folder.join("log.txt"))?);
        write!(file, "{log}")?;
        file.flush()?;
    }
    if !artifacts.workload.output.is_empty() {
        std::fs::write(folder.join("workload.txt"), console::decode(&artifacts.workload.output).text)?;
    }
    if let Some(difference) = &verdict.difference {
        std::fs::write(folder.join(DIFFERENCE), difference)?;
    }
    if let Some(Ok(timeline)) = &evidence.timeline {
        write_timeline(folder, timeline)?;
    }
    Ok(())
}

/// What pstore kept, for people.
fn pstore_text(evidence: &Evidence) -> String {
    let mut text = String::new();
    for dump in &evidence.pstore.dumps {
        text.push_str(&dump.text());
        text.push('\n');
    }
    for problem in &evidence.pstore.problems {
        text.extend(["[harness: ", problem, "]\n"]);
    }
    for (id, corrections) in evidence.corrections.iter().enumerate().filter(|(_, corrections)| corrections.bytes > 0) {
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "[harness: dmesg zone {id}: {} bytes were corrected by their parity]", corrections.bytes);
    }
    text
}

/// As JSON a timeline has some 5 kB; packing them would take longer than decoding and judging them.
fn write_timeline(folder: &Path, timeline: &Timeline) -> io::Result<()> {
    std::fs::write(folder.join(TIMELINE), serde_json::to_vec(timeline)?)
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

/// Flash without the erased bytes at its end, which are half of it: room to rewrite a store.
fn without_erased(flash: &[u8]) -> &[u8] {
    let end = flash.iter().rposition(|byte| *byte != 0xff).map_or(0, |last| last + 1);
    flash.get(..end).unwrap_or(flash)
}

/// Writes `bytes` without the blocks of zeros at their end, which take no room on the disk: most of a record store is empty.
fn sparse(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let empty = [0; 4096];
    // A block at a time, because that is one comparison of memory.
    let unused: usize =
        bytes.rchunks(empty.len()).map_while(|block| empty.starts_with(block).then_some(block.len())).sum();
    let used = bytes.len() - unused;
    let mut file = File::create(path)?;
    file.write_all(bytes.get(..used).unwrap_or_default())?;
    file.set_len(bytes.len() as u64)
}
