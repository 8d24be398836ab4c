//! `cargo xtask root`: the package in a Debian root that has QEMU and neither a compiler nor cargo: it installs, and runs a
//! packed suite.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{cargo, debian, dist, need, step};

/// The suite that is packed.
const SUITE: &str = "quick";

/// What must not be there.
const ABSENT: [&str; 4] = ["cargo", "gcc", "cc", "make"];

/// In the root, by an ordinary user: everything that is to work there. The suite's variants break the order on purpose, so that
/// its run may end with 1, an expectation that failed.
const DOES: &str = "cd ~ && harness --version && harness list suites && harness explain panic-alone && \
                    harness doctor --pack /pack && { harness run --pack /pack --trials 2 --seed 7; test $? -le 1; } && \
                    harness new scenario mine && test -f scenarios/mine.yaml && harness check scenarios/mine.yaml";

/// Makes the root and tries it.
pub fn run() -> Result<()> {
    need(&[("mmdebstrap", "mmdebstrap")])?;
    let package = dist::run()?;
    let folder = tempfile::Builder::new().prefix("harness-root-").tempdir().context("make a folder for the root")?;
    let pack = folder.path().join("pack");
    let mut make = cargo(&["run", "--quiet", "--release", "--locked", "--package", "harness", "--"]);
    step("pack", make.args(["pack", SUITE, "--output"]).arg(&pack))?;
    let root = debian::root(folder.path(), &["qemu-system-x86"], &[])?;
    std::fs::copy(&pack, root.join("pack")).context("copy the pack")?;
    std::fs::copy(&package, root.join("harness.deb")).context("copy the package")?;
    for program in ABSENT {
        if ["bin", "usr/bin", "usr/local/bin"].iter().any(|folder| root.join(folder).join(program).exists()) {
            bail!("{program} is in the root, which is to have no compiler");
        }
    }
    step(
        "install the package",
        in_root(&root, "dpkg -i /harness.deb && useradd --create-home user && chmod 644 /pack"),
    )?;
    step("run the packed suite", in_root(&root, &format!("exec su - user -c '{DOES}'")))
}

/// A command in the root, which sees its own processes only, and no network.
fn in_root(root: &Path, command: &str) -> Command {
    let mut run = Command::new("unshare");
    run.args(["--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c"]);
    run.arg("mount -t proc proc \"$0/proc\" && exec chroot \"$0\" /bin/sh -c \"$1\"").arg(root).arg(command);
    run.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    run
}
