//! The store in which edk2's firmware keeps EFI variables, in flash: QEMU's `OVMF_VARS.fd`, or an image of a machine's
//! flash.
//!
//! ```text
//! firmware volume: header (_FVH) | store: header, variables, erased bytes | working block | spare block
//! ```
//!
//! Source: `MdeModulePkg/Include/Guid/VariableFormat.h`, `MdeModulePkg/Universal/Variable/RuntimeDxe/` and
//! `MdeModulePkg/Universal/FaultTolerantWriteDxe/` in edk2. A variable is written in four steps, each of which clears
//! bits of erased flash (0xff): its header, its state [`State::HeaderValid`], its name and data, its state
//! [`State::Added`]. So a write that was cut off can be told by its state.
//!
//! What the next boot is shown is [`Store::shown`]. `FindVariableEx()` walks from header to header until the next one does
//! not begin with 0x55AA, and takes states [`State::Added`] and [`State::Replaced`] for a variable, exactly these. Of two
//! that are added and have the same name the first counts, of those that are being replaced the last, and those only where
//! none is added (`VariableServiceGetNextVariableInternal()`). All others are dropped when the firmware next reclaims
//! their room, at the latest when it boots.

mod ftw;
mod writer;

pub use self::writer::{NoRoom, Writer};

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use crate::bytes::{u16_at, u32_at, u64_at};
use crate::cper::Guid;

/// Whose the dumps of pstore are (`LINUX_EFI_CRASH_GUID`).
pub const LINUX_CRASH: Guid = Guid::new(0xcfc8_fc79, 0xbe2e, 0x4ddc, [0x97, 0xf0, 0x9f, 0x98, 0xbf, 0xe2, 0x98, 0xa0]);

/// `gEfiAuthenticatedVariableGuid`
const AUTHENTICATED: Guid = Guid::new(0xaaf3_2c78, 0x947b, 0x439a, [0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92]);
/// `gEfiVariableGuid`
const PLAIN: Guid = Guid::new(0xddcf_3616, 0x3275, 0x4164, [0x98, 0xb6, 0xfe, 0x85, 0x70, 0x7f, 0xfe, 0x7d]);

/// A firmware volume's signature, and where it is in its header.
const VOLUME: &[u8; 4] = b"_FVH";
const SIGNATURE_AT: usize = 0x28;
/// `VARIABLE_STORE_HEADER`
const STORE_HEADER: usize = 28;
/// `VARIABLE_STORE_FORMATTED`, `VARIABLE_STORE_HEALTHY`
const FORMATTED: [u8; 2] = [0x5a, 0xfe];
/// `VARIABLE_DATA`
const START: u16 = 0x55aa;
const ERASED: u8 = 0xff;
/// `HEADER_ALIGNMENT`
const ALIGNMENT: usize = 4;

/// More stores than these in one image are not read. An honest one has two: the store, and an old one in the spare block.
const MAX_STORES: usize = 8;
/// More variables than these in one store are not read: OVMF's largest has room for some 4,000.
const MAX_VARIABLES: usize = 1 << 14;
/// More bytes of a name than these are not shown (`EFI_VAR_NAME_LEN` of efivarfs).
const MAX_NAME: usize = 1024;

/// How far the writing, or the deletion, of a variable has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its header was being written: no field of it can be relied on.
    Begun,
    /// `VAR_HEADER_VALID_ONLY`: its name and its data were being written.
    HeaderValid,
    /// `VAR_ADDED`: it is there.
    Added,
    /// `VAR_ADDED` and `VAR_IN_DELETED_TRANSITION`: another value of it was being written.
    Replaced,
    /// `VAR_DELETED`.
    Deleted,
    /// No state that the firmware writes; it takes the variable for none.
    Unknown(u8),
}

impl State {
    const ADDED: u8 = 0x3f;

    const fn of(byte: u8) -> Self {
        match byte {
            0xff => Self::Begun,
            0x7f => Self::HeaderValid,
            Self::ADDED => Self::Added,
            0x3e => Self::Replaced,
            0x3d | 0x3c => Self::Deleted,
            other => Self::Unknown(other),
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun => f.write_str("its header was being written"),
            Self::HeaderValid => f.write_str("its data was being written"),
            Self::Added => f.write_str("it is there"),
            Self::Replaced => f.write_str("it was being replaced"),
            Self::Deleted => f.write_str("it was deleted"),
            Self::Unknown(state) => write!(f, "its state is {state:#04x}, which the firmware never writes"),
        }
    }
}

/// A variable, whole or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable<'a> {
    /// Where its header is in the image.
    pub at: usize,
    /// How far it has come.
    pub state: State,
    /// Its attributes, as EFI numbers them.
    pub attributes: u32,
    /// Whose it is.
    pub vendor: Guid,
    /// Its name, as far as it is there.
    pub name: String,
    /// Its data, as far as the image has it; of one that was being written, with the erased bytes at its end.
    pub data: &'a [u8],
    /// How many bytes of data its header says.
    pub data_size: u32,
    /// Whether the store, or the image, ends before it does.
    pub is_cut: bool,
    /// Whether the firmware's walk comes to it: nothing that is no variable lies before it.
    pub is_reached: bool,
}

impl Variable<'_> {
    /// Bytes of data up to the last that is not erased: of a torn write, those that had been written.
    pub fn written(&self) -> usize {
        self.data.len() - self.data.iter().rev().take_while(|byte| **byte == ERASED).count()
    }
}

/// How the headers of variables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// With the fields of signed variables, 60 bytes: what edk2 makes today.
    Authenticated,
    /// Without them, 32 bytes.
    Plain,
}

impl Format {
    const fn header(self) -> usize {
        match self {
            Self::Authenticated => 60,
            Self::Plain => 32,
        }
    }
}

/// One store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store<'a> {
    /// Where in the image its header is.
    pub at: usize,
    /// How its variables' headers are.
    pub format: Format,
    /// Bytes of it, with its header, as far as the image has them.
    pub bytes: usize,
    /// Bytes of variables of all states, whose room is taken until the firmware reclaims that of the dead ones.
    pub used: usize,
    /// Its variables, in the order in which they were written.
    pub variables: Vec<Variable<'a>>,
    /// What was found wrong, one line each, few of them.
    pub problems: Vec<String>,
}

/// An image of flash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image<'a> {
    /// The store that the firmware takes when it next boots.
    pub store: Store<'a>,
    /// What was found wrong outside of it, one line each.
    pub problems: Vec<String>,
}

/// Why there is no store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EfiStoreError {
    /// No firmware volume has one, and the first bytes are none.
    #[error("there is no firmware volume (_FVH) with a variable store of edk2's in it")]
    None,
    /// There is one, which the firmware takes for damaged.
    #[error("the variable store at {at:#x} is not formatted and healthy: {format:#04x} {state:#04x}, not 0x5a 0xfe")]
    Unhealthy {
        /// Where it is.
        at: usize,
        /// Its format.
        format: u8,
        /// Its state.
        state: u8,
    },
}

/// Whether an image that begins so is a volume or a store.
pub fn begins(head: &[u8]) -> bool {
    head.get(SIGNATURE_AT..SIGNATURE_AT + VOLUME.len()) == Some(VOLUME) || format_at(head, 0).is_some()
}

/// Reads an image: a volume, several, or a store alone. Takes any bytes.
pub fn decode(image: &[u8]) -> Result<Image<'_>, EfiStoreError> {
    let mut unhealthy = None;
    let mut stores = Vec::new();
    for volume in volumes(image) {
        let Some(format) = format_at(image, volume.store) else { continue };
        let state = image.get(volume.store + 20..volume.store + 22).unwrap_or_default();
        if let [format, state] = *state
            && [format, state] != FORMATTED
        {
            unhealthy.get_or_insert(EfiStoreError::Unhealthy { at: volume.store, format, state });
            continue;
        }
        stores.push((volume.store, format, ftw::pending(image.get(volume.range).unwrap_or_default())));
        if stores.len() == MAX_STORES {
            break;
        }
    }
    let &(first, format, pending) = stores.first().ok_or(unhealthy.unwrap_or(EfiStoreError::None))?;
    let mut problems = Vec::new();
    let mut taken = (first, format);
    if let Some(spare_complete) = pending {
        let spare = stores.get(1).filter(|_| spare_complete);
        problems.push(match spare {
            Some((at, ..)) => format!("the firmware was rewriting the store: the next boot takes the copy at {at:#x}"),
            None if spare_complete => {
                "the firmware was rewriting the store, and the copy of it is not there".to_owned()
            }
            None => "the firmware was about to rewrite the store: the next boot keeps the old one".to_owned(),
        });
        taken = spare.map_or(taken, |(at, format, _)| (*at, *format));
    }
    Ok(Image { store: store(image, taken.0, taken.1), problems })
}

/// A firmware volume.
struct Volume {
    /// All of it, as far as its header says.
    range: Range<usize>,
    /// Where its content begins.
    store: usize,
}

/// The volumes of an image, in its order; where it has none at its start, what begins there is tried as a store.
fn volumes(image: &[u8]) -> impl Iterator<Item = Volume> + '_ {
    let bare = format_at(image, 0).map(|_| Volume { range: 0..image.len(), store: 0 });
    // A header is at least that long, and volumes begin where blocks do; eight bytes is the least alignment of all.
    let starts = (0..image.len().saturating_sub(SIGNATURE_AT)).step_by(8);
    let volumes = starts.filter(|at| image.get(at + SIGNATURE_AT..at + SIGNATURE_AT + 4) == Some(VOLUME));
    bare.into_iter().chain(volumes.filter_map(|at| {
        let length = usize::try_from(u64_at(image, at + 0x20)?).unwrap_or(usize::MAX);
        let header = usize::from(u16_at(image, at + 0x30)?);
        let end = at.saturating_add(length).min(image.len());
        Some(Volume { range: at..end, store: at + header })
    }))
}

/// The format of the store whose header is at `at`, if one is.
fn format_at(image: &[u8], at: usize) -> Option<Format> {
    match Guid::at(image, at)? {
        AUTHENTICATED => Some(Format::Authenticated),
        PLAIN => Some(Format::Plain),
        _ => None,
    }
}

fn store(image: &[u8], at: usize, format: Format) -> Store<'_> {
    let said = u32_at(image, at + 16).and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
    let end = at.saturating_add(said).min(image.len());
    let mut problems = Vec::new();
    if end - at < said {
        problems.push(format!("the image ends {} bytes before the store does", said - (end - at)));
    }
    let area = image.get(..end).unwrap_or_default();
    let mut store = Store { at, format, bytes: end - at, used: 0, variables: Vec::new(), problems };
    let mut next = at + STORE_HEADER;
    while let Some((variable, after)) = variable(area, next, format, true) {
        if store.variables.len() == MAX_VARIABLES {
            store.problems.push(format!("it has more than {MAX_VARIABLES} variables: the rest is not read"));
            return store;
        }
        store.variables.push(variable);
        next = after;
    }
    store.used = next.min(end).saturating_sub(at + STORE_HEADER);
    let rest = area.get(next..).unwrap_or_default();
    let torn = rest.len() - rest.iter().rev().take_while(|byte| **byte == ERASED).count();
    if torn > 0 {
        let words = if torn <= format.header() { "a variable was being begun" } else { "something else is" };
        store
            .problems
            .push(format!("{words} at {next:#x}, where the firmware stops reading: {torn} bytes are not erased"));
        behind(&mut store, area, next, next + torn);
    }
    store
}

/// The dumps in what lies behind the place at which the firmware stops.
fn behind<'a>(store: &mut Store<'a>, area: &'a [u8], from: usize, to: usize) {
    let mut at = from;
    while at < to && store.variables.len() < MAX_VARIABLES {
        match variable(area, at, store.format, false) {
            Some((variable, after)) if variable.vendor == LINUX_CRASH && !variable.is_cut => {
                store.variables.push(variable);
                at = after;
            }
            _ => at += ALIGNMENT,
        }
    }
}

/// The variable whose header is at `at`, and where the next one's is.
fn variable(area: &[u8], at: usize, format: Format, is_reached: bool) -> Option<(Variable<'_>, usize)> {
    if u16_at(area, at)? != START {
        return None;
    }
    let header = format.header();
    let field = |from_end: usize| u32_at(area, at + header - from_end);
    let state = State::of(*area.get(at + 2)?);
    let attributes = u32_at(area, at + 4).unwrap_or(u32::MAX);
    let (name_size, data_size) = (field(24).unwrap_or(u32::MAX), field(20).unwrap_or(u32::MAX));
    // NameSizeOfVariable(), DataSizeOfVariable()
    let has_none = state == State::Begun || [attributes, name_size, data_size].contains(&u32::MAX);
    let size = |field: u32| if has_none { 0 } else { usize::try_from(field).unwrap_or(usize::MAX) };
    let name_at = at + header;
    let data_at = name_at.saturating_add(size(name_size));
    let end = data_at.saturating_add(size(data_size));
    let upto = |from: usize, to: usize| area.get(from.min(area.len())..to.min(area.len())).unwrap_or_default();
    let variable = Variable {
        at,
        state,
        attributes,
        vendor: Guid::at(area, at + header - 16).unwrap_or(Guid::ZERO),
        name: name(upto(name_at, data_at)),
        data: upto(data_at, end),
        data_size,
        is_cut: end > area.len(),
        is_reached,
    };
    Some((variable, end.checked_next_multiple_of(ALIGNMENT).unwrap_or(usize::MAX)))
}

/// A name: UTF-16, up to its zero or to what was not written.
fn name(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).take(MAX_NAME / 2).filter_map(|pair| u16_at(pair, 0));
    let units = units.take_while(|unit| *unit != 0 && *unit != u16::MAX);
    char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

impl<'a> Store<'a> {
    /// Where in the image the next variable goes.
    pub const fn end(&self) -> usize {
        self.at + STORE_HEADER + self.used
    }

    /// The variables that the next boot is shown, in its order.
    pub fn shown(&self) -> impl Iterator<Item = &Variable<'a>> {
        let mut chosen: BTreeMap<(Guid, &str), &Variable<'a>> = BTreeMap::new();
        for variable in self.variables.iter().filter(|variable| variable.is_reached && !variable.is_cut) {
            let key = (variable.vendor, variable.name.as_str());
            match (variable.state, chosen.get(&key).map(|chosen| chosen.state)) {
                (State::Added, Some(State::Added)) => {}
                (State::Added, _) | (State::Replaced, None | Some(State::Replaced)) => {
                    chosen.insert(key, variable);
                }
                _ => {}
            }
        }
        let mut shown: Vec<_> = chosen.into_values().collect();
        shown.sort_by_key(|variable| variable.at);
        shown.into_iter()
    }
}

/// What pstore's EFI back end calls a variable (`efi_pstore_write()` in `drivers/firmware/efi/efi-pstore.c`).
///
/// `dump-type<type>-<part>-<count>-<seconds>-<C|D>`, C for compressed, 5.10 to 7.2. Kernels of 2013 have no letter at the
/// end, older ones no count either. The kernel still reads all three (`efi_pstore_read_func()`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DumpName {
    /// What the record is: 0 is a dump of the log (`enum pstore_type_id`).
    pub kind: u32,
    /// Which part of its dump: 1 is the newest text.
    pub part: u32,
    /// Which dump of its boot; 0 where the name does not tell.
    pub count: u32,
    /// When it was written, in Unix seconds.
    pub seconds: u64,
    /// Whether the data is a raw deflate stream.
    pub deflated: bool,
}

impl DumpName {
    /// The kind that is a dump of the log (`PSTORE_TYPE_DMESG`).
    pub const DMESG: u32 = 0;

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        let fields: Vec<&str> = name.strip_prefix("dump-type")?.split('-').collect();
        let (kind, part, count, seconds, letter) = match *fields.as_slice() {
            [kind, part, count, seconds, letter] => (kind, part, count, seconds, letter),
            [kind, part, count, seconds] => (kind, part, count, seconds, "D"),
            [kind, part, seconds] => (kind, part, "0", seconds, "D"),
            _ => return None,
        };
        let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let deflated = match letter {
            "C" => true,
            "D" => false,
            _ => return None,
        };
        let seconds = seconds.parse().ok().filter(|_| seconds.bytes().all(|b| b.is_ascii_digit()))?;
        Some(Self { kind: number(kind)?, part: number(part)?, count: number(count)?, seconds, deflated })
    }
}

#[cfg(test)]
mod tests;
