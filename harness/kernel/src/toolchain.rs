//! The tools that decide what a kernel's code is, and those without which there is none.

use super::process::{ask, package_of, program};
use super::{Canceller, KernelError, ToolRecord};

/// What a kernel's build runs, besides the compiler and the linker.
const NEEDED: [&str; 8] = ["make", "as", "flex", "bison", "bc", "tar", "xz", "patch"];

/// The compiler and the linker, as they name themselves.
pub(super) fn identify(canceller: &Canceller) -> Result<ToolRecord, KernelError> {
    let version = |tool: &str| -> Result<String, KernelError> {
        let answer = ask(program(tool).arg("--version"), canceller, "finding the compiler")?;
        Ok(answer.lines.first().map(|line| line.trim().to_owned()).unwrap_or_default())
    };
    Ok(ToolRecord { compiler: version("gcc")?, linker: version("ld")? })
}

/// Checks that the other programs are there, since a build says so only late and in many words.
pub(super) fn check() -> Result<(), KernelError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |program: &&str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    match NEEDED.iter().find(|program| !there(program)) {
        None => Ok(()),
        Some(program) => Err(KernelError::ToolMissing {
            doing: "building a kernel".to_owned(),
            program: (*program).to_owned(),
            package: package_of(program),
        }),
    }
}
