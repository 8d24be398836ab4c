//! The kernel's own reader of KTAP.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{every_kind, is_there, known};
use crate::common::{Project, text};

/// `tools/testing/kunit/kunit.py`: that which the test command unpacks, or that of a source in the cache which knows KTAP; 5.10's
/// does not.
fn kunit() -> Option<PathBuf> {
    let workbenches =
        std::fs::read_dir(harness::project::cache_dir().join("workbench")).into_iter().flatten().flatten();
    let in_cache = workbenches.map(|source| source.path().join("tree/tools/testing/kunit/kunit.py"));
    let knows_ktap = |kunit: &PathBuf| {
        let parser = std::fs::read_to_string(kunit.with_file_name("kunit_parser.py"));
        parser.is_ok_and(|parser| parser.contains("KTAP version"))
    };
    let in_cache = in_cache.filter(knows_ktap);
    std::env::var_os("HARNESS_KUNIT").map(PathBuf::from).into_iter().chain(in_cache).find(|path| path.is_file())
}

/// What it makes of a report: its exit code and its JSON.
fn read(kunit: &Path, report: &Path) -> (i32, Value) {
    let json = report.with_extension("json");
    let mut command = Command::new("python3");
    command.arg(kunit).arg("parse").arg(format!("--json={}", json.display())).arg(report);
    let output = command.output().unwrap();
    let said = text(&output.stdout);
    assert!(!said.contains("[ERROR]"), "{said}");
    (output.status.code().unwrap(), serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap())
}

#[test]
fn kunit_reads_every_kind_of_case() {
    let Some(kunit) =
        kunit().filter(|kunit| is_there("kunit.py of a kernel", Command::new("python3").arg(kunit).arg("--help")))
    else {
        assert!(std::env::var_os("HARNESS_READERS").is_none(), "kunit.py is not there: cargo xtask test unpacks it");
        return eprintln!("skipped: there is no kunit.py");
    };
    let project = Project::new();
    let run = every_kind(&project);
    let folder = run.folder().to_str().unwrap();
    let ktap = text(&project.run(&["report", "ktap", folder]).stdout);
    let report = project.path().join("run.ktap");
    std::fs::write(&report, &ktap).unwrap();

    let (code, read_as) = read(&kunit, &report);
    assert_eq!(code, 1, "something failed: {ktap}");
    let group = &read_as["sub_groups"][0];
    assert_eq!(group["name"], "stock@6.12 panic-during-oops-dump");
    let cases = group["test_cases"].as_array().unwrap();
    let statuses: Vec<(&str, &str)> =
        cases.iter().map(|case| (case["name"].as_str().unwrap(), case["status"].as_str().unwrap())).collect();
    assert_eq!(
        statuses,
        [
            ("hold=0ms post_notifiers=1 console", "PASS"),
            ("hold=0ms post_notifiers=1 pstore", "FAIL"),
            ("hold=0ms post_notifiers=1 order", "FAIL"),
            // It knows of no errors.
            ("hold=1ms post_notifiers=1 console", "FAIL"),
            ("hold=1ms post_notifiers=1 pstore", "FAIL"),
            ("hold=2ms post_notifiers=1 console", "SKIP"),
            ("hold=2ms post_notifiers=1 pstore", "SKIP"),
            ("hold=3ms post_notifiers=1 console", "PASS"),
            ("hold=3ms post_notifiers=1 pstore", "PASS"),
        ]
    );

    // What is known passes.
    known(&project);
    let with_known = text(&project.run(&["report", "ktap", folder, "--known", "known.yaml"]).stdout);
    assert!(with_known.contains("pstore # XFAIL https://bugs.example.org/pstore since 2026-09-01\n"), "{with_known}");
    std::fs::write(&report, &with_known).unwrap();
    let (_, read_as) = read(&kunit, &report);
    let cases = read_as["sub_groups"][0]["test_cases"].as_array().unwrap();
    assert!(cases[..3].iter().all(|case| case["status"] == "PASS"), "{cases:?}");
    let excused = with_known.lines().filter(|line| !line.contains("# ERROR")).all(|line| !line.contains("not ok 2"));
    assert!(excused, "{with_known}");

    // What passed is no failure, and what is not there is one.
    let passed = ktap.replace("not ok", "ok");
    std::fs::write(&report, &passed).unwrap();
    assert_eq!(read(&kunit, &report).0, 0);
    let cut =
        passed.lines().filter(|line| !line.contains("ok 9 ")).fold(String::new(), |text, line| text + line + "\n");
    std::fs::write(&report, cut).unwrap();
    let output = Command::new("python3").arg(&kunit).arg("parse").arg(&report).output().unwrap();
    assert!(!output.status.success() && text(&output.stdout).contains("[ERROR]"), "{}", text(&output.stdout));
}
