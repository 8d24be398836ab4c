//! `harness read`, from outside: in a folder where nothing else is, and as a trial's own reading of the same evidence.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::common::memory::{LIMIT_KIB, is_alone, peak_kib, run_alone};
use crate::common::{root, text};
use harness::evidence::console;
use harness::evidence::pstore::{Dump, from_erst_file};
use harness::read::{Options, load, read};

const MIB: usize = 1 << 20;

/// The program in a folder without a project, with nothing to be found in `PATH`.
fn harness(folder: &Path, arguments: &[&str]) -> Output {
    let mut harness = Command::new(env!("CARGO_BIN_EXE_harness"));
    harness.args(arguments).current_dir(folder).env_clear();
    harness.env("HOME", "/nowhere").output().unwrap()
}

fn fixtures() -> std::path::PathBuf {
    root().join("harness/tests/fixtures/evidence")
}

#[test]
fn it_works_in_an_empty_folder() {
    let here = tempfile::tempdir().unwrap();
    let of = |case: &str, file: &str| fixtures().join(case).join(file).display().to_string();
    let case = "stock-6.12.117-panic-alone";
    let output = harness(here.path(), &["read", &of(case, "erst.bin"), &of(case, "console.raw"), "--no-logs"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout).replace(&fixtures().display().to_string(), "[EVIDENCE]");
    insta::assert_snapshot!(shown);
    assert_eq!(fs::read_dir(here.path()).unwrap().count(), 0, "nothing is written");

    fs::write(here.path().join("core.gz"), b"\x1f\x8b\x08\x00").unwrap();
    let output = harness(here.path(), &["read", "core.gz", &of(case, "erst.bin"), "--format", "json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).starts_with("error: read core.gz: it is compressed by gzip"),
        "{}",
        text(&output.stderr)
    );
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["schema"], &json["refused"][0]["name"]), (&1.into(), &"core.gz".into()));
    assert_eq!(json["sources"][0]["logs"][0]["dump"]["reason"], "Panic");
    assert_eq!(harness(here.path(), &["read", "nowhere"]).status.code(), Some(2));
}

#[test]
fn the_harness_own_evidence_is_read_as_a_trial_reads_it() {
    let mut seen = 0;
    for case in fs::read_dir(fixtures()).unwrap() {
        let file = case.unwrap().path().join("erst.bin");
        let Ok(bytes) = fs::read(&file) else { continue };
        seen += 1;
        let reading = read(&load(&[file]).unwrap(), &Options::default());
        let pstore = from_erst_file(&bytes, &[]);
        let source = &reading.sources[0];
        let texts: Vec<_> = source.logs.iter().map(|log| log.text.clone()).collect();
        let shown = |dump: &Dump| console::decode(dump.text().as_bytes()).text;
        assert_eq!(texts, pstore.dumps.iter().map(shown).collect::<Vec<_>>());
        assert_eq!(source.lost, pstore.problems);
    }
    assert!(seen > 3, "the corpus is there");
}

#[test]
fn the_zones_of_a_guests_ramoops_are_found() {
    let folder = fixtures().join("stock-6.12.117-ramoops");
    let case = fs::read_to_string(folder.join("case.txt")).unwrap();
    let sizes = case.lines().find_map(|line| line.strip_prefix("ramoops: ")).unwrap();
    let sizes: Vec<u32> = sizes.split(' ').map(|size| size.parse().unwrap()).collect();
    let [record, _, console, pmsg, ecc] = sizes[..] else { panic!("{sizes:?}") };
    let sources = load(&[folder.join("ramoops.bin")]).unwrap();
    let found = read(&sources, &Options { zones: None, ecc });
    let zones = format!("record={record},console={console},pmsg={pmsg}").parse().unwrap();
    let named = read(&sources, &Options { zones: Some(zones), ecc });
    let texts = |reading: &harness::read::Reading| {
        reading.sources[0].logs.iter().map(|log| (log.of, log.text.clone())).collect::<Vec<_>>()
    };
    assert!(!texts(&named).is_empty());
    assert_eq!(texts(&found), texts(&named));
}

#[test]
fn memory_does_not_grow_with_what_is_read() {
    run_alone("read::child");
}

/// The part of the test that has a process of its own: 100 MB that are nothing, and that begin as each kind does.
#[test]
fn child() {
    if !is_alone() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    let mut random = fastrand::Rng::with_seed(7);
    let mut chunk = vec![0; MIB];
    for head in
        [&b"\x80"[..], b"ERSTSTOR\x00\x20\x00\x00\x00\x20\x00\x00\x00\x01", b"DBGC\0\0\0\0\0\0\0\0", b"\x7fELF\x02\x01"]
    {
        let mut file = File::create(&path).unwrap();
        for _ in 0..100 {
            random.fill(&mut chunk);
            file.write_all(&chunk).unwrap();
        }
        drop(file);
        std::os::unix::fs::FileExt::write_all_at(&File::options().write(true).open(&path).unwrap(), head, 0).unwrap();
        let reading = read(&load(std::slice::from_ref(&path)).unwrap(), &Options::default());
        assert_eq!(reading.sources.len() + reading.refused.len(), 1);
        let peak = peak_kib();
        assert!(peak <= LIMIT_KIB, "{}: {peak} KiB were resident", head.escape_ascii());
    }
    // All of it at once would not be within the limit.
    let all = fs::read(&path).unwrap();
    assert!(all.len() == 100 * MIB && peak_kib() > LIMIT_KIB, "the limit tells nothing: {} KiB", peak_kib());
}
