//! What builds kernels and the guest's agent: programs are run, headers and libraries compiled against.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::task::JoinSet;

use super::finding::{Finding, Status};
use super::host::{Host, Options, nearest};
use super::run::run;

/// A program that a kernel build calls, found by recording every program that a build of Linux 6.12 with the guest's
/// config starts: it wants neither perl nor Python, nor OpenSSL. Or one that unpacks and patches the source. What is
/// there on any machine (coreutils, sed, grep, find, diff) is not asked for.
struct Tool {
    name: &'static str,
    /// Makes it run and say what it is.
    args: &'static [&'static str],
    packages: &'static [&'static str],
}

const TOOLS: [Tool; 13] = [
    Tool { name: "gcc", args: &["--version"], packages: &["gcc", "libc6-dev"] },
    Tool { name: "as", args: &["--version"], packages: &["binutils"] },
    Tool { name: "ld", args: &["--version"], packages: &["binutils"] },
    Tool { name: "objcopy", args: &["--version"], packages: &["binutils"] },
    Tool { name: "make", args: &["--version"], packages: &["make"] },
    Tool { name: "flex", args: &["--version"], packages: &["flex"] },
    Tool { name: "bison", args: &["--version"], packages: &["bison"] },
    Tool { name: "bc", args: &["--version"], packages: &["bc"] },
    // mawk, which Debian has, knows no --version.
    Tool { name: "awk", args: &["BEGIN { print \"runs\" }"], packages: &["mawk"] },
    Tool { name: "gzip", args: &["--version"], packages: &["gzip"] },
    Tool { name: "tar", args: &["--version"], packages: &["tar"] },
    Tool { name: "xz", args: &["--version"], packages: &["xz-utils"] },
    Tool { name: "patch", args: &["--version"], packages: &["patch"] },
];

/// A C program that has to compile, link and run.
struct Program {
    id: &'static str,
    title: &'static str,
    source: &'static str,
    flags: &'static [&'static str],
    packages: &'static [&'static str],
    /// What it is for, to be shown when all is well.
    purpose: &'static str,
    /// Whether that is something of the harness's own, rather than a kernel.
    of_parts: bool,
}

const PROGRAMS: [Program; 2] = [
    Program {
        id: "libelf",
        title: "libelf",
        source: "#include <libelf.h>\n#include <gelf.h>\nint main(void) { return elf_version(EV_CURRENT) == EV_NONE; }\n",
        flags: &["-lelf"],
        packages: &["libelf-dev"],
        purpose: "compiled, linked and ran (for objtool)",
        of_parts: false,
    },
    Program {
        id: "static-libc",
        title: "static libc",
        source: "#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n",
        flags: &["-static"],
        packages: &["libc6-dev"],
        purpose: "compiled, linked and ran (for the guest's agent)",
        of_parts: true,
    },
];

/// The version of Rust that the agent's crate asks for.
const RUST_MINIMUM: &str = env!("CARGO_PKG_RUST_VERSION");

/// Runs every tool, compiles every program, of those that what is to be built needs.
pub(super) async fn check(options: &Options) -> Vec<Finding> {
    let host = Arc::new(options.host.clone());
    let cache: Arc<Path> = nearest(&options.cache).into();
    // All at once; each finding keeps its place.
    let mut running = JoinSet::new();
    for (place, tool) in TOOLS.iter().enumerate().filter(|_| options.builds_kernels) {
        let host = Arc::clone(&host);
        running.spawn(async move { (place, check_tool(&host, tool).await) });
    }
    let needed = |program: &Program| if program.of_parts { options.builds_parts } else { options.builds_kernels };
    for (place, program) in PROGRAMS.iter().enumerate().filter(|(_, program)| needed(program)) {
        let (host, cache) = (Arc::clone(&host), Arc::clone(&cache));
        running.spawn(async move { (TOOLS.len() + place, check_program(&host, &cache, program).await) });
    }
    if options.builds_parts {
        running.spawn(async move { (TOOLS.len() + PROGRAMS.len(), check_cargo(&host).await) });
    }
    let mut findings = running.join_all().await;
    findings.sort_by_key(|(place, _)| *place);
    findings.into_iter().map(|(_, finding)| finding).collect()
}

async fn check_tool(host: &Host, tool: &Tool) -> Finding {
    let (status, detail) = match ask(host, tool.name, tool.args).await {
        Ok(said) => (Status::Ok, said),
        Err(why) => (Status::Fail, why),
    };
    let finding = Finding::new(format!("tool-{}", tool.name), tool.name, status, detail);
    if status == Status::Fail { finding.in_packages(tool.packages) } else { finding }
}

/// What a program says when it is run, in one line; or why it does not run.
async fn ask(host: &Host, name: &str, args: &[&str]) -> Result<String, String> {
    let path = host.find(name).ok_or_else(|| format!("{name} is not to be found"))?;
    let mut command = host.command(&path);
    command.args(args);
    let answer = run(command, host.patience.tool).await.map_err(|why| format!("{} {why}", path.display()))?;
    if answer.status.success() {
        Ok(answer.first_line())
    } else {
        Err(format!("{} does not run: {}", path.display(), answer.complaint()))
    }
}

async fn check_program(host: &Host, cache: &Path, program: &Program) -> Finding {
    let new = |status, detail| Finding::new(program.id, program.title, status, detail);
    let folder = match written(cache, program.source) {
        Ok(folder) => folder,
        Err(e) => return new(Status::Fail, format!("a test program cannot be written to {}: {e}", cache.display())),
    };
    if let Err(why) = compile(host, folder.path(), program).await {
        return new(Status::Fail, why).in_packages(program.packages);
    }
    match run(host.command(folder.path().join("test")), host.patience.tool).await {
        Ok(answer) if answer.status.success() => new(Status::Ok, program.purpose.to_owned()),
        Ok(answer) => new(Status::Fail, format!("a compiled test program fails: {}", answer.complaint())),
        Err(why) => new(Status::Fail, format!("a compiled test program in {} {why}", cache.display())),
    }
}

async fn compile(host: &Host, folder: &Path, program: &Program) -> Result<(), String> {
    let gcc = host.find("gcc").ok_or("not tried: there is no gcc for it")?;
    let mut command = host.command(&gcc);
    command.current_dir(folder).args(["-o", "test", "test.c"]).args(program.flags);
    let answer = run(command, host.patience.tool).await.map_err(|why| format!("the compiler {why}"))?;
    if answer.status.success() {
        return Ok(());
    }
    Err(format!("a test program does not compile and link: {}", fault(&answer.stderr, answer.complaint())))
}

/// A kernel's build runs programs that it has compiled in the cache: what is tried is tried there.
fn written(cache: &Path, source: &str) -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix(".harness-compile-").tempdir_in(cache)?;
    std::fs::write(folder.path().join("test.c"), source)?;
    Ok(folder)
}

/// The line of a compiler's or linker's complaints that says what is wrong: before it they say where.
fn fault(said: &str, otherwise: String) -> String {
    let tells = |line: &&str| line.contains("error: ") || line.contains("cannot find");
    said.lines().find(tells).map_or(otherwise, super::run::shown)
}

/// The guest's agent is built by cargo, which Debian's may be too old for.
async fn check_cargo(host: &Host) -> Finding {
    let new = |status, detail| Finding::new("cargo", "cargo", status, detail);
    match ask(host, "cargo", &["--version"]).await {
        Ok(said) if new_enough(&said, RUST_MINIMUM) => new(Status::Ok, said),
        Ok(said) => {
            let finding = new(Status::Fail, format!("`{said}` is older than Rust {RUST_MINIMUM}"));
            if host.find("rustup").is_some() { finding.fixed_by("rustup update stable") } else { by_rustup(finding) }
        }
        Err(why) => by_rustup(new(Status::Fail, why)),
    }
}

fn by_rustup(finding: Finding) -> Finding {
    finding.fixed_by("curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y")
}

/// Whether `cargo 1.95.0 (f2d3ce0bd 2026-03-21)` is at least the version `1.89`.
fn new_enough(said: &str, minimum: &str) -> bool {
    let numbers = |version: &str| -> Option<Vec<u32>> {
        version.split(['.', '-']).take(2).map(|number| number.parse().ok()).collect()
    };
    let Some(version) = said.split_whitespace().nth(1) else { return false };
    numbers(version).is_some_and(|have| numbers(minimum).is_some_and(|need| have >= need))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_cargo() {
        assert!(new_enough("cargo 1.95.0 (f2d3ce0bd 2026-03-21)", "1.89"));
        assert!(new_enough("cargo 1.89.0", "1.89"));
        assert!(new_enough("cargo 1.100.0-nightly", "1.89"));
        assert!(!new_enough("cargo 1.63.0", "1.89"));
        assert!(!new_enough("cargo", "1.89"));
        assert!(!new_enough("cargo x.y", "1.89"));
    }

    #[test]
    fn the_compilers_line_with_the_fault_is_shown() {
        let said = "test.c:1:10: fatal error: libelf.h: No such file or directory\n    1 | #include <libelf.h>\n";
        assert_eq!(fault(said, String::new()), "test.c:1:10: fatal error: libelf.h: No such file or directory");
        let said =
            "/usr/bin/ld: cannot find -lelf: No such file or directory\ncollect2: error: ld returned 1 exit status\n";
        assert_eq!(fault(said, String::new()), "/usr/bin/ld: cannot find -lelf: No such file or directory");
        assert_eq!(fault("", "exit status: 1".to_owned()), "exit status: 1");
    }
}
