//! What a guest's pstore kept, whichever its back end is.

use crate::evidence::pstore;
use crate::evidence::ramoops::{self, Reading};
use crate::guest::{Artifacts, RamoopsMemory};

/// Reads it from where the guest's kernel was told to write it.
pub(super) fn read(artifacts: &Artifacts) -> Reading {
    match &artifacts.ramoops {
        Some(RamoopsMemory { zones, bytes }) => ramoops::decode(bytes, zones),
        None => Reading {
            pstore: pstore::from_erst_file(&artifacts.erst),
            corrections: Vec::new(),
            console: None,
            pmsg: None,
        },
    }
}
