//! What real machines left when they died, read: no project, no kernel and no QEMU is needed.
//!
//! ```text
//! files, folders ─> load ─> Source ─> kind ─> decoders of `evidence` ─> FoundLog ─> Reading ─> text, JSON
//!                                                                          └─> compare: who has which line
//! ```
//!
//! Only `load` touches the disk. The rest takes bytes by [`Bytes`], as much of them as it needs, and never all of a large
//! file. Whatever they are, they are read or refused; nothing in them is believed.

mod compare;
mod crash;
mod kind;
mod load;
mod text;
mod vmcore;

use std::fmt;
use std::io;
use std::str::FromStr;

use serde::Serialize;

use crate::evidence::pstore::{self, Dump, Pstore, Reason, StoredFile};
use crate::evidence::ramoops::{self, Contents, Corrections, Role, ZoneError};
use crate::evidence::splats::{self, Splat};
use crate::evidence::{ConsoleZone, console, efi_store, netconsole};
use crate::model::pstore::Ramoops;
use crate::text::plural;

pub use compare::{Column, Difference};
pub use crash::{Crash, Task};
pub use kind::{Kind, Unknown};
pub use load::{LoadError, load};
pub use text::reading_text;

/// At most this much of an image is read: larger ones are of no store or memory of ramoops that a kernel makes.
const MAX_IMAGE: usize = 32 << 20;
/// At most this much of a log is read, counted from its end.
const MAX_LOG: usize = 8 << 20;
/// Problems of one source that are told, at most.
const MAX_LOST: usize = 200;

/// Bytes of which any part can be read.
pub trait Bytes {
    /// How many there are.
    fn size(&self) -> u64;

    /// Those from `at` on: as many as are asked for, or fewer where they end.
    fn read(&self, at: u64, bytes: usize) -> io::Result<Vec<u8>>;
}

impl Bytes for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, at: u64, bytes: usize) -> io::Result<Vec<u8>> {
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(self.len());
        let to = from.saturating_add(bytes).min(self.len());
        Ok(self.get(from..to).unwrap_or_default().to_vec())
    }
}

/// Something that may hold evidence.
pub struct Source {
    /// What it is called, for people.
    pub name: String,
    /// What is in it.
    pub content: Content,
}

/// What a source consists of.
pub enum Content {
    /// One file, of a kind that its bytes tell.
    File(Box<dyn Bytes>),
    /// Files that their names say to be records of pstore.
    Records(Vec<NamedFile>),
    /// Files that their names say to be EFI variables, with four bytes of attributes before the value, as efivarfs has them.
    Variables(Vec<NamedFile>),
}

/// A small file that its name says what it is.
pub struct NamedFile {
    /// Its name.
    pub name: String,
    /// When it was last changed, in Unix seconds.
    pub modified: Option<u64>,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What is known beside the bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The sizes of ramoops' zones: each file is its memory then. Where they are not known, zones are looked for.
    pub zones: Option<ZoneSizes>,
    /// Parity bytes of each block of ramoops' zones.
    pub ecc: u32,
}

/// The parameters of ramoops that say how its memory is divided, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZoneSizes {
    /// `record_size`
    pub record: u32,
    /// `console_size`
    pub console: u32,
    /// `ftrace_size`
    pub ftrace: u32,
    /// `pmsg_size`
    pub pmsg: u32,
}

/// Everything that the sources hold.
#[derive(Debug, Serialize)]
pub struct Reading {
    /// The number of this form of JSON.
    pub schema: u32,
    /// What could be read.
    pub sources: Vec<SourceReading>,
    /// What could not.
    pub refused: Vec<Refused>,
    /// Several logs of one crash, line by line; none where there are not two.
    pub difference: Option<Difference>,
}

/// What one source holds.
#[derive(Debug, Serialize)]
pub struct SourceReading {
    /// What it is called.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes; of several files, of all of them.
    pub bytes: u64,
    /// What is known of it as a whole, one line each.
    pub about: Vec<String>,
    /// The logs that it has, in the order in which they were written.
    pub logs: Vec<FoundLog>,
    /// What is lost or damaged, and why, one line each.
    pub lost: Vec<String>,
}

/// A source that cannot be read.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// What it is called.
    pub name: String,
    /// What it looks like.
    pub why: String,
}

/// A log, or as much of it as was kept.
#[derive(Debug, Serialize)]
pub struct FoundLog {
    /// Where in its source it is.
    pub of: LogOf,
    /// Which dump it is, if it is one.
    pub dump: Option<DumpOf>,
    /// How many lines it has.
    pub lines: usize,
    /// The kernel's times of the first and the last line that has one, in microseconds.
    pub from_us: Option<u64>,
    /// See `from_us`.
    pub to_us: Option<u64>,
    /// Who died, and why.
    pub crash: Crash,
    /// The kernel's own reports in it.
    pub splats: Vec<SplatOf>,
    /// All of it, oldest line first, so that a terminal can show it.
    pub text: String,
}

/// What of a source a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogOf {
    /// A dump of pstore.
    Dump,
    /// What pstore kept of the console.
    ConsoleZone,
    /// What user space wrote to `/dev/pmsg0`.
    Pmsg,
    /// The kernel's log in memory.
    Memory,
    /// What a console showed.
    Console,
}

/// A dump of pstore, without its text.
#[derive(Debug, Serialize)]
pub struct DumpOf {
    /// `Panic`, `Oops` …
    pub reason: &'static str,
    /// Which dump of its boot.
    pub count: u32,
    /// When it was begun, in Unix seconds of the dying kernel's clock, if that is known.
    pub written: Option<u64>,
    /// Its parts, oldest text first.
    pub parts: Vec<PartOf>,
    /// The parts that are missing below the highest there is, in words.
    pub missing: Option<String>,
}

/// One record of a dump.
#[derive(Debug, Serialize)]
pub struct PartOf {
    /// Its number: 1 is the newest text.
    pub number: u32,
    /// Its id in its back end, in hexadecimal.
    pub record: String,
    /// Bytes of text.
    pub bytes: usize,
    /// Whether every line that the kernel put in is there.
    pub whole: bool,
    /// Why the text is not all that was written, if that is known.
    pub damage: Option<String>,
}

/// One of the kernel's reports.
#[derive(Debug, Serialize)]
pub struct SplatOf {
    /// Its title.
    pub title: String,
    /// The module that the function in its title is of.
    pub module: Option<String>,
}

impl From<Splat> for SplatOf {
    fn from(Splat { title, module, .. }: Splat) -> Self {
        Self { title, module }
    }
}

/// Reads all of the sources.
pub fn read(sources: &[Source], options: &Options) -> Reading {
    let (mut read, mut refused) = (Vec::new(), Vec::new());
    for source in sources {
        match one(source, options) {
            Ok(reading) => read.push(reading),
            Err(why) => refused.push(Refused { name: source.name.clone(), why }),
        }
    }
    let difference = compare::difference(&read);
    Reading { schema: 1, sources: read, refused, difference }
}

/// What a source has, before its size and name are put to it.
#[derive(Default)]
struct Found {
    about: Vec<String>,
    logs: Vec<FoundLog>,
    lost: Vec<String>,
}

fn one(source: &Source, options: &Options) -> Result<SourceReading, String> {
    let (kind, bytes, found) = match &source.content {
        Content::Records(files) => (Kind::Pstore, total(files), records(files)),
        Content::Variables(files) => (Kind::EfiVariables, total(files), variables(files)),
        Content::File(bytes) => {
            let kind = if options.zones.is_some() { Kind::Ramoops } else { kind::of(bytes.as_ref())? };
            (kind, bytes.size(), file(kind, bytes.as_ref(), options)?)
        }
    };
    let Found { about, logs, mut lost } = found;
    if lost.len() > MAX_LOST {
        let more = lost.len() - MAX_LOST;
        lost.truncate(MAX_LOST);
        lost.push(format!("and {more} more of these"));
    }
    Ok(SourceReading { name: source.name.clone(), kind, bytes, about, logs, lost })
}

fn total(files: &[NamedFile]) -> u64 {
    files.iter().map(|file| file.bytes.len() as u64).sum()
}

fn file(kind: Kind, bytes: &dyn Bytes, options: &Options) -> Result<Found, String> {
    match kind {
        Kind::Log => log(bytes),
        Kind::Vmcore => vmcore::read(bytes),
        _ => {
            let image = io(bytes.read(0, MAX_IMAGE))?;
            let mut found = match kind {
                Kind::Erst => erst(&image),
                Kind::EfiStore => efi(&image)?,
                Kind::Netconsole => frames(&image),
                _ => zones(image, options)?,
            };
            if bytes.size() > MAX_IMAGE as u64 {
                found.lost.push(format!("only the first {} MiB were read", MAX_IMAGE >> 20));
            }
            Ok(found)
        }
    }
}

fn io<T>(read: io::Result<T>) -> Result<T, String> {
    read.map_err(|error| format!("read it: {error}"))
}

fn erst(image: &[u8]) -> Found {
    let mut found = Found::default();
    found.add(pstore::from_erst_file(image, &[]));
    found
}

fn efi(image: &[u8]) -> Result<Found, String> {
    let image = efi_store::decode(image).map_err(|error| error.to_string())?;
    let store = &image.store;
    let shown = store.shown().count();
    let about = format!(
        "the store at {:#x}: {} of {} bytes are used; {} there, {} that the next boot does not see",
        store.at,
        store.used,
        store.bytes,
        plural(shown, "variable"),
        store.variables.len() - shown,
    );
    let mut found = Found { about: vec![about], ..Found::default() };
    found.add(pstore::from_efi_image(&image));
    Ok(found)
}

fn frames(pcap: &[u8]) -> Found {
    let mut found = Found::default();
    found.log(LogOf::Console, netconsole::decode(pcap, 0).console.text);
    found
}

fn zones(mut memory: Vec<u8>, options: &Options) -> Result<Found, String> {
    let mut found = Found::default();
    let bytes = |size: u32| usize::try_from(size).unwrap_or(usize::MAX);
    let reading = if let Some(sizes) = options.zones {
        let zones = sizes
            .of(memory.len(), options.ecc)
            .ok_or_else(|| format!("the zones that were named have more than its {} bytes", memory.len()))?;
        found.about.push(format!("{} for dumps, by the sizes that were given", plural(bytes(zones.records), "zone")));
        // The one of ftrace lies between the console's and pmsg's.
        let at = bytes(zones.record) * bytes(zones.records) + bytes(zones.console);
        memory.drain(at..at + bytes(sizes.ftrace));
        ramoops::decode(&memory, &zones, &[])
    } else {
        let (zones, reading) = ramoops::find(&memory, bytes(options.ecc)).ok_or("there is no zone of ramoops in it")?;
        let with = |role: Role| zones.iter().filter(|zone| zone.role == role).count();
        found.about.push(format!(
            "{} found: {} with a dump, {} empty",
            plural(zones.len(), "zone"),
            with(Role::Dump),
            with(Role::Empty)
        ));
        reading
    };
    let ramoops::Reading { pstore, corrections, console, pmsg } = reading;
    found.add(pstore);
    for (id, Corrections { bytes, .. }) in corrections.iter().enumerate().filter(|(_, made)| made.bytes > 0) {
        found.about.push(format!("dmesg zone {id}: {bytes} bytes were corrected by their parity"));
    }
    // Why a zone cannot be read is among the problems.
    let readable =
        |zone: Option<Result<Contents, ZoneError>>| zone.and_then(Result::ok).filter(|zone| !zone.bytes.is_empty());
    if let Some(contents) = readable(console) {
        found.log(LogOf::ConsoleZone, ConsoleZone::from(contents).console.text);
    }
    if let Some(contents) = readable(pmsg) {
        found.log(LogOf::Pmsg, console::decode(&contents.bytes).text);
    }
    Ok(found)
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read {}: {}", self.name, self.why)
    }
}

impl FromStr for ZoneSizes {
    type Err = String;

    /// `record=65536,console=65536`
    fn from_str(text: &str) -> Result<Self, String> {
        let mut sizes = Self { record: 0, console: 0, ftrace: 0, pmsg: 0 };
        for word in text.split(',') {
            let (name, number) = word.split_once('=').ok_or_else(|| format!("`{word}` is not NAME=BYTES"))?;
            let size = match name {
                "record" => &mut sizes.record,
                "console" => &mut sizes.console,
                "ftrace" => &mut sizes.ftrace,
                "pmsg" => &mut sizes.pmsg,
                _ => return Err(format!("no zone `{name}`; known: record, console, ftrace, pmsg")),
            };
            *size = number.parse().map_err(|_| format!("`{number}` is no number of bytes"))?;
        }
        if sizes.record == 0 { Err("record=BYTES is missing".to_owned()) } else { Ok(sizes) }
    }
}

impl ZoneSizes {
    /// The zones of a memory of this many bytes, without the one of ftrace. Whatever the other zones leave is for dumps
    /// (`ramoops_probe()`).
    fn of(self, memory: usize, ecc: u32) -> Option<Ramoops> {
        let memory = u32::try_from(memory).ok()?;
        let for_dumps = memory.checked_sub(self.console)?.checked_sub(self.ftrace)?.checked_sub(self.pmsg)?;
        let records = for_dumps.checked_div(self.record)?;
        Some(Ramoops { record: self.record, records, console: self.console, pmsg: self.pmsg, ecc, used: 0 })
    }
}

fn log(bytes: &dyn Bytes) -> Result<Found, String> {
    let from = bytes.size().saturating_sub(MAX_LOG as u64);
    let raw = io(bytes.read(from, MAX_LOG))?;
    let mut found = Found::default();
    if from > 0 {
        found.lost.push(format!("only the last {} MiB were read: {from} bytes before them were not", MAX_LOG >> 20));
    }
    found.log(LogOf::Console, console::decode(&raw).text);
    Ok(found)
}

/// Files of `/sys/fs/pstore`.
fn records(files: &[NamedFile]) -> Found {
    let mut found = Found::default();
    let stored =
        files.iter().map(|NamedFile { name, modified, bytes }| StoredFile { name, modified: *modified, bytes });
    found.add(pstore::from_folder(stored));
    for NamedFile { name, bytes, .. } in files.iter().filter(|file| pstore::backend_and_id(&file.name).is_none()) {
        let of = match name.split('-').next() {
            Some("console") => LogOf::ConsoleZone,
            Some("pmsg") => LogOf::Pmsg,
            _ => {
                found.about.push(format!("{name} is no log: passed over"));
                continue;
            }
        };
        found.log(of, console::decode(bytes).text);
    }
    found
}

/// Files of efivarfs.
fn variables(files: &[NamedFile]) -> Found {
    const ATTRIBUTES: usize = 4;
    let mut found = Found::default();
    let mut values = Vec::new();
    for file in files {
        let name = file.name.strip_suffix(&format!("-{}", efi_store::LINUX_CRASH)).unwrap_or(&file.name);
        match file.bytes.get(ATTRIBUTES..) {
            Some(value) => values.push((name, value)),
            None => {
                found.lost.push(format!("{}: {} bytes are too few for its attributes", file.name, file.bytes.len()));
            }
        }
    }
    found.add(pstore::from_efi_variables(values));
    found
}

impl Found {
    fn add(&mut self, pstore: Pstore) {
        self.logs.extend(pstore.dumps.iter().map(FoundLog::dump));
        self.lost.extend(pstore.problems);
    }

    fn log(&mut self, of: LogOf, text: String) {
        self.logs.push(FoundLog::new(of, None, text));
    }
}

impl FoundLog {
    fn dump(dump: &Dump) -> Self {
        let parts = dump.parts.iter().map(|part| PartOf {
            number: part.number,
            record: format!("{:#x}", part.record_id),
            bytes: part.text.len(),
            whole: part.is_whole(),
            damage: part.damage.map(|damage| damage.to_string()),
        });
        let of = DumpOf {
            reason: dump.reason.name(),
            count: dump.count,
            written: dump.parts.iter().filter_map(|part| part.written).min(),
            parts: parts.collect(),
            missing: dump.missing_parts(),
        };
        Self::new(LogOf::Dump, Some(of), console::decode(dump.text().as_bytes()).text)
    }

    fn new(of: LogOf, dump: Option<DumpOf>, text: String) -> Self {
        let crash = if of == LogOf::Pmsg { Crash::default() } else { Crash::of(&text) };
        let splats = if of == LogOf::Pmsg { Vec::new() } else { splats::find(&text) };
        let (mut from_us, mut to_us) = (None, None);
        for micros in crash::lines(&text).filter_map(|line| line.micros) {
            from_us.get_or_insert(micros);
            to_us = Some(micros);
        }
        Self {
            of,
            dump,
            lines: text.lines().count(),
            from_us,
            to_us,
            crash,
            splats: splats.into_iter().map(SplatOf::from).collect(),
            text,
        }
    }

    /// Whether it is the dump of a panic.
    fn is_panic(&self) -> bool {
        self.dump.as_ref().is_some_and(|dump| dump.reason == Reason::Panic.name())
    }
}

#[cfg(test)]
mod tests;
