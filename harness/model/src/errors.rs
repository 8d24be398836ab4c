//! What functions of the kernel's and of the firmware return when they fail, by name.

/// Errors of the kernel's that its drivers return (`include/uapi/asm-generic/errno-base.h`, `errno.h`), negated as there.
const ERRORS: [(&str, i64); 22] = [
    ("EPERM", -1),
    ("ENOENT", -2),
    ("EINTR", -4),
    ("EIO", -5),
    ("ENXIO", -6),
    ("E2BIG", -7),
    ("EBADF", -9),
    ("EAGAIN", -11),
    ("ENOMEM", -12),
    ("EACCES", -13),
    ("EFAULT", -14),
    ("EBUSY", -16),
    ("EEXIST", -17),
    ("ENODEV", -19),
    ("EINVAL", -22),
    ("EFBIG", -27),
    ("ENOSPC", -28),
    ("EROFS", -30),
    ("ERANGE", -34),
    ("ENOSYS", -38),
    ("EOPNOTSUPP", -95),
    ("ETIMEDOUT", -110),
];

/// Of a status of EFI's that is an error this bit is set, in 64 bits (UEFI 2.10, appendix D).
const EFI_ERROR: i64 = i64::MIN;

/// Errors of EFI's.
const STATUSES: [(&str, i64); 13] = [
    ("EFI_LOAD_ERROR", EFI_ERROR + 1),
    ("EFI_INVALID_PARAMETER", EFI_ERROR + 2),
    ("EFI_UNSUPPORTED", EFI_ERROR + 3),
    ("EFI_BAD_BUFFER_SIZE", EFI_ERROR + 4),
    ("EFI_BUFFER_TOO_SMALL", EFI_ERROR + 5),
    ("EFI_NOT_READY", EFI_ERROR + 6),
    ("EFI_DEVICE_ERROR", EFI_ERROR + 7),
    ("EFI_WRITE_PROTECTED", EFI_ERROR + 8),
    ("EFI_OUT_OF_RESOURCES", EFI_ERROR + 9),
    ("EFI_NOT_FOUND", EFI_ERROR + 14),
    ("EFI_TIMEOUT", EFI_ERROR + 18),
    ("EFI_ABORTED", EFI_ERROR + 21),
    ("EFI_SECURITY_VIOLATION", EFI_ERROR + 26),
];

/// The largest error of the kernel's (`MAX_ERRNO`).
pub const MAX_ERRNO: i64 = 4095;

/// The error that is called so, as a function returns it.
pub fn error_named(name: &str) -> Option<i64> {
    ERRORS.iter().chain(&STATUSES).find(|(known, _)| *known == name).map(|(_, error)| *error)
}

/// An error as a function returns it, in words: `-28 (ENOSPC)`, `EFI_DEVICE_ERROR`.
pub fn error_in_words(error: i64) -> String {
    let name = |table: &[(&'static str, i64)]| table.iter().find(|(_, known)| *known == error).map(|(name, _)| *name);
    match (name(&ERRORS), name(&STATUSES)) {
        (Some(name), _) => format!("{error} ({name})"),
        (None, Some(name)) => name.to_owned(),
        (None, None) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names() {
        for (name, error, words) in [
            ("ENOSPC", -28, "-28 (ENOSPC)"),
            ("EBUSY", -16, "-16 (EBUSY)"),
            ("EFI_DEVICE_ERROR", i64::MIN + 7, "EFI_DEVICE_ERROR"),
        ] {
            assert_eq!(error_named(name), Some(error));
            assert_eq!(error_in_words(error), words);
        }
        assert_eq!((error_named("ESOME"), error_named("-28")), (None, None));
        assert_eq!(error_in_words(-4000), "-4000");
    }

    #[test]
    fn no_name_and_no_error_stands_twice() {
        let all: Vec<_> = ERRORS.iter().chain(&STATUSES).collect();
        let names: std::collections::BTreeSet<_> = all.iter().map(|(name, _)| *name).collect();
        let errors: std::collections::BTreeSet<_> = all.iter().map(|(_, error)| *error).collect();
        assert_eq!((names.len(), errors.len()), (all.len(), all.len()));
    }
}
