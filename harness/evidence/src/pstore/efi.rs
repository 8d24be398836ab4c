//! Dumps in EFI variables: which of a store's variables belong together, and what became of those that are not there.

use std::collections::{BTreeMap, BTreeSet};

use super::{Pstore, Raw, Reader, Reason};
use crate::efi_store::{self, DumpName, LINUX_CRASH, State};

/// No more is told of records that are not among the dumps.
const MAX_GONE: usize = 4;

/// Bytes that the kernel leaves free (`EFI_MIN_RESERVE`, `arch/x86/platform/efi/quirks.c`).
const RESERVE: usize = 5120;
/// Bytes that a part of a dump takes, with its header and its name, where nothing is said of the size of records.
const PART: usize = 1024 + 60 + 64;

/// Reads the dumps of the kernel that were written to flash from `since` on, where its image has that. Takes any bytes.
pub fn from_efi_flash(image: &[u8], since: usize) -> Pstore {
    match efi_store::decode(image) {
        Ok(image) => dumps_since(&image, since),
        Err(fault) => Pstore::unreadable(fault.into()),
    }
}

/// Reads the dumps of the kernel in an image of flash. Takes any bytes. Those that the next boot would not be shown are
/// told, and not read.
pub fn from_efi_image(image: &efi_store::Image<'_>) -> Pstore {
    dumps_since(image, 0)
}

fn dumps_since(image: &efi_store::Image<'_>, since: usize) -> Pstore {
    let store = &image.store;
    let problems = image.problems.iter().chain(&store.problems).cloned().collect();
    let mut reader = Reader { problems, gone: store.problems.clone(), ..Reader::default() };
    let shown: Vec<usize> = store.shown().map(|variable| variable.at).collect();
    let (mut runs, mut deleted) = (Runs::default(), 0);
    for variable in store.variables.iter().filter(|variable| variable.at >= since) {
        let is_shown = shown.binary_search(&variable.at).is_ok();
        let place = if variable.name.is_empty() { "a variable without its name" } else { &variable.name };
        let place = format!("{:#x}: {place}", variable.at);
        let is_dump = variable.vendor == LINUX_CRASH;
        match variable.state {
            _ if is_shown && is_dump => reader.variable(&place, &variable.name, variable.data, &mut runs),
            _ if is_shown => {}
            State::Deleted => deleted += usize::from(is_dump),
            // Whose it was going to be is not known of one whose header is not there; nothing of its data is either.
            State::Begun => {
                reader.gone.push("a record was being begun".to_owned());
                reader.problem(&place, variable.state, false);
            }
            _ if !is_dump => {}
            _ if variable.is_cut => reader.problem(&place, "the store ends before its data does", true),
            State::HeaderValid => {
                let (there, of) = (variable.written(), variable.data_size);
                reader.problem(&place, format_args!("{}: {there} of {of} bytes are there", variable.state), false);
                let run = DumpName::parse(&variable.name).map(|name| (name, runs.of(&name)));
                reader.torn.push(Torn { run, there, announced: of });
            }
            State::Added | State::Replaced if variable.is_reached => {
                reader.problem(&place, "another one of this name counts", false);
            }
            State::Added | State::Replaced => {
                reader.problem(&place, "it lies behind the place where the firmware stops reading", true);
            }
            State::Unknown(_) => reader.problem(&place, variable.state, true),
        }
    }
    let shown_dumps = || store.shown().filter(|variable| variable.vendor == LINUX_CRASH);
    let free = store.bytes.saturating_sub(store.used);
    let full = (free < RESERVE + PART).then(|| {
        let before = shown_dumps().filter(|variable| variable.at < since).count();
        let dumps = shown_dumps().count();
        format!(
            "its store is full: of {} bytes {free} are free, of which the kernel leaves {RESERVE}; it has {dumps} parts of dumps, \
             {before} of them of earlier boots",
            store.bytes
        )
    });
    if deleted > 0 {
        reader.problems.push(format!("dumps that were deleted, and whose room was not reclaimed: {deleted}"));
        reader.gone.push(format!("records that were deleted: {deleted}"));
    }
    Pstore { full, ..reader.finish() }
}

/// Reads variables by name and value, as efivarfs has them but for the attributes. Takes any names and bytes.
pub fn from_efi_variables<'a>(variables: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Pstore {
    let mut named: Vec<_> = variables.into_iter().map(|(name, data)| (DumpName::parse(name), name, data)).collect();
    // In what order they were written their names tell: one dump after the other, each from part 1 on.
    named.sort_by_key(|(parsed, ..)| parsed.map(|name| (name.seconds, name.count, name.part)));
    let (mut reader, mut runs) = (Reader::default(), Runs::default());
    for (_, name, data) in named {
        reader.variable(name, name, data, &mut runs);
    }
    reader.finish()
}

/// What `efi_pstore_write()` makes a record's id of (`efi_generic_id()`): `(seconds * 100 + part) * 1000 + count`.
pub(super) fn efi_id(id: u64) -> DumpName {
    let within = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    DumpName {
        kind: DumpName::DMESG,
        part: within(id / 1000 % 100),
        count: within(id % 1000),
        seconds: id / 100_000,
        deflated: false,
    }
}

/// Tells dumps from each other by the names of their parts. Those alone say little: counts begin anew with each boot, and parts
/// of one dump differ in their times where the write is slow. Their clock may even go back, because nobody keeps the time any
/// more: the ACPI timer begins anew after 4.7 seconds.
#[derive(Default)]
pub(super) struct Runs {
    number: u64,
    /// The last dump of each count.
    last: BTreeMap<u32, Run>,
}

/// A dump, as far as its parts have come.
struct Run {
    number: u64,
    parts: BTreeSet<u32>,
    /// When the last of them was written, in Unix seconds.
    seconds: u64,
}

impl Runs {
    /// Between two parts of one dump less time passes, in seconds: one takes half a second where flash is slow.
    const PAUSE: u64 = 60;

    /// The number of the dump that the next part is of: the last one of its count, if that does not have such a part yet.
    pub(super) fn of(&mut self, name: &DumpName) -> u64 {
        let DumpName { part, count, seconds, .. } = *name;
        let goes_on = |run: &&mut Run| run.seconds.abs_diff(seconds) < Self::PAUSE && !run.parts.contains(&part);
        if let Some(run) = self.last.get_mut(&count).filter(goes_on) {
            run.parts.insert(part);
            run.seconds = seconds;
            return run.number;
        }
        self.number += 1;
        self.last.insert(count, Run { number: self.number, parts: [part].into(), seconds });
        self.number
    }
}

/// A record whose data was being written when the machine ended.
#[derive(Debug)]
pub(super) struct Torn {
    /// Its name and the run that it is of; none if its name was not there yet.
    run: Option<(DumpName, u64)>,
    /// Bytes of data that are there.
    there: usize,
    /// Bytes of data that there were to be.
    announced: u32,
}

impl Reader {
    /// Reads the part that an EFI variable of the kernel's holds.
    fn variable(&mut self, place: &str, name: &str, data: &[u8], runs: &mut Runs) {
        match DumpName::parse(name) {
            Some(parsed) if parsed.kind == DumpName::DMESG => {
                let DumpName { part, count, seconds, deflated, .. } = parsed;
                let id = seconds.saturating_mul(100).saturating_add(part.into()).saturating_mul(1000);
                let id = id.saturating_add(count.into());
                self.dump(place, Raw { boot: runs.of(&parsed), id, written: Some(seconds), deflated, payload: data });
            }
            // A machine check or the like.
            Some(_) => {}
            None => self.problem(place, "no name of a dump", true),
        }
    }
}

/// Says of records that were being written which dump they are of. One of a panic, or of a dump that nothing else is there of,
/// counts as undecodable, if any of its data is there.
pub(super) fn tell_torn(reader: &mut Reader) {
    for Torn { run, there, announced } in std::mem::take(&mut reader.torn) {
        let dump = run.and_then(|(name, run)| {
            let of_run = reader.dumps.range((run, name.count, Reason::Panic)..).next();
            of_run.map(|(key, _)| *key).filter(|(of, count, _)| (*of, *count) == (run, name.count))
        });
        let what = match (run, dump) {
            (Some((name, _)), Some((_, count, reason))) => format!("part {} of {reason}#{count}", name.part),
            (Some((name, _)), None) => format!("part {} of a dump", name.part),
            (None, _) => "a record".to_owned(),
        };
        reader.gone.push(format!("{what} was being written: {announced} bytes announced, {there} there"));
        let may_be_a_panic = dump.is_none_or(|(_, _, reason)| reason == Reason::Panic);
        reader.undecodable += usize::from(may_be_a_panic && there > 0);
    }
    let more = reader.gone.len().saturating_sub(MAX_GONE);
    if more > 0 {
        reader.gone.truncate(MAX_GONE);
        reader.gone.push(format!("and {more} more of these"));
    }
}
