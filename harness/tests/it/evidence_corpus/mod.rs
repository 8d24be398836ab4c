//! The corpus of evidence: each folder below `tests/fixtures/evidence/` is what one guest left, with its expected
//! reading.
//!
//! | file | what |
//! |---|---|
//! | `case.txt` | what the trial wrote: `nonce:`, `of:`, `panic:` (its text), `entered:` and `during:` (conditions); of ramoops the bytes of a record's zone, how many of them there are, the bytes of the console's zone and of pmsg's, and the parity bytes of a block: `ramoops: 65536 4 65536 0 16` |
//! | `console.raw` | the serial output, if any |
//! | `erst.bin` | the ERST's backing file, if any |
//! | `ramoops.bin` | the memory of ramoops, if any |
//! | `stamps.bin` | the page shared with crashlab, if any |
//! | `expected.txt` | what the decoders and the verdict say of it |
//!
//! A new case is a new folder. `UPDATE_EVIDENCE=1 cargo test --test it evidence_corpus` writes `expected.txt` anew: read
//! the difference before it is committed.

mod case;
mod reading;
mod synthetic;

use std::fs;
use std::path::{Path, PathBuf};

use case::Case;
use reading::reading;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/evidence")
}

/// Compares the reading of the case in `folder` with the expected one; with `update`, writes that instead.
fn check(folder: &Path, update: bool) -> Result<(), String> {
    let named = |error: String| format!("{}: {error}", folder.display());
    let text = reading(&Case::load(folder).map_err(named)?);
    let file = folder.join("expected.txt");
    if update {
        return fs::write(&file, text).map_err(|error| named(format!("writing expected.txt: {error}")));
    }
    let expected = fs::read_to_string(&file).map_err(|error| named(format!("reading expected.txt: {error}")))?;
    let differs = expected.lines().zip(text.lines()).find(|(a, b)| a != b);
    match differs {
        _ if expected == text => Ok(()),
        Some((expected, read)) => Err(named(format!("\n expected: {expected}\n read:     {read}"))),
        None => Err(named(format!("one reading is longer\n expected:\n{expected}\n read:\n{text}"))),
    }
}

#[test]
fn every_case_reads_as_expected() {
    let update = std::env::var_os("UPDATE_EVIDENCE").is_some_and(|value| value == "1");
    let mut folders: Vec<PathBuf> = fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty(), "no cases in {}", corpus().display());
    let failed: Vec<String> = folders.iter().filter_map(|folder| check(folder, update).err()).collect();
    assert!(failed.is_empty(), "{}\n\nhint: UPDATE_EVIDENCE=1 writes the readings anew", failed.join("\n"));
}

/// Writes the synthetic cases' evidence anew. Not run by itself: what it writes is in the repository, and compressors
/// may differ in their bytes from version to version.
#[test]
#[ignore = "writes into the corpus"]
fn write_synthetic_cases() {
    synthetic::write(&corpus()).unwrap();
}

#[test]
fn synthetic_evidence_reads_as_it_was_meant() {
    let corpus = tempfile::tempdir().unwrap();
    synthetic::write(corpus.path()).unwrap();
    for (name, meant) in [
        ("synthetic-saved", &["console: saved 32/32", "pstore: saved 32/32", "trial: counts"][..]),
        ("synthetic-dump-skipped", &["console: saved 32/32", "pstore: lost 0/32", "trial: counts"]),
        ("synthetic-damaged", &["console: corrupt 31/32", "pstore: corrupt ", "trial: missed"]),
    ] {
        let text = reading(&Case::load(&corpus.path().join(name)).unwrap());
        for line in meant {
            assert!(text.lines().any(|l| l.starts_with(line)), "{name}: no `{line}` in\n{text}");
        }
    }
}

/// The runner itself: what must fail does.
mod runner {
    use super::*;

    fn case(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    const CASE: (&str, &str) = ("case.txt", "nonce: 0123456789abcdef\nof: 2\n");
    const CONSOLE: (&str, &str) = ("console.raw", "SeaBIOS\r\n");

    #[test]
    fn an_updated_case_passes_and_a_changed_one_fails() {
        let folder = case(&[CASE, CONSOLE]);
        assert!(check(folder.path(), false).unwrap_err().contains("reading expected.txt"));
        check(folder.path(), true).unwrap();
        check(folder.path(), false).unwrap();
        fs::write(folder.path().join("console.raw"), "SeaBIOS\r\nmore\r\n").unwrap();
        assert!(check(folder.path(), false).unwrap_err().contains("\n expected:   1 lines"));
        fs::write(folder.path().join("expected.txt"), "").unwrap();
        assert!(check(folder.path(), false).unwrap_err().contains("one reading is longer"));
    }

    #[test]
    fn a_folder_that_is_no_case_fails() {
        for (files, want) in [
            (&[CONSOLE][..], "reading case.txt"),
            (&[CASE], "no evidence"),
            (&[CASE, ("ramoops.bin", "")], "case.txt: no `ramoops:`"),
            (&[("case.txt", "nonce: 1\nof: 2\nramoops: 1 2 3 4\n"), CONSOLE], "case.txt: line 3: not five numbers"),
            (&[CASE, CONSOLE, ("console.log", "")], "console.log is no file of a case"),
            (&[("case.txt", "nonce: 0123456789abcdef\n"), CONSOLE], "case.txt: no `of:`"),
            (&[("case.txt", "of: 2\n"), CONSOLE], "case.txt: no `nonce:`"),
            (&[("case.txt", "nonce 2\n"), CONSOLE], "case.txt: line 1: not `key: value`"),
            (&[("case.txt", "nonce: 1\nof: many\n"), CONSOLE], "case.txt: line 2: many is no number"),
            (&[("case.txt", "nonce: 1\nof: 2\nafter: x\n"), CONSOLE], "case.txt: line 3: unknown key after"),
            (&[("case.txt", "nonce: 1\nof: 2\nduring: x\n"), CONSOLE], "case.txt: line 3: not two actors"),
        ] {
            let folder = case(files);
            let error = check(folder.path(), true).unwrap_err();
            assert!(error.contains(want), "{want}: {error}");
        }
    }
}
