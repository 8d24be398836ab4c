//! `cargo xtask qemus`: newer QEMUs than this machine's, from other suites of Debian: the tests on guests with each of them, and
//! how fast it is beside this machine's.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{cargo, need, set_up, step};

/// QEMU's version, by Debian's suite that has it.
const SUITES: [(&str, &str); 2] = [("10", "trixie"), ("11", "sid")];

/// The package, and the program in it.
const PACKAGE: &str = "qemu-system-x86";
const PROGRAM: &str = "qemu-system-x86_64";

/// How often each is measured, in turn: hosts drift.
const ROUNDS: usize = 3;

/// What `harness bench` measures that a QEMU may change.
const FIGURES: [&str; 4] = ["trials_per_s", "floor_per_s", "cold_per_s", "tracing_ratio"];

/// Measures all of them in turn, and then runs the tests with each of the newer ones. A QEMU with which a test fails does
/// not keep the others from being tried.
pub fn run() -> Result<()> {
    need(&[("mmdebstrap", "mmdebstrap"), ("patchelf", "patchelf")])?;
    set_up()?;
    let folder = cache()?.join("qemus");
    let newer: Vec<(&str, PathBuf)> = SUITES
        .into_iter()
        .map(|(version, suite)| Ok((version, fetch(suite, &folder.join(suite))?)))
        .collect::<Result<_>>()?;
    measure(&newer)?;
    let failed: Vec<&str> =
        newer.iter().filter(|(version, program)| test(version, program).is_err()).map(|(version, _)| *version).collect();
    anyhow::ensure!(failed.is_empty(), "tests failed with QEMU {}", failed.join(" and "));
    Ok(())
}

/// The folder that is the harness's cache, too.
fn cache() -> Result<PathBuf> {
    let below = |name: &str, rest: &str| std::env::var_os(name).map(|folder| PathBuf::from(folder).join(rest));
    below("XDG_CACHE_HOME", "harness").or_else(|| below("HOME", ".cache/harness")).context("find the cache: no HOME")
}

/// A suite's QEMU, unpacked with all that it is linked with: a folder for `PATH` that has nothing but the program.
fn fetch(suite: &str, root: &Path) -> Result<PathBuf> {
    let bin = root.join("path");
    if bin.exists() {
        return Ok(bin);
    }
    // What an interrupted attempt has left.
    if root.exists() {
        std::fs::remove_dir_all(root).with_context(|| format!("remove {}", root.display()))?;
    }
    std::fs::create_dir_all(root).with_context(|| format!("create {}", root.display()))?;
    let mut unpack = Command::new("mmdebstrap");
    unpack.args(["--mode=root", "--variant=extract", "--include", PACKAGE, suite]).arg(root);
    step(&format!("QEMU of {suite}"), &mut unpack)?;
    let program = root.join("usr/bin").join(PROGRAM);
    let libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib"].map(|folder| root.join(folder));
    let rpath = std::env::join_paths(&libraries).context("name its libraries")?;
    let mut own = Command::new("patchelf");
    own.arg("--set-interpreter").arg(root.join("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"));
    step("its own libraries", own.args(["--force-rpath", "--set-rpath"]).arg(rpath).arg(&program))?;
    let staged = root.join("path.new");
    std::fs::create_dir(&staged).with_context(|| format!("create {}", staged.display()))?;
    symlink(&program, staged.join(PROGRAM)).with_context(|| format!("link {}", program.display()))?;
    std::fs::rename(&staged, &bin).with_context(|| format!("rename to {}", bin.display()))?;
    Ok(bin)
}

/// `PATH` with a folder before all others.
fn path_with(bin: &Path) -> Result<OsString> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(bin.to_owned()).chain(std::env::split_paths(&rest));
    std::env::join_paths(folders).context("set PATH")
}

fn test(version: &str, bin: &Path) -> Result<()> {
    let mut tests = cargo(&["test", "--locked", "--package", "harness", "--test", "on_guests", "--no-fail-fast"]);
    step(&format!("tests with QEMU {version}"), tests.env("PATH", path_with(bin)?))
}

/// Prints each one's figures, by the median of some rounds.
fn measure(newer: &[(&str, PathBuf)]) -> Result<()> {
    let mut all = vec![("this machine's", std::env::var_os("PATH").unwrap_or_default())];
    for (version, bin) in newer {
        all.push((version, path_with(bin)?));
    }
    let mut measured = vec![Vec::new(); all.len()];
    for _ in 0..ROUNDS {
        for (of, (version, path)) in measured.iter_mut().zip(&all) {
            eprintln!("── bench with QEMU {version}");
            let mut bench = cargo(&["run", "--quiet", "--release", "--locked", "--package", "harness", "--", "bench"]);
            let output = bench.args(["--format", "json"]).env("PATH", path).output().context("run the bench")?;
            let figures: Value = serde_json::from_slice(&output.stdout)
                .with_context(|| format!("read the figures: {}", String::from_utf8_lossy(&output.stderr)))?;
            of.push(figures);
        }
    }
    println!("{:15} {}", "QEMU", FIGURES.map(|name| format!("{name:>14}")).join(" "));
    for (of, (version, _)) in measured.iter().zip(&all) {
        let shown = FIGURES.map(|name| match median(of, name) {
            Some(figure) => format!("{figure:14.2}"),
            None => format!("{:>14}", "-"),
        });
        println!("{version:15} {}", shown.join(" "));
    }
    Ok(())
}

/// Of the runs that have this figure.
fn median(of: &[Value], name: &str) -> Option<f64> {
    let mut figures: Vec<f64> = of.iter().filter_map(|figures| figures[name].as_f64()).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}
