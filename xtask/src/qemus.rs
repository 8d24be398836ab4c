//! `cargo xtask qemus`: newer QEMUs than this machine's, from other suites of Debian: the tests on guests with each of them, and
//! how fast it is beside this machine's.

use std::ffi::OsString;
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
    let failed: Vec<&str> = newer
        .iter()
        .filter(|(version, program)| test(version, program).is_err())
        .map(|(version, _)| *version)
        .collect();
    anyhow::ensure!(failed.is_empty(), "tests failed with QEMU {}", failed.join(" and "));
    Ok(())
}

/// The folder that is the harness's cache, too.
fn cache() -> Result<PathBuf> {
    let below = |name: &str, rest: &str| std::env::var_os(name).map(|folder| PathBuf::from(folder).join(rest));
    below("XDG_CACHE_HOME", "harness").or_else(|| below("HOME", ".cache/harness")).context("find the cache: no HOME")
}

/// A suite's QEMU, unpacked with all that it is linked with. Returns a folder for `PATH`, which has a script that starts it,
/// and nothing else.
///
/// Debian's QEMU looks for its modules and firmware where this machine has those of its own, unless it is told; and the
/// harness lets a QEMU read only what lies beside its program, in `lib` and `share`.
fn fetch(suite: &str, root: &Path) -> Result<PathBuf> {
    let usr = root.join("usr");
    let bin = usr.join("path");
    if bin.exists() {
        return Ok(bin);
    }
    // What an interrupted attempt has left.
    if root.exists() {
        std::fs::remove_dir_all(root).with_context(|| format!("remove {}", root.display()))?;
    }
    std::fs::create_dir_all(root).with_context(|| format!("create {}", root.display()))?;
    let mut unpack = Command::new("mmdebstrap");
    // A mirror may be behind.
    unpack.args(["--mode=root", "--variant=extract", "--aptopt=Acquire::Check-Valid-Until \"false\"", "--include"]);
    step(&format!("QEMU of {suite}"), unpack.args([PACKAGE, suite]).arg(root))?;

    let libraries = usr.join("lib/x86_64-linux-gnu");
    let program = usr.join("lib").join(PROGRAM);
    let unpacked = usr.join("bin").join(PROGRAM);
    std::fs::rename(&unpacked, &program).with_context(|| format!("move {}", unpacked.display()))?;
    let mut own = Command::new("patchelf");
    own.arg("--set-interpreter").arg(libraries.join("ld-linux-x86-64.so.2"));
    step("its own libraries", own.args(["--force-rpath", "--set-rpath"]).arg(&libraries).arg(&program))?;

    let staged = usr.join("path.new");
    std::fs::create_dir(&staged).with_context(|| format!("create {}", staged.display()))?;
    let script = staged.join(PROGRAM);
    std::fs::write(&script, starts(&usr, &program)).with_context(|| format!("write {}", script.display()))?;
    step("its script", Command::new("chmod").arg("755").arg(&script))?;
    std::fs::rename(&staged, &bin).with_context(|| format!("rename to {}", bin.display()))?;
    Ok(bin)
}

/// The script that starts a QEMU with the modules and firmware of its own.
fn starts(usr: &Path, program: &Path) -> String {
    let firmware = ["seabios", "qemu"].map(|name| format!("-L '{}'", usr.join("share").join(name).display())).join(" ");
    let modules = usr.join("lib/x86_64-linux-gnu/qemu");
    format!("#!/bin/sh\nQEMU_MODULE_DIR='{}' exec '{}' {firmware} \"$@\"\n", modules.display(), program.display())
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
