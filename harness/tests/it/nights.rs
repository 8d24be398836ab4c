//! `harness history` and `harness known` from outside: made-up nights, whose trials are nobody's.

use std::fs;
use std::time::{Duration, SystemTime};

use harness::history::{Builder, Counted, Line, Options, State, judge};
use harness::model::{Channel, ChannelOutcome, TrialRecord};
use harness::report::{Format, history_text};
use harness::results::{Run, RunInfo};
use harness::stats::Proportion;
use serde_json::Value;

use crate::common::memory::{is_alone, peak_kib, run_alone};
use crate::common::{Project, text};
use crate::simulated;

const CELLS: u64 = 3;
const TRIALS: u64 = 10;

/// A night's run below `nights/`: in cell 0 pstore saves all, in cell 1 and 2 this many of ten. Of its trials so many were run.
fn night(project: &Project, number: u64, saved: [u64; 2], run_of_30: u64) -> Run {
    let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_000_000 + number * 86_400);
    let run = Run::create(&project.path().join("nights"), began).unwrap();
    let info = simulated::info(&run, CELLS, CELLS * TRIALS);
    let kernel = serde_json::json!({
        "variant": "stock", "base": "6.12", "key": "", "source_digest": "", "patches": [], "config_digest": "",
        "compiler": "", "release": format!("6.12.{}", 40 + number), "build_id": "",
    });
    let started = harness::results::rfc3339(began);
    run.write_info(&RunInfo { started, kernels: vec![serde_json::from_value(kernel).unwrap()], ..info.clone() })
        .unwrap();
    let mut lines = String::new();
    for index in 0..run_of_30 {
        let (cell, ordinal) = (index % CELLS, index / CELLS);
        let good = [TRIALS, saved[0], saved[1]][usize::try_from(cell).unwrap()];
        let pstore = if ordinal < good { ChannelOutcome::Saved } else { ChannelOutcome::Lost };
        let outcome = harness_testdata::records::counted(ChannelOutcome::Saved, pstore);
        let cell = info.cells[usize::try_from(cell).unwrap()].key.clone();
        let record = TrialRecord { cell, outcome, ..simulated::record(index, CELLS) };
        lines += &(serde_json::to_string(&record).unwrap() + "\n");
    }
    fs::write(run.folder().join("trials.jsonl"), lines).unwrap();
    run
}

/// What the program says on both channels, without what is of this test's place and time, and its exit code.
fn said(project: &Project, arguments: &[&str]) -> (i32, String) {
    let output = project.run(arguments);
    let ids = regex::Regex::new(r"(\d{8}-\d{6})-[0-9a-f]{4}").unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    (output.status.code().unwrap(), ids.replace_all(&said, "$1").into_owned())
}

#[test]
fn a_night_is_red_once_for_what_is_new() {
    let project = Project::new();
    for number in 0..8 {
        let saved = if number < 7 { 10 } else { 0 };
        night(&project, number, [saved, 10], 30);
    }
    let add = |number: usize| {
        let runs = harness::results::list(&project.path().join("nights")).unwrap();
        let folder = runs[number].folder().display().to_string();
        said(&project, &["history", "--baseline", "nights.jsonl", "--add", &folder])
    };
    for number in 0..7 {
        let (code, told) = add(number);
        assert_eq!(code, 0, "{told}");
        assert!(told.contains("6 steady"), "{told}");
    }
    let (code, told) = add(7);
    assert_eq!(code, 1);
    insta::assert_snapshot!(told, @"
    8 nights, 2025-11-24 to 2025-12-01; the last is 20251201-160000: 1 new, 5 steady

    less since 6.12.46 → 6.12.47, 95 %: 2025-12-01 (night 8)
                                 variant     channel  state  before  since  last night  nights
    ─────────────────────────────────────────────────────────────────────────────────────────────
    panic-during-oops-dump
      hold=1ms post_notifiers=1  stock@6.12  pstore   new    70/70   0/10   0/10        ███████▁
    to find the commit: harness bisect --tree LINUX --good v6.12.46 --bad v6.12.47 --variant stock --scenario panic-during-oops-dump --param hold=1ms --param post_notifiers=1 --channel pstore
    ");
    assert_eq!(fs::read_to_string(project.path().join("nights.jsonl")).unwrap().lines().count(), 24);

    // It is told once; the same run again adds nothing.
    let (code, told) = add(7);
    assert!(code == 1 && told.contains("nights.jsonl has run 20251201-160000 already"), "{told}");
    night(&project, 8, [0, 10], 30);
    let (code, told) = add(8);
    assert!(code == 0 && told.contains("1 known, 5 steady"), "{told}");

    // The runs themselves say the same as the file, in each form.
    let folders: Vec<String> = harness::results::list(&project.path().join("nights"))
        .unwrap()
        .iter()
        .map(|run| run.folder().display().to_string())
        .collect();
    let of_runs = |more: &[&str]| {
        let folders = folders.iter().map(String::as_str);
        said(&project, &["history"].into_iter().chain(folders).chain(more.iter().copied()).collect::<Vec<_>>()).1
    };
    let of_file = |more: &[&str]| said(&project, &[&["history", "--baseline", "nights.jsonl"], more].concat()).1;
    for form in
        [&["--as", "csv"][..], &["--as", "markdown"], &["--format", "json"], &["--new-only"], &["--markdown", "-"]]
    {
        assert_eq!(of_runs(form), of_file(form), "{form:?}");
    }
    let json: Value = serde_json::from_str(&of_file(&["--format", "json"])).unwrap();
    assert_eq!((&json["states"]["known"], &json["nights"][8]["cut_short"]), (&1.into(), &false.into()));
}

#[test]
fn bad_nights_are_told_and_lose_nothing() {
    let project = Project::new();
    let whole = night(&project, 0, [10, 10], 30).folder().display().to_string();
    let cut = night(&project, 1, [10, 10], 17).folder().display().to_string();
    let (code, told) = said(&project, &["history", &whole, &cut]);
    assert!(code == 0 && told.contains("was cut short: the trials that it has are counted"), "{told}");
    assert!(told.contains("the last is 20251125-160000, which was cut short: 6 steady"), "{told}");

    project.write("nights.jsonl", "{\"schema_version\": 7}\n");
    let (code, told) = said(&project, &["history", "--baseline", "nights.jsonl", "--add", &whole]);
    assert_eq!(code, 2);
    insta::assert_snapshot!(told, @"
    error: nights.jsonl:1: the line has the form 7, and this harness reads 1

    hint: nothing of the file was changed; read it with the harness that wrote it, or begin another
    ");
    assert_eq!(fs::read_to_string(project.path().join("nights.jsonl")).unwrap(), "{\"schema_version\": 7}\n");

    project.write("nights.jsonl", "half a li");
    let (code, told) = said(&project, &["history", "--baseline", "nights.jsonl", "--add", &whole]);
    assert!(code == 0 && told.contains("left out: nights.jsonl:1: no night's line: expected"), "{told}");
    assert_eq!(fs::read_to_string(project.path().join("nights.jsonl")).unwrap().lines().count(), 4);

    let (code, told) = said(&project, &["history", "--baseline", "nowhere.jsonl"]);
    assert_eq!((code, told.trim()), (2, "error: cannot read nowhere.jsonl: No such file or directory (os error 2)"));
}

/// Three cells: one fails and is known, one fails and is new, one failed and is fixed.
#[test]
fn a_run_with_known_failures_alone_ends_well() {
    let project = Project::new();
    let merged = |saved: [u64; 2], more: &[&str]| {
        let run = night(&project, 0, saved, 30);
        let folder = run.folder().display().to_string();
        let told = said(&project, &[&["merge", &folder], more].concat());
        let junit = fs::read_to_string(project.results().join("latest/junit.xml")).unwrap();
        (told.0, told.1, junit)
    };
    assert_eq!(merged([10, 10], &[]).0, 0);
    assert_eq!(merged([2, 10], &[]).0, 1);
    let (code, told) = said(&project, &["known", "add", "--from", "latest", "--link", "https://bugs.example.org/17"]);
    assert_eq!((code, told.as_str()), (0, "known.yaml: 1 added\n"));
    insta::assert_snapshot!(fs::read_to_string(project.path().join("known.yaml")).unwrap().replace(&fs::read_link(project.results().join("latest")).unwrap().display().to_string(), "[RUN]"), @r#"
    known:
      - scenario: "panic-during-oops-dump"
        variant: "stock"
        base: "6.12"
        params: { hold: "1ms", post_notifiers: 1 }
        channel: pstore
        share: 2/10
        link: "https://bugs.example.org/17"
        since: 2025-11-24
        note: "Linux 6.12.40, run [RUN]"
    "#);
    assert_eq!(said(&project, &["known", "add", "--link", "https://bugs.example.org/17"]).1, "known.yaml: 0 added\n");

    let known = ["--known", "known.yaml"];
    let (code, told, junit) = merged([2, 10], &known);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("\n0 new failures, 1 known\n"), "{told}");
    assert!(
        junit.contains(
            "<skipped message=\"known since 2025-11-24: https://bugs.example.org/17: pstore saved in 2 of 10"
        ),
        "{junit}"
    );
    let (code, told, _) = merged([2, 1], &known);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("\n1 new failure, 1 known\n"), "{told}");
    let (code, told, _) = merged([10, 10], &known);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("\n0 new failures, 0 known\nknown failure panic-during-oops-dump stock pstore (https://bugs.example.org/17) passes: remove it?\n"), "{told}");
    assert_eq!(said(&project, &["known", "check"]).0, 1, "there is something to be done");

    let as_failure = merged([2, 10], &[&known[..], &["--known-as", "failure"]].concat());
    assert!(as_failure.0 == 0 && as_failure.2.contains("type=\"known\">known since"), "{}", as_failure.2);
    let passed = merged([2, 10], &[&known[..], &["--known-as", "passed"]].concat());
    assert!(
        passed.0 == 0 && !passed.2.contains("<skipped") && passed.2.contains("known since 2025-11-24: https://bugs"),
        "{}",
        passed.2
    );
    assert_eq!(said(&project, &["known", "check"]), (0, "known.yaml: nothing is to be done\n".to_owned()));

    let ktap = text(&project.run(&["report", "ktap", "latest", "--known", "known.yaml"]).stdout);
    assert!(
        ktap.contains("ok 4 hold=1ms post_notifiers=1 pstore # XFAIL https://bugs.example.org/17 since 2025-11-24\n"),
        "{ktap}"
    );
    assert!(ktap.contains("\nok 1 stock@6.12 panic-during-oops-dump\n"), "{ktap}");
    let markdown = merged([2, 10], &[&known[..], &["--markdown", "-"]].concat()).1;
    assert!(markdown.starts_with("### 1 known to fail, 2 as expected, 3 measured\n"), "{markdown}");
    assert!(markdown.contains("| <https://bugs.example.org/17> since 2025-11-24 |"), "{markdown}");
}

#[test]
fn a_list_that_is_wrong_or_fits_nothing_is_told() {
    let project = Project::new();
    let folder = night(&project, 0, [10, 10], 30).folder().display().to_string();
    let entry = "known:\n  - scenario: panic-alnoe\n    variant: stock\n    channel: pstore\n    link: https://bugs.example.org/1\n    since: 2025-01-01\n";
    project.write("known.yaml", entry);
    let (code, told) = said(&project, &["merge", &folder, "--known", "known.yaml"]);
    assert!(
        code == 0
            && told.contains(
                "known failure panic-alnoe stock pstore (https://bugs.example.org/1) fits no cell of this run"
            ),
        "{told}"
    );
    let (code, told) = said(&project, &["known", "check", "known.yaml", "--run", &folder]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(told, @"
    reading known.yaml: it fits no cell of run 20251124-160000
      --> known.yaml:2:15
      |
    2 |   - scenario: panic-alnoe
      |               ^^^^^^^^^^^
    ");
    project.write("known.yaml", &entry.replace("2025-01-01", "yesterday"));
    for arguments in
        [&["merge", &folder, "--known", "known.yaml"][..], &["run", "--suite", "quick", "--known", "known.yaml"]]
    {
        let (code, told) = said(&project, arguments);
        assert!(code == 2 && told.starts_with("error: reading known.yaml: not a day"), "{told}");
    }
    assert_eq!(project.json(&["schema", "known"], 0)["title"], "known");
}

const LIMIT_KIB: u64 = 128 << 10;

#[test]
fn a_year_of_nights_fits_into_memory() {
    run_alone("nights::child");
}

/// 365 nights of 160 cells with three channels, of which every other is neither all nor nothing; in the last night one is lost.
#[test]
fn child() {
    if !is_alone() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nights.jsonl");
    let share = |good: u32| Counted { good: Proportion::new(good, 10).unwrap(), failed: Some(good == 0) };
    for night in 0..365u32 {
        let lines = (0..160u32).map(|cell| {
            let key = simulated::record(u64::from(cell), 160).cell;
            let steady = if cell % 2 == 0 { 10 } else { (night * 7 + cell * 13) % 5 + 5 };
            let lost = cell == 0 && night == 364;
            Line {
                schema_version: harness::history::SCHEMA_VERSION,
                run: format!("run-{night}"),
                started: harness::results::rfc3339(
                    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(night) * 86_400),
                ),
                harness: "83203ab".into(),
                qemu: "7.2.22 tcg".into(),
                cut_short: false,
                variant: key.variant,
                base: key.base,
                scenario: key.scenario,
                params: key.params,
                release: Some(format!("6.12.{night}")),
                commit: Some("9f8b5ac4ab3fbf0c1b6bd2d1ee2b4bbb1c4a6e1d".into()),
                trials: 10,
                missed: 0,
                infra_errors: 0,
                skipped: None,
                channels: [
                    (Channel::Console, share(10)),
                    (Channel::Pstore, share(if lost { 0 } else { steady })),
                    (Channel::Order, share(steady)),
                ]
                .into(),
            }
        });
        harness::history::append(&path, &lines.collect::<Vec<_>>()).unwrap();
    }
    let mut builder = Builder::default();
    let broken = harness::history::read(&path, |line| builder.add(line).unwrap()).unwrap();
    assert_eq!(broken, Vec::<String>::new());
    let history = builder.finish();
    let judged = judge(&history, Options::default());
    assert_eq!((judged.rows.len(), judged.count(State::New)), (480, 1));
    let shown = history_text(&history, &judged, true, Format::Text { colour: false });
    assert!(shown.contains("less since 6.12.363 (9f8b5ac4ab3f) → 6.12.364 (9f8b5ac4ab3f)"), "{shown}");
    let peak = peak_kib();
    assert!(peak <= LIMIT_KIB, "{peak} KiB were resident");
}
