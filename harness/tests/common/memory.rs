//! Tests of how much memory something takes: each measures a process of its own.

use std::fs;
use std::process::Command;

use super::text;

/// What such a process may have had resident at most, in KiB.
pub const LIMIT_KIB: u64 = 64 << 10;

/// In the environment of that process.
const MEASURED: &str = "HARNESS_TEST_MEASURED";

/// Runs a test of this binary, by its path, alone in another process.
pub fn run_alone(test: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", test, "--nocapture"]).env(MEASURED, "").output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "the child is the one test that ran: {}", text(&output.stdout));
}

/// Whether this process was started by [`run_alone`].
pub fn is_alone() -> bool {
    std::env::var_os(MEASURED).is_some()
}

/// The most memory of this process that was ever resident, in KiB.
pub fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}
