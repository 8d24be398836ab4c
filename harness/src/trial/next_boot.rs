//! What the next boot of the same kernel finds of what a guest's pstore kept.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;

use harness_protocol::{Directive, directive};

use super::BOOT_PATIENCE;
use super::guest_source::GuestSource;
use crate::guest::{Artifacts, Given, Guest, GuestError, PstoreFile, RAMOOPS_ADDRESS, Ram, RamoopsMemory};

/// Boots a guest, from its first instruction, that has the record store, the EFI variables and the memory of ramoops as another
/// one left them, and has it send the files of its `/sys/fs/pstore`.
pub(super) async fn read(guests: &GuestSource, artifacts: &Artifacts) -> Result<Vec<PstoreFile>, GuestError> {
    let folder = guests.scratch_dirs.folder().map_err(io("create a folder for the next boot"))?;
    let erst = folder.path().join("left-erst");
    std::fs::write(&erst, &artifacts.erst).map_err(io(&format!("write {}", erst.display())))?;
    let path = folder.path().join("left-ram");
    let ram = match &artifacts.ramoops {
        Some(RamoopsMemory { bytes, .. }) => {
            let size = u64::from(guests.machine.memory_mib) << 20;
            let written = File::create_new(&path).and_then(|ram| {
                ram.set_len(size)?;
                let at = guests.machine.ram_offset(RAMOOPS_ADDRESS, bytes.len() as u64);
                ram.write_all_at(bytes, at.ok_or(ErrorKind::InvalidInput)?)
            });
            written.map_err(io(&format!("write {}", path.display())))?;
            Ram::CopyOnWrite(&path)
        }
        None => Ram::Private,
    };
    let vars = artifacts.vars.as_ref().map(|vars| (folder.path().join("left-vars"), &vars.bytes));
    if let Some((path, bytes)) = &vars {
        std::fs::write(path, bytes).map_err(io(&format!("write {}", path.display())))?;
    }
    let start = guests.next_boot(&erst, vars.as_ref().map(|(path, _)| path.as_path()), ram);
    let directives = directive::text(&[Directive::ReadPstore]);
    let given = Given { directives: Some(&directives), ..Given::default() };
    let mut guest = Guest::start(&guests.machine, start, given, folder.path(), None, None).await?;
    guest.pstore_files(BOOT_PATIENCE).await
}

fn io(what: &str) -> impl FnOnce(std::io::Error) -> GuestError {
    let what = what.to_owned();
    move |source| GuestError::Io { what, source }
}
