//! `cargo xtask dist`: what is handed out. One static program with its project, the guest's agent and the tracer inside, as a
//! tarball and as a Debian package with manual pages and completions.
//!
//! ```text
//! harness parts ─> agent, tracers ─┐
//! guest-kernel/, scenarios/ ───────┴─> harness (static) ─┬─> man, completions ─┬─> harness-VERSION-x86_64.tar.gz
//!                                                        └─────────────────────┴─> harness_VERSION_amd64.deb ─> lintian
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{cargo, need, step};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where rustc makes programs for the C library that is meant to be linked statically, and for this machine's.
const MUSL: &str = "x86_64-unknown-linux-musl";
const GNU: &str = "x86_64-unknown-linux-gnu";

/// What the package says of itself. Nothing but QEMU is needed to run a pack; the rest builds kernels.
const CONTROL: &str = "\
Package: harness
Version: {version}
Architecture: amd64
Maintainer: {maintainer}
Installed-Size: {size}
Depends: qemu-system-x86 (>= 1:7.2)
Recommends: bc, binutils, bison, flex, gcc, libc6-dev, libelf-dev, make, mawk, patch, xz-utils
Section: devel
Priority: optional
Homepage: https://docs.kernel.org/admin-guide/kdump/kdump.html
Description: crash-ordering regression tests for the Linux kernel
 Builds Linux kernels with variants of the panic path, crashes them in QEMU
 guests in ways that a scenario describes, and counts what pstore, kdump and
 the console kept: is it better or worse with this patch?
";

/// What lintian is told: the program is static, and may lie anywhere, so it looks like a library that needs no other.
const OVERRIDES: &str = "harness: shared-library-lacks-prerequisites [usr/bin/harness]\n";

/// Makes everything, and returns the package.
pub fn run() -> Result<PathBuf> {
    need(&[("dpkg-deb", "dpkg"), ("lintian", "lintian"), ("strip", "binutils")])?;
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().context("find the checkout")?;
    let folder = checkout.join("target/dist");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let maintainer = maintainer()?;
    let program = program(&checkout, &folder)?;

    let tree = folder.join("tree");
    let share = tree.join("usr/share");
    let bin = tree.join("usr/bin/harness");
    put(&bin, &fs::read(&program).context("read the program")?)?;
    step("its mode", Command::new("chmod").arg("755").arg(&bin))?;
    let man = share.join("man/man1");
    step("manual pages", Command::new(&bin).arg("man").arg(&man))?;
    step("compress them", Command::new("sh").args(["-c", "gzip --best --no-name \"$0\"/*"]).arg(&man))?;
    for (shell, at) in [
        ("bash", "bash-completion/completions/harness"),
        ("zsh", "zsh/vendor-completions/_harness"),
        ("fish", "fish/vendor_completions.d/harness.fish"),
    ] {
        put(&share.join(at), &output(Command::new(&bin).args(["completions", shell]))?)?;
    }
    let doc = share.join("doc/harness");
    put(&doc.join("copyright"), copyright(&checkout)?.as_bytes())?;
    put(&doc.join("CHANGELOG.md"), &fs::read(checkout.join("CHANGELOG.md")).context("read CHANGELOG.md")?)?;
    put(&doc.join("changelog"), changelog(&maintainer)?.as_bytes())?;
    let changes = ["CHANGELOG.md", "changelog"].map(|name| doc.join(name));
    step("compress changes", Command::new("gzip").args(["--best", "--no-name"]).args(changes))?;

    let tarball = folder.join(format!("harness-{VERSION}-x86_64.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--owner=0", "--group=0", "--sort=name", "--transform", "s,^usr,harness,", "-czf"]);
    step("tarball", tar.arg(&tarball).arg("-C").arg(&tree).arg("usr"))?;

    put(&share.join("lintian/overrides/harness"), OVERRIDES.as_bytes())?;
    let package = package(&folder, &tree, &maintainer)?;
    step("lintian", Command::new("lintian").args(["--fail-on", "error,warning"]).arg(&package))?;
    println!("{}\n{}", tarball.display(), package.display());
    Ok(package)
}

/// The program, linked statically: with musl where rustup has that target, else with this machine's C library.
fn program(checkout: &Path, folder: &Path) -> Result<PathBuf> {
    let parts = folder.join("parts");
    let mut make = cargo(&["run", "--quiet", "--release", "--locked", "--package", "harness", "--"]);
    step("the guest's agent and the tracer", make.arg("--project").arg(checkout).arg("parts").arg(&parts))?;
    let has_musl = Command::new("rustup").args(["target", "list", "--installed"]).output();
    let has_musl = has_musl.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).lines().any(|line| line == MUSL));
    let (target, with) =
        if has_musl { (MUSL, "musl") } else { (GNU, "this machine's C library, since there is no musl") };
    let mut link = cargo(&["build", "--release", "--locked", "--package", "harness", "--features", "prebuilt"]);
    link.args(["--target", target]).env("HARNESS_PARTS", &parts).env("RUSTFLAGS", "-Ctarget-feature=+crt-static");
    step(&format!("a static program, with {with}"), &mut link)?;
    let built = checkout.join("target").join(target).join("release/harness");
    let said = output(Command::new("readelf").arg("--program-headers").arg(&built))?;
    if String::from_utf8_lossy(&said).contains("INTERP") {
        bail!("{} is not static: it asks for a dynamic linker", built.display());
    }
    let program = folder.join("harness");
    step("strip it", Command::new("strip").arg("-o").arg(&program).arg(&built))?;
    Ok(program)
}

fn package(folder: &Path, tree: &Path, maintainer: &str) -> Result<PathBuf> {
    let bytes = output(Command::new("du").args(["--summarize", "--block-size=1K"]).arg(tree.join("usr")))?;
    let size = String::from_utf8_lossy(&bytes).split_whitespace().next().unwrap_or("0").to_owned();
    let sums = "cd \"$0\" && find usr -type f -print0 | sort -z | xargs -0 md5sum";
    put(&tree.join("DEBIAN/md5sums"), &output(Command::new("sh").args(["-c", sums]).arg(tree))?)?;
    let control = CONTROL.replace("{version}", VERSION).replace("{maintainer}", maintainer).replace("{size}", &size);
    put(&tree.join("DEBIAN/control"), control.as_bytes())?;
    let package = folder.join(format!("harness_{VERSION}_amd64.deb"));
    let mut build = Command::new("dpkg-deb");
    step("package", build.args(["--build", "--root-owner-group"]).arg(tree).arg(&package))?;
    Ok(package)
}

/// Who answers for the package: as Debian's tools are told it, else who made the last commit.
fn maintainer() -> Result<String> {
    let told = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(address) = told("DEBEMAIL") {
        return Ok(format!(
            "{} <{address}>",
            told("DEBFULLNAME").unwrap_or_else(|| "The harness's authors".to_owned())
        ));
    }
    let said = output(Command::new("git").args(["log", "-1", "--format=%an <%ae>"]))?;
    let said = String::from_utf8(said).context("read who made the last commit")?;
    Ok(said.trim().to_owned())
}

/// In the form that Debian's tools read; what has changed is told beside it.
fn changelog(maintainer: &str) -> Result<String> {
    let date = String::from_utf8(output(Command::new("date").arg("--rfc-email"))?).context("read the date")?;
    Ok(format!(
        "harness ({VERSION}) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz in this folder.\n\n -- {maintainer}  {date}"
    ))
}

/// In the form that Debian's policy asks for: who may do what with which part, and the short licence in full.
fn copyright(checkout: &Path) -> Result<String> {
    let mit = fs::read_to_string(checkout.join("LICENSE-MIT")).context("read LICENSE-MIT")?;
    let indented: Vec<String> =
        mit.lines().map(|line| if line.is_empty() { " .".to_owned() } else { format!(" {line}") }).collect();
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: harness\n\n\
         Files: *\nCopyright: the harness's authors\nLicense: MIT or Apache-2.0\n\n\
         Files: guest-kernel/*\nCopyright: the harness's authors, and those of the Linux kernel\nLicense: GPL-2\n\n\
         License: MIT\n{}\n\n\
         License: Apache-2.0\n See /usr/share/common-licenses/Apache-2.0.\n\n\
         License: GPL-2\n See /usr/share/common-licenses/GPL-2.\n",
        indented.join("\n")
    ))
}

fn put(path: &Path, content: &[u8]) -> Result<()> {
    let made = fs::create_dir_all(path.parent().unwrap_or(path)).and_then(|()| fs::write(path, content));
    made.with_context(|| format!("write {}", path.display()))
}

/// What a program prints.
fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}
