//! The back end of a guest's pstore, from what is written of it.

use super::file::{PstoreFile, RamoopsFile};
use super::units;
use crate::model::pstore::{Backend, Ramoops};
use crate::yaml::{At, InputError, Source};

/// A page at least; what fits into one line of the agent's, inflated, at most.
const ZONE_KIB: std::ops::RangeInclusive<u64> = 4..=64;

/// The back end that `file` describes.
pub(super) fn backend(source: &Source, file: &PstoreFile) -> Result<Backend, InputError> {
    let PstoreFile::Ramoops(RamoopsFile { record, records, console, pmsg, ecc }) = file else {
        return Ok(Backend::Erst);
    };
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
    Ok(Backend::Ramoops(zones))
}

/// The size of a zone in bytes; 0 for none.
fn zone(source: &Source, written: &At<String>) -> Result<u32, InputError> {
    let kibibytes =
        units::kibibytes(&written.value).map_err(|bad| source.error(written.mark, bad.cause, Some(bad.hint)))?;
    let fits = kibibytes == 0 || kibibytes.is_power_of_two() && ZONE_KIB.contains(&kibibytes);
    let bytes = u32::try_from(kibibytes << 10).ok().filter(|_| fits);
    bytes.ok_or_else(|| source.error(written.mark, "a zone is a power of two from 4KiB to 64KiB", None))
}
