//! What is said at the end of a bisection.

use std::process::ExitCode;

use crate::bisect::Conclusion;
use crate::cli::{FOUND, Failure, Global, HOST, Output, print, print_json};
use crate::results::RunInfo;
use crate::session::bisect::Searched;

/// Prints it; 0 if a commit was found, 1 if not, 3 if it was interrupted.
pub fn print_end(global: &Global, searched: &Searched) -> Result<ExitCode, Failure> {
    let RunInfo { qemu, seed, .. } = &searched.info;
    let mut how = qemu.words();
    if !qemu.cold {
        how.extend(["--templates".to_owned(), qemu.templates.to_string()]);
    }
    how.extend(["--seed".to_owned(), seed.to_string()]);
    how.extend(global.qemu.iter().flat_map(|qemu| ["--qemu".to_owned(), qemu.display().to_string()]));
    match global.format {
        Output::Json => print_json(&searched.json(&how))?,
        Output::Text => print(&searched.text(&how))?,
    }
    eprintln!("time: {}", searched.spent);
    Ok(match searched.conclusion {
        Some(Conclusion::Found { .. } | Conclusion::Candidates { .. }) => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(FOUND),
        None => {
            eprintln!("to go on: harness bisect --resume {}", searched.run.id());
            ExitCode::from(HOST)
        }
    })
}
