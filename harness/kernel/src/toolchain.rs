//! The tools that decide what a kernel's code is, and those without which there is none.

use super::process::{ask, program};
use super::{Canceller, KernelError, ToolRecord};

/// What a kernel's build runs, besides the compiler and the linker.
const NEEDED: [&str; 8] = ["make", "as", "flex", "bison", "bc", "tar", "xz", "patch"];

/// Variables by which a shell's environment tells a kernel's make what to build with.
const OF_THE_SHELL: [&str; 13] = [
    "ARCH",
    "AR",
    "AS",
    "CC",
    "CROSS_COMPILE",
    "HOSTCC",
    "HOSTCFLAGS",
    "KAFLAGS",
    "KCFLAGS",
    "KCPPFLAGS",
    "LD",
    "LLVM",
    "LLVM_IAS",
];

/// Those of a shell's variables that a build by hand would go by, and that count for nothing here: a kernel is what its key
/// says. As a note for the user.
pub fn ignored_variables(environment: impl Fn(&str) -> Option<String>) -> Option<String> {
    let set = OF_THE_SHELL.iter().filter_map(|name| Some((name, environment(name).filter(|value| !value.is_empty())?)));
    let set: Vec<String> = set.map(|(name, value)| format!("{name}={}", value.escape_debug())).collect();
    let (which, how) = match set.as_slice() {
        [] => return None,
        [_] => ("does", "it is given by --make-arg"),
        _ => ("do", "they are given by --make-arg"),
    };
    Some(format!("note: {} of the environment {which} not count for kernels; {how}", set.join(", ")))
}

/// The compiler and the linker, each with the words that it is called by.
#[derive(Debug, PartialEq, Eq)]
struct Tools {
    compiler: Vec<String>,
    linker: Vec<String>,
}

impl Tools {
    /// Those that the kernel's Makefile takes with these arguments.
    fn of(arguments: &[String]) -> Self {
        let value = |name: &str| {
            let of = |argument: &String| Some(argument.strip_prefix(name)?.strip_prefix('=')?.to_owned());
            arguments.iter().rev().find_map(of)
        };
        let (compiler, linker) = if let Some(llvm) = value("LLVM").filter(|llvm| !llvm.is_empty()) {
            let prefix = if llvm.ends_with('/') { llvm.as_str() } else { "" };
            let suffix = if llvm.starts_with('-') { llvm.as_str() } else { "" };
            (format!("{prefix}clang{suffix}"), format!("{prefix}ld.lld{suffix}"))
        } else {
            let prefix = value("CROSS_COMPILE").unwrap_or_default();
            (format!("{prefix}gcc"), format!("{prefix}ld"))
        };
        let words =
            |named: Option<String>, own: String| named.unwrap_or(own).split_whitespace().map(str::to_owned).collect();
        Self { compiler: words(value("CC"), compiler), linker: words(value("LD"), linker) }
    }
}

/// The compiler and the linker that make takes with these arguments, as they name themselves.
pub(super) fn identify(arguments: &[String], canceller: &Canceller) -> Result<ToolRecord, KernelError> {
    let Tools { compiler, linker } = Tools::of(arguments);
    let version = |words: &[String]| -> Result<String, KernelError> {
        let (name, further) =
            words.split_first().map_or(("", [].as_slice()), |(name, further)| (name.as_str(), further));
        let answer = ask(program(name).args(further).arg("--version"), canceller, "finding the compiler")?;
        Ok(answer.lines.first().map(|line| line.trim().to_owned()).unwrap_or_default())
    };
    Ok(ToolRecord { compiler: version(&compiler)?, linker: version(&linker)? })
}

/// Checks that the other programs are there, since a build says so only late and in many words.
pub(super) fn check() -> Result<(), KernelError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |program: &&str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    match NEEDED.iter().find(|program| !there(program)) {
        None => Ok(()),
        Some(program) => Err(KernelError::tool_missing("building a kernel", (*program).to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_those_that_the_kernels_makefile_takes() {
        for (arguments, compiler, linker) in [
            (&[][..], "gcc", "ld"),
            (&["LLVM=1"], "clang", "ld.lld"),
            (&["LLVM=-14"], "clang-14", "ld.lld-14"),
            (&["LLVM=/opt/llvm/bin/"], "/opt/llvm/bin/clang", "/opt/llvm/bin/ld.lld"),
            (&["CROSS_COMPILE=x86_64-linux-gnu-"], "x86_64-linux-gnu-gcc", "x86_64-linux-gnu-ld"),
            (&["CC=gcc-13", "KCFLAGS=-O3"], "gcc-13", "ld"),
            (&["CC=ccache gcc"], "ccache gcc", "ld"),
            (&["LLVM=1", "LD=ld.bfd", "CC=a", "CC=ccache clang"], "ccache clang", "ld.bfd"),
        ] {
            let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
            let Tools { compiler: cc, linker: ld } = Tools::of(&arguments);
            assert_eq!((cc.join(" ").as_str(), ld.join(" ").as_str()), (compiler, linker), "{arguments:?}");
        }
    }

    #[test]
    fn what_the_shell_says_is_told_not_to_count() {
        let ignored = |set: &'static [(&str, &str)]| {
            let value = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            ignored_variables(value)
        };
        assert_eq!(ignored(&[("PATH", "/bin"), ("CC", "")]), None);
        assert_eq!(
            ignored(&[("LLVM", "1")]).as_deref(),
            Some("note: LLVM=1 of the environment does not count for kernels; it is given by --make-arg")
        );
        assert_eq!(
            ignored(&[("KCFLAGS", "-O3"), ("CC", "clang")]).as_deref(),
            Some(
                "note: CC=clang, KCFLAGS=-O3 of the environment do not count for kernels; they are given by --make-arg"
            )
        );
    }
}
