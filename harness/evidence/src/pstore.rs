//! The kernel log as pstore kept it: dumps, each of one or more parts, each part one record.
//!
//! `pstore_dump()` (`fs/pstore/platform.c`) walks the log backwards: part 1 holds the newest text, the last part the
//! oldest, and within a part the lines stand in order. Each part begins with its own line `<Reason>#<count>
//! Part<part>`; `count` starts at 1 with each boot and goes up with each dump, whatever its reason.

mod efi;
mod next_boot;

use std::collections::BTreeMap;
use std::fmt;

pub use self::efi::{from_efi_flash, from_efi_image, from_efi_variables};
pub use self::next_boot::{Differences, compare};

use self::efi::{Runs, Torn, efi_id};
use crate::cper::{self, CperError, Section};
use crate::efi_store::EfiStoreError;
use crate::erst::{self, ErstError, Slot};
use crate::inflate::{self, Stop};
use crate::ranges;

/// More text than this in one part is no dump: a part's buffer is less than twice a record.
pub const MAX_PART_BYTES: usize = 1 << 20;

/// What the name of a file ends in that the kernel shows as it is stored, because it could not inflate it.
const DEFLATED: &str = ".enc.z";

/// More text than this in one storage is not read.
pub const MAX_BYTES: usize = 16 << 20;

/// Why the kernel dumped its log (`kmsg_dump_reason_str()`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// `panic()`.
    Panic,
    /// `oops_exit()`: the kernel may go on, or panic next.
    Oops,
    /// `emergency_restart()`.
    Emergency,
    /// A shutdown in good order.
    Shutdown,
    /// The kernel's word for any other.
    Unknown,
}

impl Reason {
    const ALL: [Self; 5] = [Self::Panic, Self::Oops, Self::Emergency, Self::Shutdown, Self::Unknown];

    /// The kernel's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "Panic",
            Self::Oops => "Oops",
            Self::Emergency => "Emergency",
            Self::Shutdown => "Shutdown",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A part's own first line, `Panic#2 Part1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpHeader {
    /// Why the log was dumped.
    pub reason: Reason,
    /// Which dump of its boot, from 1.
    pub count: u32,
    /// Which part of its dump: 1 is the newest text.
    pub part: u32,
}

impl DumpHeader {
    /// Reads the line, given without its line end.
    pub fn parse(line: &str) -> Option<Self> {
        let (reason, rest) = line.split_once('#')?;
        let (count, part) = rest.split_once(" Part")?;
        Some(Self {
            reason: Reason::ALL.into_iter().find(|r| r.name() == reason)?,
            count: number(count)?,
            part: number(part)?,
        })
    }
}

impl fmt::Display for DumpHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{} Part{}", self.reason, self.count, self.part)
    }
}

/// A number from 1 on; `parse` alone would also take `+1`.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|n| *n > 0 && text.bytes().all(|b| b.is_ascii_digit()))
}

/// One record of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number: 1 is the newest text.
    pub number: u32,
    /// The record's id in the storage.
    pub record_id: u64,
    /// When it was written, in Unix seconds by the dying kernel's clock, if its back end keeps that.
    pub written: Option<u64>,
    /// Its text without the header line; not UTF-8 is replaced, nothing else is cleaned.
    pub text: String,
    /// Why the text is not all that was written.
    pub damage: Option<Stop>,
}

impl Part {
    /// Whether every line that the kernel put in is there. A part that did not compress loses its newest text without
    /// being damaged: then its last line has no end.
    pub fn is_whole(&self) -> bool {
        self.damage.is_none() && (self.text.is_empty() || self.text.ends_with('\n'))
    }
}

/// The parts of one dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump {
    /// Why the log was dumped.
    pub reason: Reason,
    /// Which dump of its boot, from 1.
    pub count: u32,
    /// Its parts, oldest text first: the highest number first.
    pub parts: Vec<Part>,
}

impl Dump {
    /// The log, oldest line first. A part that ends within a line is closed, so that no line runs into the next part.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&part.text);
        }
        text
    }

    /// The parts that are missing below the highest there is, in words (`parts 1-2, 4`). Nothing tells how many older
    /// ones there were.
    pub fn missing_parts(&self) -> Option<String> {
        let gaps = ranges::missing(self.parts.iter().rev().map(|part| part.number), 0);
        (!gaps.is_empty()).then(|| ranges::in_words("part", "parts", &gaps))
    }
}

impl fmt::Display for Dump {
    /// `Panic#2 (3 parts)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.parts.len() == 1 { "" } else { "s" };
        write!(f, "{}#{} ({} part{plural})", self.reason, self.count, self.parts.len())
    }
}

/// Everything that a pstore back end holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pstore {
    /// The dumps, in the order in which they were written.
    pub dumps: Vec<Dump>,
    /// Records of pstore's of which not even the header line could be read: they may belong to any dump.
    pub undecodable: usize,
    /// What was found wrong, one line each.
    pub problems: Vec<String>,
    /// What became of records that are not among the dumps, where their storage tells: they were being written, or were
    /// deleted. In words, few of them.
    pub gone: Vec<String>,
    /// That the storage has no room for another record, and whose records it is full of, in words.
    pub full: Option<String>,
    /// Why the storage could not be read at all. A guest cannot do that: the host or the harness did.
    pub storage_fault: Option<StorageFault>,
}

/// Why a storage cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub enum StorageFault {
    /// The file of QEMU's `acpi-erst`.
    Erst(#[from] ErstError),
    /// Flash with EFI variables.
    Efi(#[from] EfiStoreError),
}

impl Pstore {
    fn unreadable(fault: StorageFault) -> Self {
        Self { problems: vec![fault.to_string()], storage_fault: Some(fault), ..Self::default() }
    }

    /// What another back end holds comes behind.
    fn add(&mut self, other: Self) {
        let Self { dumps, undecodable, problems, gone, full, storage_fault } = other;
        self.dumps.extend(dumps);
        self.undecodable += undecodable;
        self.problems.extend(problems);
        self.gone.extend(gone);
        self.full = self.full.take().or(full);
        self.storage_fault = self.storage_fault.or(storage_fault);
    }
}

/// Reads the backing file of QEMU's `acpi-erst`. Takes any bytes. Records that the guest cleared are not evidence and
/// are left out, as the guest's own `/sys/fs/pstore` would; so are those that were there `before`, by their ids.
pub fn from_erst_file(file: &[u8], before: &[u64]) -> Pstore {
    let store = match erst::decode(file) {
        Ok(store) => store,
        Err(fault) => return Pstore::unreadable(fault.into()),
    };
    let mut reader = Reader { problems: store.problems, ..Reader::default() };
    let kept = || store.slots.iter().filter_map(|slot| Some((slot, slot.id?)));
    for (slot, id) in kept().filter(|(_, id)| !before.contains(id)) {
        reader.record(slot, id);
    }
    let (held, of_before) = (kept().count(), kept().filter(|(_, id)| before.contains(id)).count());
    let full = (held >= store.room)
        .then(|| format!("its store is full: {held} records, {of_before} of them of earlier boots"));
    Pstore { full, ..reader.finish() }
}

/// Reads what a guest found in `/sys/fs/pstore`, each file by its name: the dumps as the kernel itself reads them. Takes
/// any names and bytes. A record that the kernel could not inflate is there as it is stored, with `.enc.z` at the end of its
/// name: nothing of it can be read.
pub fn from_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Pstore {
    let mut reader = Reader::default();
    for (name, bytes) in files {
        // `dmesg-erst-7712104902735659009`, `dmesg-ramoops-0.enc.z` (`pstore_mkfile()`).
        let Some((_, id)) = name.strip_prefix("dmesg-").and_then(|rest| rest.split_once('-')) else { continue };
        let id = id.split('.').next().and_then(|id| id.parse().ok()).unwrap_or_default();
        if name.ends_with(DEFLATED) {
            reader.problem(name, "the kernel could not inflate it", true);
            continue;
        }
        reader.dump(name, Raw { boot: 0, id, written: None, deflated: false, payload: bytes });
    }
    reader.finish()
}

/// A file of `/sys/fs/pstore`, or a copy of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredFile<'a> {
    /// Its name.
    pub name: &'a str,
    /// When it was last changed, in Unix seconds: of a file in `/sys/fs/pstore` when its record was written.
    pub modified: Option<u64>,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// Reads a folder of such files, of one boot or of several; those that are no dumps are passed over. Takes any names and
/// bytes. Unlike [`from_files`] it inflates what the kernel could not (`.enc.z`).
pub fn from_folder<'a>(files: impl IntoIterator<Item = StoredFile<'a>>) -> Pstore {
    let mut backends: BTreeMap<&str, Vec<(u64, StoredFile<'a>)>> = BTreeMap::new();
    for file in files {
        if let Some((backend, id)) = backend_and_id(file.name) {
            backends.entry(backend).or_default().push((id, file));
        }
    }
    let mut all = Pstore::default();
    for (backend, mut files) in backends {
        let mut reader = Reader::default();
        let is_efi = backend.starts_with("efi");
        let is_erst = backend == "erst";
        files.sort_by_key(|(id, file)| (if is_efi || is_erst { None } else { file.modified }, *id));
        let mut runs = Runs::default();
        for (order, (id, file)) in files.iter().enumerate() {
            let (boot, written) = if is_efi {
                let record = efi_id(*id);
                (runs.of(&record), Some(record.seconds))
            } else if is_erst {
                (boot_of(*id), file.modified)
            } else {
                // Each is a zone with one part, of whatever boot.
                (order as u64, file.modified)
            };
            let deflated = file.name.ends_with(DEFLATED);
            reader.dump(file.name, Raw { boot, id: *id, written, deflated, payload: file.bytes });
        }
        all.add(reader.finish());
    }
    all
}

/// Of `dmesg-efi_pstore-176430945300201` the back end and the id (`pstore_mkfile()`).
pub fn backend_and_id(name: &str) -> Option<(&str, u64)> {
    let (backend, id) = name.strip_prefix("dmesg-")?.rsplit_once('-')?;
    Some((backend, id.split('.').next().unwrap_or_default().parse().ok()?))
}

/// A dump's place among the others: the boot that wrote it, then its count. Boots must be told apart because the count
/// starts anew with each.
type DumpKey = (u64, u32, Reason);

/// Puts records together to dumps.
#[derive(Default)]
pub(super) struct Reader {
    dumps: BTreeMap<DumpKey, Vec<Part>>,
    undecodable: usize,
    problems: Vec<String>,
    gone: Vec<String>,
    torn: Vec<Torn>,
    text_bytes: usize,
}

/// A record as its back end gives it: the text of one part, or that deflated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    /// What the dumps of one boot have in common, and the greater the later the boot.
    pub boot: u64,
    /// The record's id in the storage.
    pub id: u64,
    /// When it was written, in Unix seconds, if that is known.
    pub written: Option<u64>,
    /// Whether the payload is a raw deflate stream.
    pub deflated: bool,
    /// What is stored.
    pub payload: &'a [u8],
}

impl Reader {
    /// Something that was found wrong with the record at `place`; with `undecodable` so much that nothing of it can be
    /// read.
    pub(super) fn problem(&mut self, place: &str, what: impl fmt::Display, undecodable: bool) {
        self.problems.push(format!("{place}: {what}"));
        self.undecodable += usize::from(undecodable);
    }

    fn record(&mut self, slot: &Slot<'_>, id: u64) {
        let place = format!("slot {}: record {id:#x}", slot.number);
        let record = match cper::decode(slot.bytes) {
            Ok(record) => record,
            Err(error) => {
                self.problem(&place, error, !matches!(error, CperError::Foreign { .. }));
                return;
            }
        };
        if record.id != id {
            self.problem(&place, format_args!("it calls itself {:#x}", record.id), false);
        }
        let deflated = match record.section {
            Section::Mce => return,
            Section::Unknown(guid) => {
                self.problem(&place, format_args!("unknown section type {guid}"), true);
                return;
            }
            Section::DmesgPlain => false,
            Section::DmesgDeflate => true,
        };
        self.dump(&place, Raw { boot: boot_of(id), id, written: record.timestamp, deflated, payload: record.payload });
    }

    /// Reads the part that the record at `place` holds.
    pub(super) fn dump(&mut self, place: &str, raw: Raw<'_>) {
        let limit = MAX_PART_BYTES.min(MAX_BYTES - self.text_bytes);
        let (bytes, damage) = if raw.deflated {
            let inflated = inflate::inflate(raw.payload, limit);
            (inflated.bytes, inflated.stop)
        } else {
            let kept = raw.payload.get(..limit).unwrap_or(raw.payload);
            let stop = (kept.len() < raw.payload.len()).then_some(Stop::TooLong { limit });
            (kept.to_vec(), stop)
        };
        if let Some(damage) = damage {
            self.problem(place, damage, false);
        }
        self.text_bytes += bytes.len();
        let text = String::from_utf8_lossy(&bytes);
        let Some((header, text)) = split_header(&text) else {
            self.problem(place, "no header line `<reason>#<count> Part<part>`", true);
            return;
        };
        let part = Part { number: header.part, record_id: raw.id, written: raw.written, text: text.to_owned(), damage };
        if damage.is_none() && !part.is_whole() {
            self.problem(place, format_args!("{header} ends within a line"), false);
        }
        self.dumps.entry((raw.boot, header.count, header.reason)).or_default().push(part);
    }

    pub(super) fn finish(mut self) -> Pstore {
        efi::tell_torn(&mut self);
        let mut dumps = Vec::new();
        for ((_, count, reason), mut parts) in self.dumps {
            parts.sort_by_key(|part| (std::cmp::Reverse(part.number), part.record_id));
            for pair in parts.windows(2) {
                if let [a, b] = pair
                    && a.number == b.number
                {
                    self.problems.push(format!("{reason}#{count} has part {} twice", a.number));
                }
            }
            let dump = Dump { reason, count, parts };
            if let Some(missing) = dump.missing_parts() {
                self.problems.push(format!("{reason}#{count} lacks {missing}"));
            }
            dumps.push(dump);
        }
        let Self { undecodable, problems, gone, .. } = self;
        Pstore { dumps, undecodable, problems, gone, ..Pstore::default() }
    }
}

fn split_header(text: &str) -> Option<(DumpHeader, &str)> {
    let (line, text) = text.split_once('\n')?;
    Some((DumpHeader::parse(line)?, text))
}

/// What of a record's id is the same for all records of one boot: the time of its first, above a counter of 32 bits
/// (24 after 2038, then with the top bit set).
fn boot_of(id: u64) -> u64 {
    if id >> 63 == 0 { id >> 32 } else { id >> 24 }
}

#[cfg(test)]
mod tests;
