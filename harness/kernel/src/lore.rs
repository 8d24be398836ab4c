//! Threads of the archive of the mailing lists, fetched by b4, which knows how.

use std::path::{Path, PathBuf};

use super::process::{program, run_quiet};
use super::thread::{Chosen, Refusal};
use super::{Canceller, KernelError, mailbox};

/// Where a mail is.
pub(super) fn address(id: &str) -> String {
    format!("https://lore.kernel.org/all/{}/", plain(id))
}

/// Without the brackets that it has in a mail.
fn plain(id: &str) -> &str {
    id.trim().trim_start_matches('<').trim_end_matches('>')
}

/// Fetches the thread of a mail and reads the series with it.
pub(super) fn read(id: &str, scratch: &Path, canceller: &Canceller) -> Result<Chosen, KernelError> {
    let (id, from) = (plain(id), PathBuf::from(address(id)));
    let mut b4 = program("b4");
    // It has settings and a cache of its own, and perhaps a proxy between it and the archive.
    let names =
        ["https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"];
    b4.envs(names.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    b4.args(["mbox", "-o"]).arg(scratch).args(["-n", "thread.mbx", "--", id]);
    let doing = format!("fetching the thread of <{id}>");
    let (status, said) = run_quiet(&mut b4, canceller, &doing).map_err(|error| match error {
        KernelError::ToolMissing { .. } => KernelError::NoB4 { id: id.to_owned() },
        error => error,
    })?;
    if !status.success() {
        // Above it may stand a trace of its own calls.
        let said = said.trim().lines().last().unwrap_or("it does not say why").to_owned();
        return Err(KernelError::NotFetched { id: id.to_owned(), said });
    }
    mailbox::read(&scratch.join("thread.mbx"), Some(id)).map_err(|error| match error {
        KernelError::Series { cause, hint, .. } => KernelError::refused(&from, Refusal { cause, hint }),
        error => error,
    })
}
