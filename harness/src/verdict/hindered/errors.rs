//! What the errors of pstore's back ends mean.

/// Before this version `efi_status_to_err()` was not asked: whatever failed was an I/O error (mainline commit 7c23b186ab89,
/// which stable kernels have taken too).
const EFI_TELLS_SINCE: (u32, u32) = (6, 10);

/// What an error means that a back end of a kernel of this version returns, if that is known.
///
/// Sources: `erst_write()` and `erst_errno()` in `drivers/acpi/apei/erst.c`, `ramoops_pstore_write()` in
/// `fs/pstore/ram.c`, `efi_pstore_write()` in `drivers/firmware/efi/efi-pstore.c` with `efi_status_to_err()` in `efi.c`.
pub fn meaning(backend: &str, error: i64, linux: (u32, u32)) -> Option<&'static str> {
    match backend {
        "erst" => erst(error),
        "ramoops" => ramoops(error),
        // The module's name, since 6.2.
        "efi" | "efi_pstore" => efi(error, linux),
        _ => None,
    }
}

fn erst(error: i64) -> Option<&'static str> {
    Some(match error {
        -5 => "the firmware did not finish in time",
        -16 => "erst_lock was taken",
        -19 => "the firmware's store is not there",
        -22 => "the firmware refused the record, or it is larger than the store takes",
        -28 => "the store is full, or its slots are too small for the record",
        _ => return None,
    })
}

fn ramoops(error: i64) -> Option<&'static str> {
    Some(match error {
        -12 => "there was no room for the record's header",
        -28 => {
            "of a dump ramoops keeps the first part alone, and returns that for any further one; or it has no zone for dumps"
        }
        _ => return None,
    })
}

fn efi(error: i64, linux: (u32, u32)) -> Option<&'static str> {
    Some(match error {
        -16 => "efivars_lock was taken",
        -5 if linux < EFI_TELLS_SINCE => {
            "anything but a taken efivars_lock: a kernel of this version tells no errors of the firmware apart"
        }
        -2 => "the firmware found no such variable",
        -4 => "the firmware gave up",
        -5 => "the firmware's device failed",
        -13 => "the firmware allows nobody to write it",
        -22 => "efi_runtime_lock was taken, or the firmware gave a status that the kernel has no error for",
        -28 => "the store has no room, apart from the 5 KiB that the kernel leaves free",
        -30 => "the firmware's store is write-protected",
        _ => return None,
    })
}
