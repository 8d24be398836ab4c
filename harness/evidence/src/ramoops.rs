//! The memory of ramoops: zones for dumps, one for the console's output, one for what user space wrote.
//!
//! ```text
//! memory, sizes ─> its zones ─> zone: header, ring buffer, ecc ─┬─> dmesg: header line, inflate ─> pstore::Pstore
//!                                                               └─> console, pmsg ─────────────> Contents
//! ```
//!
//! Source: `fs/pstore/ram.c` and `fs/pstore/ram_core.c` (Linux 6.12). First come the zones for dumps, then the console's,
//! then pmsg's. The kernel empties the last two when it boots, so they hold what the last boot wrote.

mod ecc;
mod zone;

pub use ecc::Corrections;
pub use zone::{Contents, ZoneError};

use crate::printk::Line;
use crate::pstore::{Pstore, Raw, Reader};
use harness_model::pstore::Ramoops;

/// What the memory of ramoops holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// The dumps. Each zone holds one, and only its newest part: the kernel drops the others.
    pub pstore: Pstore,
    /// What each zone for a dump needed to have corrected, as far as it can be read.
    pub corrections: Vec<Corrections>,
    /// The console's output, if there is a zone for it.
    pub console: Option<Result<Contents, ZoneError>>,
    /// What user space wrote, if there is a zone for it.
    pub pmsg: Option<Result<Contents, ZoneError>>,
}

/// The memory of ramoops with these dumps, a zone each from the first on; the other zones were never written to. It has no
/// parity.
pub fn encode(zones: &Ramoops, dumps: &[String]) -> Vec<u8> {
    let bytes = |size: u32| usize::try_from(size).unwrap_or(usize::MAX);
    let mut memory: Vec<u8> = dumps
        .iter()
        .take(bytes(zones.records))
        .flat_map(|dump| zone::write(bytes(zones.record), dump.as_bytes()))
        .collect();
    memory.resize(usize::try_from(zones.bytes()).unwrap_or(usize::MAX), 0);
    memory
}

/// Reads the memory of ramoops, whose zones have these sizes. Takes any bytes. Dumps that are there as they were `before`,
/// in what the same memory held then, are left out.
pub fn decode(memory: &[u8], zones: &Ramoops, before: &[u8]) -> Reading {
    let bytes = |size: u32| usize::try_from(size).unwrap_or(usize::MAX);
    let parity = bytes(zones.ecc);
    let of_record = bytes(zones.record);
    let is_as_before = |id: u32| {
        let at = bytes(id).saturating_mul(of_record);
        let zone = |memory: &'_ [u8]| memory.get(at..at.saturating_add(of_record)).map(<[u8]>::to_vec);
        zone(before).is_some_and(|then| zone(memory) == Some(then))
    };
    let mut rest = memory;
    // A zone that is not whole is none: the kernel's memory was, so the rest of it is missing.
    let mut next = |size: u32| {
        let (zone, after) = rest.split_at_checked(bytes(size)).unwrap_or((rest, &[]));
        rest = after;
        zone::read(if zone.len() == bytes(size) { zone } else { &[] }, parity)
    };
    let mut reader = Reader::default();
    let mut corrections = Vec::new();
    for id in 0..zones.records {
        let place = format!("dmesg zone {id}");
        match next(zones.record) {
            Ok(contents) => {
                corrections.push(contents.corrections);
                if let Some(what) = contents.corrections.damage() {
                    reader.problem(&place, what, false);
                }
                if !contents.bytes.is_empty() && !is_as_before(id) {
                    dump(&mut reader, &place, u64::from(id), &contents.bytes);
                }
            }
            Err(error) => {
                corrections.push(Corrections::default());
                reader.problem(&place, error, true);
            }
        }
    }
    let console = (zones.console > 0).then(|| next(zones.console));
    let pmsg = (zones.pmsg > 0).then(|| next(zones.pmsg));
    let mut pstore = reader.finish();
    for (name, zone) in [("console", &console), ("pmsg", &pmsg)] {
        let what = match zone {
            Some(Ok(contents)) => contents.corrections.damage(),
            Some(Err(error)) => Some(error.to_string()),
            None => None,
        };
        pstore.problems.extend(what.map(|what| format!("{name} zone: {what}")));
    }
    Reading { pstore, corrections, console, pmsg }
}

/// A zone that was found by its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundZone {
    /// Where it begins.
    pub at: usize,
    /// How many bytes there are to the next one, or to the end.
    pub bytes: usize,
    /// What it is for.
    pub role: Role,
}

/// What a zone is for, by what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing is in it.
    Empty,
    /// A dump.
    Dump,
    /// The console's output: text with the kernel's prefix.
    Console,
    /// Something else: what user space wrote, or what ftrace did.
    Other,
}

/// More zones than these are not looked at.
const MAX_ZONES: usize = 1024;

/// Looks for zones by their signature, where their sizes are not known, in any memory: the kernel puts them at multiples
/// of their sizes, which are powers of two. Takes any bytes. What is in a zone tells what it is for; one that was never
/// initialised, or whose header is damaged, is not found. None if there is not one.
pub fn find(memory: &[u8], parity: usize) -> Option<(Vec<FoundZone>, Reading)> {
    let is_zone = |at: &usize| memory.get(*at..*at + 4) == Some(&zone::SIGNATURE.to_le_bytes()[..]);
    let starts: Vec<usize> = (0..memory.len()).step_by(MIN_ZONE).filter(is_zone).take(MAX_ZONES).collect();
    let ends = starts.iter().skip(1).copied().chain([memory.len()]);
    let (mut zones, mut corrections) = (Vec::new(), Vec::new());
    let (mut console, mut pmsg) = (None, None);
    let mut reader = Reader::default();
    let mut dumps = 0;
    for (at, end) in starts.iter().copied().zip(ends) {
        // Other memory may follow the last one.
        let bytes = (end - at).min(MAX_ZONE);
        let zone = memory.get(at..at + bytes).unwrap_or_default();
        // Where it is not known where the last one ends, nor is where its parity is.
        let Ok(contents) = zone::read(zone, parity).or_else(|_| zone::read(zone, 0)) else { continue };
        let role = role(&contents.bytes);
        let place = if role == Role::Dump { format!("dmesg zone {dumps}") } else { format!("zone at {at:#x}") };
        zones.push(FoundZone { at, bytes, role });
        if let Some(what) = contents.corrections.damage() {
            reader.problem(&place, what, false);
        }
        if matches!(role, Role::Dump | Role::Empty) {
            if role == Role::Dump {
                dump(&mut reader, &place, dumps, &contents.bytes);
            }
            dumps += 1;
            corrections.push(contents.corrections);
        } else if role == Role::Console && console.is_none() {
            console = Some(Ok(contents));
        } else if pmsg.is_none() {
            pmsg = Some(Ok(contents));
        } else {
            reader.problem(&place, "it is neither a dump nor the first of its kind", false);
        }
    }
    (!zones.is_empty()).then(|| (zones, Reading { pstore: reader.finish(), corrections, console, pmsg }))
}

/// `ramoops_probe()` makes sizes powers of two; no machine has smaller ones.
const MIN_ZONE: usize = 1024;
/// No machine has larger ones.
const MAX_ZONE: usize = 4 << 20;

fn role(contents: &[u8]) -> Role {
    if contents.is_empty() {
        return Role::Empty;
    }
    if Header::split(contents).is_some() {
        return Role::Dump;
    }
    let text = String::from_utf8_lossy(contents.get(..contents.len().min(4096)).unwrap_or_default());
    let stamped = text.lines().filter(|line| Line::parse(line).micros.is_some()).count();
    if stamped > 0 { Role::Console } else { Role::Other }
}

impl Corrections {
    /// What could not be corrected, in words.
    pub fn damage(&self) -> Option<String> {
        match self.bad_blocks {
            0 => None,
            1 => Some("1 block is beyond its parity".to_owned()),
            n => Some(format!("{n} blocks are beyond their parity")),
        }
    }
}

/// A zone is zapped before each dump, so a dump is alone in its zone; its time tells it from those of earlier boots,
/// whose zones may not have been written to again.
fn dump(reader: &mut Reader, place: &str, id: u64, contents: &[u8]) {
    match Header::split(contents) {
        Some((Header { micros, deflated }, payload)) => {
            reader.dump(place, Raw { boot: micros, id, written: Some(micros / 1_000_000), deflated, payload });
        }
        None => reader.problem(place, "no header line `====<seconds>.<microseconds>-<C|D>`", true),
    }
}

/// The line before a dump (`ramoops_write_kmsg_hdr()`), `====1795305600.000000-C`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// Microseconds since 1970.
    micros: u64,
    /// Whether what follows is deflated.
    deflated: bool,
}

impl Header {
    /// No line is longer: 20 digits of seconds, 6 of microseconds, and 8 other characters.
    const MAX: usize = 36;

    /// The header line, and what stands behind it.
    fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let end = bytes.iter().take(Self::MAX).position(|byte| *byte == b'\n')?;
        let (line, payload) = (bytes.get(..end)?, bytes.get(end + 1..)?);
        let (time, kind) = std::str::from_utf8(line).ok()?.strip_prefix("====")?.split_once('-')?;
        let (seconds, micros) = time.split_once('.')?;
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u64>().ok()).flatten();
        let micros = number(seconds)?.checked_mul(1_000_000)?.checked_add(number(micros)?)?;
        let deflated = match kind {
            "C" => true,
            "D" => false,
            _ => return None,
        };
        Some((Self { micros, deflated }, payload))
    }
}

#[cfg(test)]
mod tests;
