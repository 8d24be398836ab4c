//! A packed suite needs QEMU and nothing else.

use std::os::unix::fs::symlink;

use crate::common::{Project, text};

#[test]
fn a_packed_suite_runs_where_there_is_only_qemu() {
    let project = Project::new();
    let suite = "name: one\ntitle: t\nvariants: [stock]\nbase: \"6.12\"\ntrials: 1\nscenarios: [panic-alone]\n";
    project.write("scenarios/suites/one.yaml", suite);
    let packed = project.run(&["pack", "one", "--output", "one.pack"]);
    assert!(packed.status.success(), "{}", text(&packed.stderr));

    let elsewhere = tempfile::tempdir().unwrap();
    let bin = elsewhere.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let qemu = std::env::split_paths(&path).map(|folder| folder.join("qemu-system-x86_64")).find(|it| it.exists());
    symlink(qemu.unwrap(), bin.join("qemu-system-x86_64")).unwrap();
    let run = |arguments: &[&str]| {
        let mut harness = project.harness(arguments);
        harness.arg("--pack").arg(project.path().join("one.pack")).current_dir(elsewhere.path());
        harness.env("PATH", &bin).env("XDG_CACHE_HOME", elsewhere.path().join("cache"));
        harness.output().unwrap()
    };
    let ran = run(&["run", "--seed", "7", "--format", "json"]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stderr));
    let summary: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    let channels = &summary["cells"][0]["channels"];
    let good = ["console", "pstore"].map(|channel| channels[channel]["saved"].as_u64());
    assert_eq!((good, channels["order"]["kept"].as_u64()), ([Some(1), Some(1)], Some(1)), "{summary:#}");
    assert!(elsewhere.path().join("results/latest/run.json").is_file(), "runs are kept where the user is");

    let other = run(&["build", "kmsg-dump-before-stop"]);
    assert_eq!(other.status.code(), Some(2));
    let said = text(&other.stderr);
    assert!(said.contains("the pack has no kernel kmsg-dump-before-stop@6.12"), "{said}");
}
