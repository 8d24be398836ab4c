//! EFI firmware, for guests whose pstore writes EFI variables.

use super::finding::{Finding, Status};
use super::host::Options;
use crate::firmware::PACKAGE;
use crate::model::pstore::EfiStore;

/// Which stores of variables there is firmware for. Only guests that write EFI variables need any.
pub(super) fn check(options: &Options) -> Finding {
    let found = EfiStore::ALL.map(|store| (store, options.host.firmware.find(store)));
    let of_store: Vec<String> = found
        .iter()
        .map(|(store, pair)| match pair {
            Ok(pair) => format!("{} store: {}", store.name(), pair.code.display()),
            Err(_) => format!("no {} store", store.name()),
        })
        .collect();
    let new = |status, detail| Finding::new("efi-firmware", "EFI firmware", status, detail);
    match found.into_iter().find(|(store, _)| *store == EfiStore::default()) {
        Some((_, Err(why))) => {
            let detail =
                format!("guests cannot write EFI variables (`pstore: efi`): {}", why.to_string().replace('\n', ";"));
            new(Status::Warn, detail).in_packages(&[PACKAGE])
        }
        _ => new(Status::Ok, of_store.join(", ")),
    }
}
