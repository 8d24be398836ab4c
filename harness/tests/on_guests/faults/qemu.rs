//! A QEMU that is killed, or does not do as it should.

use std::os::unix::fs::PermissionsExt as _;

use super::{assert_complete, causes, run_with};
use crate::common::processes::{Background, Signal, send};
use crate::common::{Project, text};

/// Guests at a time.
const JOBS: usize = 18;

/// Infra-errors in a row after which a run gives up in which one guest runs at a time.
const HOPELESS: usize = 12;

#[test]
fn trials_whose_qemu_is_killed_are_tried_again() {
    const TRIALS: u32 = 40;
    let project = Project::new();
    let arguments = run_with(TRIALS, &["--jobs", &JOBS.to_string()]);
    let mut harness = Background::start(&project, project.command(&arguments));
    // All at once, as the kernel does when memory is short.
    let mut killed = Vec::new();
    harness.until("many guests run", |it| {
        it.signal(Signal::STOP);
        killed = it.qemus();
        if killed.len() <= HOPELESS {
            it.signal(Signal::CONT);
        }
        killed.len() > HOPELESS
    });
    let recorded = project.records().len();
    for qemu in &killed {
        send(*qemu, Signal::KILL);
    }
    harness.signal(Signal::CONT);
    let (code, said) = harness.end();
    assert_eq!(code, Some(0), "{said}");

    let records = project.records();
    assert_complete(&records, u64::from(TRIALS));
    let failed = causes(&records);
    // Some guests may have told all that they left before they were killed.
    assert!((1..=JOBS).contains(&failed.len()) && causes(&records[..recorded]).is_empty(), "{failed:#?}");
    assert!(failed.iter().all(|(_, cause)| cause.contains("QEMU ended (signal: 9 (SIGKILL)) while")), "{failed:#?}");
    for (index, _) in &failed {
        assert!(records.iter().any(|it| it["index"] == *index && it["attempt"] == 1 && it["outcome"] == "counted"));
    }
    let summary = project.summary();
    let cell = &summary["cells"][0];
    assert_eq!(
        (&cell["trials"], &cell["retried"], &cell["infra_errors"]),
        (&TRIALS.into(), &failed.len().into(), &0.into()),
        "{cell}"
    );
}

/// Passes on to the real one, but for the restored guests of these numbers. 1 is the template's self-check.
const FAKE: &str = r#"#!/bin/bash
# A QEMU that sometimes fails.
arguments=" $* "
if [[ $arguments == *" -incoming "* ]]; then
    # All that it may write is the trial's folder: the numbers come from a file that the test has opened.
    read -r -u 9 number
    qmp=${arguments#*id=qmp,fd=}
    qmp=${qmp%%[!0-9]*}
    greeting='{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}'
    case $number in
    2) echo "qemu: could not do it" >&2; exit 1 ;;
    4) echo "this is not QMP" >&"$qmp"; exec sleep 1000 ;;
    6) echo "$greeting" >&"$qmp"; exit 7 ;;
    8) kill -SEGV $$ ;;
    10) printf '%s' "${greeting:0:40}" >&"$qmp"; exit 0 ;;
    12)
        echo "$greeting" >&"$qmp"
        read -r -u "$qmp" asked
        [[ $asked =~ \"id\":\ *([^,}]+) ]]
        echo "{\"id\": ${BASH_REMATCH[1]}, \"error\": {\"class\": \"GenericError\", \"desc\": \"not today\"}}" >&"$qmp"
        exec sleep 1000
        ;;
    esac
fi
exec qemu-system-x86_64 "$@"
"#;

#[test]
fn trials_of_a_qemu_that_misbehaves_are_tried_again() {
    const TRIALS: u32 = 8;
    let project = Project::new();
    project.write("fake/qemu", FAKE);
    let fake = project.path().join("fake/qemu");
    std::fs::set_permissions(&fake, std::fs::Permissions::from_mode(0o755)).unwrap();
    let arguments = run_with(TRIALS, &["--jobs", "1", "--qemu", fake.to_str().unwrap()]);
    // Of a cache of its own, since a template is made for one QEMU.
    let numbers = (1..1000).fold(String::new(), |text, number| text + &format!("{number}\n"));
    project.write("fake/numbers", &numbers);
    let opened = ["-c", "exec 9<fake/numbers && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_harness")];
    let mut harness = std::process::Command::new("bash");
    harness.args(opened).args(&arguments).current_dir(project.path());
    let output = harness.env("XDG_CACHE_HOME", project.cache()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));

    let records = project.records();
    assert_complete(&records, u64::from(TRIALS));
    let failed = causes(&records);
    let expected: [&[&str]; 6] = [
        &["QEMU ended (exit status: 1)", "could not do it"],
        &["greeting QEMU", "this is not QMP"],
        &["QEMU ended (exit status: 7)"],
        &["QEMU ended (signal: 11 (SIGSEGV)"],
        &["QEMU ended (exit status: 0)"],
        &["not today"],
    ];
    assert_eq!(failed.len(), expected.len(), "{failed:#?}");
    for ((_, cause), words) in failed.iter().zip(expected) {
        assert!(words.iter().all(|word| cause.contains(word)), "{words:?}: {cause}");
    }
    assert_eq!(project.summary()["cells"][0]["retried"], expected.len());
}
