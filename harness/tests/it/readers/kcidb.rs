//! The reader of `KernelCI`'s database, kcidb-io, which is installed from its registry into a folder of the build's.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{every_kind, is_there, json_lines, known};
use crate::common::{Project, root, text};

/// The version whose schema is written.
const KCIDB_IO: &str = "kcidb-io==141";

/// A Python that has it; none if it cannot be had here.
fn python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(KCIDB_IO);
    let python = folder.join("bin/python3");
    let probe = |python: &Path| {
        Command::new(python).args(["-c", "import kcidb_io"]).output().is_ok_and(|it| it.status.success())
    };
    if !probe(&python) {
        let made = |system: &str| Command::new(system).args(["-m", "venv", "--clear"]).arg(&folder).output();
        let is_made = |system: &&str| made(system).is_ok_and(|output| output.status.success());
        if ["python3", "/usr/bin/python3"].iter().any(is_made) {
            let mut pip = Command::new(&python);
            let _ = pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", KCIDB_IO]).output();
        }
    }
    is_there(KCIDB_IO, Command::new(&python).args(["-c", "import kcidb_io"])).then_some(python)
}

fn validate(python: &Path, project: &Project, submission: &Value) -> Output {
    project.write("submission.json", &submission.to_string());
    let script = root().join("harness/tests/fixtures/readers/kcidb.py");
    Command::new(python).arg(script).arg(project.path().join("submission.json")).output().unwrap()
}

#[test]
fn kcidb_io_takes_a_run_with_every_kind_of_case() {
    let Some(python) = python() else { return };
    let project = Project::new();
    let run = every_kind(&project);
    let hash = "9f8b5ac4ab3fbf0c1b6bd2d1ee2b4bbb1c4a6e1d";
    let folder = run.folder().to_str().unwrap();
    let report = ["report", "kcidb", folder, "--origin", "example", "--commit", hash, "--branch", "linux-6.12.y"];
    let more =
        ["--artifacts-url", "https://ci.example.org/latest/", "--repository", "https://git.example.org/linux.git"];
    let submission = project.json(&[&report[..], &more].concat(), 0);

    let counted = json_lines(&validate(&python, &project, &submission));
    assert_eq!(counted, [json!({"checkouts": 1, "builds": 1, "tests": 9, "issues": 0, "incidents": 0})]);
    let statuses: Vec<&str> =
        submission["tests"].as_array().unwrap().iter().map(|test| test["status"].as_str().unwrap()).collect();
    // Of the first cell's channels nothing is expected of the console; what failed by our fault is no failure of the kernel's.
    assert_eq!(statuses, ["DONE", "FAIL", "FAIL", "MISS", "MISS", "SKIP", "SKIP", "DONE", "PASS"], "{submission:#}");
    let failed = &submission["tests"][1];
    assert_eq!(failed["path"], "harness.panic-during-oops-dump.stock.hold-0ms-post_notifiers-1.pstore");
    assert_eq!(failed["log_url"], "https://ci.example.org/latest/artifacts/00000/console.log");
    assert_eq!(failed["output_files"][0]["name"], "timeline.json");
    assert_eq!(failed["number"], json!({"value": 0.0, "unit": "%"}));

    // A failure that is known is still one, with an issue.
    known(&project);
    let with_known = project.json(&[&report[..], &more, &["--known", "known.yaml"]].concat(), 0);
    let counted = json_lines(&validate(&python, &project, &with_known));
    assert_eq!(counted, [json!({"checkouts": 1, "builds": 1, "tests": 9, "issues": 2, "incidents": 2})]);
    assert_eq!(with_known["tests"], submission["tests"]);
    let (issue, incident) = (&with_known["issues"][0], &with_known["incidents"][0]);
    assert!(issue["report_url"].as_str().unwrap().starts_with("https://bugs.example.org/"), "{issue:#}");
    assert_eq!((&incident["test_id"], &incident["present"]), (&failed["id"], &true.into()));

    // It is the reader that decides.
    for (place, value) in [
        ("/tests/0/path", json!("harness.stock@6.12")),
        ("/tests/0/log_excerpt", json!("x".repeat(16_385))),
        ("/tests/1/log_url", json!("artifacts/00000/console.log")),
        ("/tests/0/status", json!("MEASURED")),
    ] {
        let mut wrong = submission.clone();
        *wrong.pointer_mut(place).unwrap() = value;
        assert!(!validate(&python, &project, &wrong).status.success(), "{place}");
    }
}

#[test]
fn a_kernel_that_kernelci_does_not_know_is_asked_for() {
    let project = Project::new();
    let run = every_kind(&project);
    let folder = run.folder().to_str().unwrap();
    let refused = |more: &[&str]| {
        let output = project.run(&[&["report", "kcidb", folder], more].concat());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        text(&output.stderr).replace(run.id(), "[RUN]")
    };
    insta::assert_snapshot!(refused(&["--origin", "example"]), @"
    error: run [RUN] does not say which commit base 6.12 is, and KernelCI knows kernels by their commits

    hint: --commit 6.12=HASH
    ");
    insta::assert_snapshot!(refused(&["--origin", "example", "--commit", "6.21=9f8b5ac4ab3fbf0c1b6bd2d1ee2b4bbb1c4a6e1d"]), @"
    error: run [RUN] has no base `6.21`

    hint: its bases are 6.12
    ");
    assert!(refused(&["--origin", "Example"]).contains("it is of lower-case letters"));
    assert!(refused(&["--origin", "example", "--artifacts-url", "results/"]).contains("it is a whole URL"));
}
