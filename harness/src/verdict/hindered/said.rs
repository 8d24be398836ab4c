//! What the kernel says in its log of its own dumps (`pstore_dump()`, `fs/pstore/platform.c`).

use crate::verdict::tail::PANIC;

/// What it said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// In which path it skipped the dump of the panic: another one had pstore's lock.
    pub skipped: Option<String>,
    /// That the panic's dump could not be written: the back end's name, and the first error.
    pub error: Option<(String, i64)>,
    /// That an earlier one could not be. It is said once in a boot.
    pub error_before: Option<(String, i64)>,
}

impl Said {
    /// What a log has, oldest line first.
    pub fn of(log: &str) -> Self {
        let mut said = Self::default();
        let mut panicked = false;
        for line in log.lines() {
            panicked |= line.contains(PANIC);
            let Some((_, message)) = line.split_once("pstore: ") else { continue };
            if let Some(path) = skipped(message).filter(|_| panicked) {
                said.skipped = Some(path.to_owned());
            }
            if let Some(error) = writing_error(message) {
                let place = if panicked { &mut said.error } else { &mut said.error_before };
                *place = Some(error);
            }
        }
        said
    }
}

/// `dump skipped in Panic path because of concurrent dump`
fn skipped(message: &str) -> Option<&str> {
    let (path, _) = message.strip_prefix("dump skipped in ")?.split_once(" path")?;
    path.chars().all(char::is_alphanumeric).then_some(path)
}

/// `backend (efi_pstore) writing error (-16)`
fn writing_error(message: &str) -> Option<(String, i64)> {
    let (backend, rest) = message.strip_prefix("backend (")?.split_once(") writing error (")?;
    let (error, _) = rest.split_once(')')?;
    let known = backend.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') && backend.len() <= 32;
    Some((backend.to_owned(), error.parse().ok()?)).filter(|_| known)
}
