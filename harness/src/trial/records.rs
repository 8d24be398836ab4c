//! What a guest's pstore kept, whichever its back end is.

use crate::evidence::pstore;
use crate::evidence::ramoops::{self, Reading};
use crate::guest::{RamoopsMemory, Remains};

/// Reads it from where the guest's kernel was told to write it.
pub(super) fn read(remains: &Remains) -> Reading {
    match &remains.ramoops {
        Some(RamoopsMemory { zones, bytes }) => ramoops::decode(bytes, zones),
        None => Reading {
            pstore: pstore::from_erst_file(&remains.erst),
            corrections: Vec::new(),
            console: None,
            pmsg: None,
        },
    }
}
