//! `cargo xtask`: the project's chores. `cargo xtask test` is the test command of the README and of CI.

mod checkpatch;
mod debian;
mod dist;
mod kernel_source;
mod kvm;
mod qemus;
mod root;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};

/// Chores of the project.
#[derive(Debug, Parser)]
struct Xtask {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Install what is missing, then check format, lints and docs, and run every test, those on real guests among them
    Test {
        /// Which tests, if not all
        tier: Option<Tier>,
    },
    /// The checks that need neither kernels nor guests: format, the kernel's own checkpatch.pl, clippy, docs
    Lint,
    /// The tests on the kernels besides 6.12, which fetch and build three more: some 20 minutes once
    Versions,
    /// Measure how fast trials are, beside the least they could cost; further arguments go to `harness bench`
    Bench {
        /// e.g. --format json
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run thousands of trials while harness and QEMU are killed and stopped, disks are full and the clock jumps, and look
    /// whether anything is lost or left: some half an hour, and not in CI
    Soak {
        /// e.g. --seed 2 --free 1000 --guests 30
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run the harness with KVM in a Debian machine under TCG, and compare the outcomes with TCG's: some minutes, as root, and
    /// not in CI
    Kvm,
    /// Run the tests on guests with newer QEMUs, of other suites of Debian, and measure these beside this machine's: an hour,
    /// as root, and not in CI
    Qemus,
    /// Make what is handed out: a tarball and a Debian package with a static program, in target/dist/
    Dist,
    /// Install that package in a Debian root that has QEMU and no compiler, and run a packed suite there: as root, and not in
    /// CI
    Root,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Tier {
    /// Only the tests that need neither kernels nor guests; installs nothing
    Quick,
}

fn main() -> ExitCode {
    let done = match Xtask::parse().chore {
        Chore::Test { tier: None } => test(),
        Chore::Test { tier: Some(Tier::Quick) } => quick(),
        Chore::Lint => lint(),
        Chore::Versions => versions(),
        Chore::Bench { arguments } => bench(&arguments),
        Chore::Soak { arguments } => soak(&arguments),
        Chore::Kvm => kvm::run(),
        Chore::Qemus => qemus::run(),
        Chore::Dist => dist::run().map(drop),
        Chore::Root => root::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The steps in the order in which they fail soonest: what is cheap first, but what has to be installed before all.
fn test() -> Result<()> {
    set_up()?;
    lint()?;
    // Tests that crash guests build their kernels themselves, in the cache. Those that need neither come before them.
    // Here no program that reads the harness's reports may be missing.
    let kunit = kernel_source()?.join(kernel_source::KUNIT);
    let mut tests = cargo(&["test", "--workspace", "--locked"]);
    step("tests", tests.env("HARNESS_READERS", "all").env("HARNESS_KUNIT", kunit))
}

/// Unit tests and the integration tests of `it`: what needs a kernel or a guest is in another binary, `on_guests`.
fn quick() -> Result<()> {
    step("quick tests", cargo(&["test", "--workspace", "--locked", "--lib", "--bins", "--test", "it"]))
}

fn lint() -> Result<()> {
    step("format", cargo(&["fmt", "--all", "--check"]))?;
    step("crashlab under checkpatch.pl", checkpatch::check(&kernel_source()?.join(kernel_source::CHECKPATCH))?)?;
    step("lints", cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]))?;
    // `--all-targets` leaves out what `cargo test` does.
    let soak = ["clippy", "--package", "harness", "--test", "soak", "--locked", "--", "--deny", "warnings"];
    step("lints of the soak test", cargo(&soak))?;
    // QEMUs differ in what they load.
    for interface in ["api-2", "api-7"] {
        let tracer =
            ["clippy", "--package", "harness-tracer", "--features", interface, "--locked", "--", "--deny", "warnings"];
        step(&format!("lints of the tracer ({interface})"), cargo(&tracer))?;
    }
    step(
        "docs",
        cargo(&["doc", "--workspace", "--no-deps", "--locked", "--quiet"]).env("RUSTDOCFLAGS", "--deny warnings"),
    )
}

/// Scripts of the kernel's source, which may have to be installed.
fn kernel_source() -> Result<PathBuf> {
    if let Some(folder) = kernel_source::folder()? {
        return Ok(folder);
    }
    preflight(cargo(&["run", "--quiet", "--locked", "--package", "harness", "--"]))?;
    kernel_source::folder()?.context("there is no source of a kernel to take scripts from")
}

/// The checkout.
fn checkout() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

fn versions() -> Result<()> {
    set_up()?;
    step(
        "tests on all bases",
        cargo(&["test", "--workspace", "--locked", "--test", "on_guests", "versions::", "--", "--ignored"]),
    )
}

/// As users run it: optimised, and with nothing on standard output but the figures.
fn bench(arguments: &[String]) -> Result<()> {
    let mut command = cargo(&["run", "--quiet", "--release", "--locked", "--package", "harness", "--", "bench"]);
    step("bench", command.args(arguments))
}

/// Everything that it needs the tests need as well.
fn soak(arguments: &[String]) -> Result<()> {
    set_up()?;
    let mut command = cargo(&["test", "--locked", "--package", "harness", "--test", "soak", "--"]);
    step("soak", command.args(arguments))
}

/// Programs that only the tests need, and the packages that have them: a validator for XML, a clock that jumps, another
/// reader of crash dumps, histories of commits (a checkout may have come without git), and a browser.
const FOR_TESTS: [(&str, &str); 5] = [
    ("xmllint", "libxml2-utils"),
    ("faketime", "faketime"),
    ("makedumpfile", "makedumpfile"),
    ("git", "git"),
    ("chromium-headless-shell", "chromium-headless-shell"),
];

/// Packages that only the tests need and that have no program: by these GitLab and others read `JUnit`, and a reader of kcidb
/// is installed.
const LIBRARIES_FOR_TESTS: [&str; 3] = ["ruby-activesupport", "python3-junitparser", "python3-venv"];

/// Installs what tests need, and what the harness needs.
fn set_up() -> Result<()> {
    need(&FOR_TESTS)?;
    install(&LIBRARIES_FOR_TESTS.into_iter().filter(|package| !is_installed(package)).collect::<Vec<_>>())?;
    // With the features that the tests ask for, so that nothing is compiled once more for them.
    step("build", cargo(&["test", "--workspace", "--locked", "--no-run"]))?;
    let harness = std::env::current_exe().context("find the harness beside this program")?.with_file_name("harness");
    preflight(Command::new(harness))
}

/// Installs those packages whose programs are not there.
fn need(programs: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> =
        programs.iter().filter(|(program, _)| !is_there(program)).map(|(_, package)| *package).collect();
    install(&missing)
}

/// Installs packages, if there are any.
fn install(missing: &[&str]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    step("package lists", &mut apt(&["update"]))?;
    let install = [&["install", "-y", "--no-install-recommends"][..], missing].concat();
    step(&missing.join(", "), &mut apt(&install))
}

/// `harness doctor --install` knows what the harness needs.
fn preflight(mut harness: Command) -> Result<()> {
    step("preflight", harness.args(["doctor", "--install", "--yes"]))
}

/// Whether there is such a program: not all of them know `--version`.
fn is_there(program: &str) -> bool {
    Command::new("sh").args(["-c", "command -v \"$0\"", program]).output().is_ok_and(|output| output.status.success())
}

/// Whether a package is installed.
fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat", "${db:Status-Status}", package]);
    query.output().is_ok_and(|output| output.stdout == b"installed")
}

/// apt-get, by sudo unless we are root.
fn apt(arguments: &[&str]) -> Command {
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
    if !root {
        command.arg("apt-get");
    }
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

fn step(name: &str, command: impl std::borrow::BorrowMut<Command>) -> Result<()> {
    let mut command = command;
    let command = command.borrow_mut();
    eprintln!("── {name}");
    let status = command.status().with_context(|| format!("{name}: start {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{name}: {command:?} failed ({status})");
    }
    Ok(())
}
