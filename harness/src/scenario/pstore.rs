//! The back end of a guest's pstore, from what is written of it.

use super::file::{EfiFile, ErstFile, PstoreFile, PstoreGivenFile, RamoopsFile};
use super::units;
use crate::model::pstore::{Backend, Efi, Erst, Ramoops};
use crate::yaml::{At, InputError, Source, UnknownName, visible};

/// A page at least; what fits into one line of the agent's, inflated, at most.
const ZONE_KIB: std::ops::RangeInclusive<u64> = 4..=64;

/// No store is larger, in KiB.
const MOST_USED_KIB: u64 = 256;

/// More dumps of earlier boots than the largest store has room for are no use.
const MOST_DUMPS: u32 = 16;

/// What the kernel takes at least (`EFIVARS_DATA_SIZE_MAX`), and what every build of the firmware takes in one variable, in KiB.
const RECORD_KIB: std::ops::RangeInclusive<u64> = 1..=4;

/// Below this OVMF comes up and does not start the kernel: seen with 64, and not with 96.
pub(super) const EFI_MEMORY_MIB: u32 = 96;

/// The back end that `file` describes.
pub(super) fn backend(source: &Source, file: &At<PstoreFile>) -> Result<Backend, InputError> {
    match &file.value {
        PstoreFile::Named(name) => Backend::named(name)
            .ok_or_else(|| source.unknown(file.mark, &UnknownName::new("back end", visible(name), Backend::NAMES))),
        PstoreFile::Given(given) => match &**given {
            PstoreGivenFile { erst: Some(store), ramoops: None, efi: None } => erst(source, store).map(Backend::Erst),
            PstoreGivenFile { erst: None, ramoops: Some(zones), efi: None } => {
                ramoops(source, zones).map(Backend::Ramoops)
            }
            PstoreGivenFile { erst: None, ramoops: None, efi: Some(store) } => efi(source, store).map(Backend::Efi),
            _ => Err(source.error(file.mark, "a guest's pstore has one back end", None)),
        },
    }
}

fn erst(source: &Source, file: &ErstFile) -> Result<Erst, InputError> {
    let ErstFile { records, used, damaged, foreign } = file;
    let mut erst = Erst::default();
    if let Some(At { value, mark }) = records {
        erst.records = *value;
        if !(1..=Erst::MOST_RECORDS).contains(value) {
            let what = format!("a record store has room for 1 to {} records", Erst::MOST_RECORDS);
            return Err(source.error(*mark, what, None));
        }
    }
    for (written, into) in [(used, &mut erst.used), (damaged, &mut erst.damaged), (foreign, &mut erst.foreign)] {
        *into = written.as_ref().map_or(0, |written| written.value);
    }
    // The last that is said makes it too many.
    let last = [foreign, damaged, used].into_iter().flatten().find(|written| written.value > 0);
    if let Some(At { mark, .. }) = last
        && erst.before() > erst.records
    {
        let what = format!("{} records of earlier boots are too many for a store of {}", erst.before(), erst.records);
        return Err(source.error(*mark, what, None));
    }
    Ok(erst)
}

fn ramoops(source: &Source, file: &RamoopsFile) -> Result<Ramoops, InputError> {
    let RamoopsFile { used, record, records, console, pmsg, ecc } = file;
    let mut zones = Ramoops::default();
    let size = |written: &At<String>| zone(source, written);
    if let Some(written) = record {
        zones.record = size(written)?;
        if zones.record == 0 {
            let hint = "without a zone for dumps there is no channel `pstore`".to_owned();
            return Err(source.error(written.mark, "a dump needs a zone", Some(hint)));
        }
    }
    if let Some(written) = console {
        zones.console = size(written)?;
    }
    if let Some(written) = pmsg {
        zones.pmsg = size(written)?;
    }
    if let Some(At { value, mark }) = records {
        zones.records = *value;
        if !(1..=8).contains(value) {
            return Err(source.error(*mark, "there are 1 to 8 zones for dumps", None));
        }
    }
    if let Some(At { value, mark }) = ecc {
        zones.ecc = *value;
        if *value == 1 || *value > 64 {
            let hint = (*value == 1).then(|| "`ramoops.ecc=1` means 16 to the kernel: write 16".to_owned());
            return Err(source.error(*mark, "a block has 0 or 2 to 64 parity bytes", hint));
        }
    }
    if let Some(At { value, mark }) = used {
        zones.used = *value;
        if *value > zones.records {
            let what = format!("{value} dumps of earlier boots are too many for {} zones", zones.records);
            return Err(source.error(*mark, what, None));
        }
        if *value > 0 && zones.ecc > 0 {
            return Err(source.error(*mark, "zones with parity cannot be filled beforehand", None));
        }
    }
    Ok(zones)
}

/// Whether the store of this machine's firmware has room for what is in it is known only where there is one.
fn efi(source: &Source, file: &EfiFile) -> Result<Efi, InputError> {
    let EfiFile { store, used, dumps, record, read_only } = file;
    let mut efi = Efi::default();
    efi.store = store.unwrap_or(efi.store);
    efi.read_only = read_only.unwrap_or(efi.read_only);
    if let Some(written) = used {
        let fits = |kibibytes| kibibytes <= MOST_USED_KIB;
        efi.used = bytes(source, written, fits, "no store has more than 256KiB")?;
    }
    if let Some(At { value, mark }) = dumps {
        efi.dumps = *value;
        if *value > MOST_DUMPS {
            return Err(source.error(*mark, "no store has room for more than 16 dumps", None));
        }
    }
    if let Some(written) = record {
        let fits = |kibibytes| RECORD_KIB.contains(&kibibytes);
        efi.record = bytes(source, written, fits, "a variable takes 1KiB to 4KiB of a dump")?;
    }
    Ok(efi)
}

/// The size of a zone in bytes; 0 for none.
fn zone(source: &Source, written: &At<String>) -> Result<u32, InputError> {
    let fits = |kibibytes: u64| kibibytes == 0 || kibibytes.is_power_of_two() && ZONE_KIB.contains(&kibibytes);
    bytes(source, written, fits, "a zone is a power of two from 4KiB to 64KiB")
}

/// A size in bytes that is written in KiB, if so many of them fit; `otherwise` says what would.
fn bytes(
    source: &Source,
    written: &At<String>,
    fits: impl Fn(u64) -> bool,
    otherwise: &str,
) -> Result<u32, InputError> {
    let kibibytes =
        units::kibibytes(&written.value).map_err(|bad| source.error(written.mark, bad.cause, Some(bad.hint)))?;
    let bytes = kibibytes.checked_mul(1 << 10).and_then(|bytes| u32::try_from(bytes).ok());
    bytes.filter(|_| fits(kibibytes)).ok_or_else(|| source.error(written.mark, otherwise, None))
}
