use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use insta::assert_snapshot;

use super::sample::{cell, counted, expect, info, kept, key, trial};
use super::*;
use crate::model::ChannelOutcome::{Corrupt, Lost, Saved, Truncated};
use crate::model::{Channel, Expectation, TrialOutcome, TrialRecord};

mod log;
mod order;
mod skipped;
mod templates;

/// 2026-11-22 05:06:07.089 UTC.
fn began() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_795_323_967_089)
}

fn missed() -> TrialOutcome {
    TrialOutcome::Missed { reason: "the panic came 12 ms after the hold had ended".into() }
}

fn infra() -> TrialOutcome {
    TrialOutcome::InfraError { cause: "starting QEMU: no such file".into() }
}

/// Two cells, told apart by one parameter, their trials mixed.
fn trials() -> Vec<TrialRecord> {
    let first = key("stock", "panic-during-oops-dump", "hold=300ms post_notifiers=0");
    let second = key("stock", "panic-during-oops-dump", "hold=300ms post_notifiers=1");
    let mut hung = counted(Truncated, Lost);
    if let TrialOutcome::Counted { hung, .. } = &mut hung {
        *hung = true;
    }
    vec![
        trial(1, &second, counted(Saved, Lost)),
        trial(0, &first, counted(Saved, Saved)),
        trial(2, &first, missed()),
        trial(3, &second, infra()),
        trial(4, &second, hung),
        trial(5, &first, counted(Saved, Corrupt)),
    ]
}

fn ended(folder: &Path) -> Run {
    let run = Run::create(folder, began()).unwrap();
    let log = run.log().unwrap();
    for trial in trials() {
        log.append_blocking(&trial).unwrap();
    }
    run
}

/// All records of a run, and its torn line.
fn read(run: &Run) -> (Vec<TrialRecord>, Option<Torn>) {
    let mut trials = run.trials().unwrap();
    let records = trials.by_ref().map(Result::unwrap).collect();
    (records, trials.torn())
}

#[test]
fn a_trial_comes_back_as_it_was_written() {
    for record in trials() {
        let line = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<TrialRecord>(&line).unwrap(), record, "{line}");
    }
    assert_snapshot!(
        serde_json::to_string(&trials()[0]).unwrap(),
        @r#"{"index":1,"variant":"stock","base":"6.12","scenario":"panic-during-oops-dump","params":{"hold":"300ms","post_notifiers":1},"seed":18446744073709551614,"nonce":"0000000000000001","started":"2026-11-22T05:06:07.000Z","wall_ms":140,"outcome":"counted","hung":false,"channels":{"console":{"outcome":"saved","witnesses":32,"of":32},"pstore":{"outcome":"lost","witnesses":0,"of":32,"detail":"the panic's own line is missing"}},"host_wait_percent":3,"stamps":[{"actor":"victim","cpu":1,"entered_us":12,"left_us":null}]}"#
    );
}

#[test]
fn what_is_appended_is_read_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let run = ended(folder.path());
    assert_eq!(read(&run), (trials(), None));
}

#[test]
fn workers_append_at_the_same_time_without_mixing_lines() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::create(folder.path(), began()).unwrap();
    let log = run.log().unwrap();
    let cell = key("stock", "panic-alone", "");
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (log, cell) = (&log, &cell);
            scope.spawn(move || {
                for step in 0..10 {
                    log.append_blocking(&trial(worker * 10 + step, cell, counted(Saved, Saved))).unwrap();
                }
            });
        }
    });
    let mut indexes: Vec<u64> = read(&run).0.iter().map(|trial| trial.index).collect();
    indexes.sort_unstable();
    assert_eq!(indexes, (0..40).collect::<Vec<_>>());
}

#[test]
fn a_torn_last_line_is_told_and_the_rest_counts() {
    let folder = tempfile::tempdir().unwrap();
    let run = ended(folder.path());
    let path = run.folder().join("trials.jsonl");
    let whole = fs::read(&path).unwrap();
    for keep in [1, 40, 200] {
        let torn = [whole.as_slice(), &whole[..keep]].concat();
        fs::write(&path, torn).unwrap();
        assert_eq!(read(&run), (trials(), Some(Torn { line: 7, bytes: keep })));
    }
    // Only its line end is missing: the record itself is whole.
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(read(&run), (trials(), None));
}

#[test]
fn anything_else_in_the_log_is_an_error_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let run = ended(folder.path());
    let path = run.folder().join("trials.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let wrong = |text: String| {
        fs::write(&path, text).unwrap();
        let mut read = run.trials().unwrap();
        let error = read.find_map(Result::err).unwrap();
        assert!(read.next().is_none(), "an error is the end");
        error.to_string().replace(&*run.folder().to_string_lossy(), "RUN")
    };

    let torn_before_the_end = format!("{}\n{}\n{}\n", lines[0], &lines[1][..50], lines[2]);
    assert_snapshot!(wrong(torn_before_the_end), @"RUN/trials.jsonl:2: not the record of a trial: EOF while parsing a string at column 50");
    let torn_but_ended = format!("{}\n{}\n", lines[0], &lines[1][..50]);
    assert_snapshot!(wrong(torn_but_ended), @"RUN/trials.jsonl:2: not the record of a trial: EOF while parsing a string at column 50");
    let unknown_outcome = format!("{}\n", lines[0].replace("\"counted\"", "\"cuonted\""));
    assert_snapshot!(wrong(unknown_outcome), @"RUN/trials.jsonl:1: not the record of a trial: unknown variant `cuonted`, expected one of `counted`, `missed`, `infra-error` at column 513");
    let twice = format!("{}\n{}\n{}\n", lines[0], lines[1], lines[0]);
    assert_snapshot!(wrong(twice), @"RUN/trials.jsonl:3: trial 1 is already in an earlier line, and was no infra-error there");
    let no_such_trial = format!("{}\n", lines[0].replace("\"index\":1", "\"index\":67108864"));
    assert_snapshot!(wrong(no_such_trial), @"RUN/trials.jsonl:1: trial 67108864 is beyond the 67108864 that a run can have");
    let endless = format!("{}\n", lines[0].replace("\"saved\"", &"s".repeat(1 << 20)));
    assert_snapshot!(wrong(endless), @"RUN/trials.jsonl:1: not the record of a trial: the line is longer than 1048576 bytes");
}

/// `/dev/full` refuses every write because no space is left.
#[test]
fn a_full_disk_is_told_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let full = folder.path().join("trials.jsonl");
    symlink("/dev/full", &full).unwrap();
    let log = TrialLog::on(full.clone(), fs::OpenOptions::new().append(true).open(&full).unwrap(), 0).unwrap();
    let error = log.append_blocking(&trials()[0]).unwrap_err();
    let text = error.to_string().replace(&*full.to_string_lossy(), "LOG");
    assert_snapshot!(text, @"cannot append to LOG: No space left on device (os error 28)");
    assert_snapshot!(error.hint().unwrap(), @"free some space there, or choose another folder with --results DIR");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_told_with_a_way_out() {
    // sysfs makes no folders, not even for root.
    let error = Run::create(Path::new("/sys/harness-results"), began()).unwrap_err();
    assert!(error.to_string().starts_with("cannot create /sys/harness-results: "), "{error}");
    assert_snapshot!(error.hint().unwrap(), @"choose a folder that can be written to with --results DIR");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("results");
    fs::write(&file, "").unwrap();
    let error = Run::create(&file, began()).unwrap_err();
    assert!(matches!(&error, Error::Io { source, .. } if source.kind() == ErrorKind::AlreadyExists), "{error}");

    let run = Run::create(folder.path(), began()).unwrap();
    fs::remove_dir_all(run.folder()).unwrap();
    let error = run.write_report("junit.xml", "").unwrap_err();
    assert!(error.to_string().contains("cannot write") && error.hint().is_some(), "{error}");
}

#[test]
fn a_runs_name_is_its_time_and_is_never_taken_twice() {
    let folder = tempfile::tempdir().unwrap();
    let runs: Vec<Run> = (0..3).map(|_| Run::create(folder.path(), began()).unwrap()).collect();
    for run in &runs {
        assert!(is_run_id(run.id()) && run.id().starts_with("20261122-050607-"), "{}", run.id());
        assert!(run.folder().join("artifacts").is_dir());
    }
    assert!(runs[0].id() != runs[1].id() && runs[1].id() != runs[2].id());
    assert_eq!(fs::read_link(folder.path().join(LATEST)).unwrap(), Path::new(runs[2].id()));
    assert_eq!(rfc3339(began()), "2026-11-22T05:06:07.089Z");
}

#[test]
fn what_is_no_runs_name() {
    assert!(is_run_id("20261122-050607-00ab"));
    for text in
        ["", "stock", "20261122-050607", "20261122-050607-00AB", "20261122-050607-00ab-1", "2026112x-050607-00ab"]
    {
        assert!(!is_run_id(text), "{text}");
    }
}

#[test]
fn runs_are_found_by_name_as_latest_and_by_path() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path();
    assert!(list(&results.join("nowhere")).unwrap().is_empty());
    assert!(matches!(latest(results), Err(Error::NoRuns { .. })));

    let older = Run::create(results, began()).unwrap();
    let newer = Run::create(results, began() + Duration::from_secs(1)).unwrap();
    older.log().unwrap();
    newer.log().unwrap();
    // Neither of these is a run.
    fs::create_dir(results.join("20270101-000000-0000")).unwrap();
    fs::write(results.join("README.md"), "").unwrap();

    let ids = |runs: Vec<Run>| runs.iter().map(|run| run.id().to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(list(results).unwrap()), [older.id(), newer.id()]);
    assert_eq!(Run::find(results, older.id()).unwrap().id(), older.id());
    assert_eq!(Run::find(results, LATEST).unwrap().id(), newer.id());
    let path = format!("{}/latest", results.display());
    assert_eq!(Run::find(Path::new("elsewhere"), &path).unwrap().id(), newer.id());

    // The link leads nowhere: the newest name it is.
    fs::remove_dir_all(newer.folder()).unwrap();
    assert_eq!(latest(results).unwrap().id(), older.id());

    let error = Run::find(results, "20200101-000000-0000").unwrap_err();
    assert!(error.to_string().starts_with("there is no run 20200101-000000-0000 in "), "{error}");
    assert_eq!(error.hint().unwrap(), format!("the newest there: {}", older.id()));
    let error = Run::open(&results.join("20270101-000000-0000")).unwrap_err();
    assert!(matches!(error, Error::NotARun { .. }), "{error}");
}

#[test]
fn run_json_comes_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::create(folder.path(), began()).unwrap();
    let expected = vec![expect(Channel::Pstore, Saved)];
    let planned =
        PlannedCell { key: key("stock", "panic-alone", "hold=0"), trials: 20, expect: expected, skipped: None };
    let written = info(vec![planned]);
    run.write_info(&written).unwrap();
    assert_eq!(run.info().unwrap(), written);

    let path = run.folder().join("run.json");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    let umask_of_a_plain_file = {
        let plain = run.folder().join("plain");
        fs::write(&plain, "").unwrap();
        fs::metadata(plain).unwrap().permissions().mode()
    };
    assert_eq!(mode, umask_of_a_plain_file);
    assert_eq!(fs::read_dir(run.folder()).unwrap().count(), 3, "nothing temporary is left");

    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"schema_version\": 1", "\"schema_version\": 2")).unwrap();
    let error = run.info().unwrap_err();
    assert!(matches!(error, Error::Version { found: 2, known: 1, .. }), "{error}");
    assert_eq!(error.hint().unwrap(), "read it with a newer harness");
    fs::write(&path, text.replace("\"seed\"", "\"sead\"")).unwrap();
    assert!(run.info().unwrap_err().to_string().contains("missing field `seed`"));
}

#[test]
fn what_was_counted_so_far_is_what_the_summary_says() {
    let mut builder = SummaryBuilder::default();
    for (number, trial) in trials().iter().enumerate() {
        builder.add(trial);
        let summary = Summary::from_trials("x", &trials()[..=number]);
        for cell in &summary.cells {
            assert_eq!(builder.cell(&cell.key), Some(cell));
        }
        assert_eq!(builder.channels(), summary.channels());
    }
    assert_eq!(builder.cell(&key("stock", "panic-alone", "")), None);
}

#[test]
fn the_summary_has_its_documented_form() {
    let summary = Summary::from_trials("20261122-050607-00ab", &trials());
    assert_snapshot!(serde_json::to_string_pretty(&summary).unwrap(), @r#"
    {
      "run_id": "20261122-050607-00ab",
      "cells": [
        {
          "variant": "stock",
          "base": "6.12",
          "scenario": "panic-during-oops-dump",
          "params": {
            "hold": "300ms",
            "post_notifiers": 0
          },
          "trials": 3,
          "missed": 1,
          "infra_errors": 0,
          "hung": 0,
          "channels": {
            "console": {
              "n": 2,
              "saved": 2,
              "truncated": 0,
              "corrupt": 0,
              "lost": 0,
              "ci95": [
                0.3423802275066531,
                1.0
              ]
            },
            "pstore": {
              "n": 2,
              "saved": 1,
              "truncated": 0,
              "corrupt": 1,
              "lost": 0,
              "ci95": [
                0.09453120573423071,
                0.9054687942657693
              ]
            }
          }
        },
        {
          "variant": "stock",
          "base": "6.12",
          "scenario": "panic-during-oops-dump",
          "params": {
            "hold": "300ms",
            "post_notifiers": 1
          },
          "trials": 3,
          "missed": 0,
          "infra_errors": 1,
          "hung": 1,
          "channels": {
            "console": {
              "n": 2,
              "saved": 1,
              "truncated": 1,
              "corrupt": 0,
              "lost": 0,
              "ci95": [
                0.09453120573423071,
                0.9054687942657693
              ]
            },
            "pstore": {
              "n": 2,
              "saved": 0,
              "truncated": 0,
              "corrupt": 0,
              "lost": 2,
              "ci95": [
                0.0,
                0.6576197724933469
              ]
            }
          }
        }
      ]
    }
    "#);
    let text = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&text).unwrap(), summary);
}

#[test]
fn a_summary_that_contradicts_itself_is_refused() {
    let text = serde_json::to_string(&Summary::from_trials("x", &trials())).unwrap();
    let error = serde_json::from_str::<Summary>(&text.replacen("\"n\":2", "\"n\":3", 1)).unwrap_err();
    assert_snapshot!(error.to_string(), @"n is 3, but the outcomes beside it add up to another number at line 1 column 291");
    let most = u32::MAX.to_string();
    let overflowing =
        text.replacen("\"saved\":2", &format!("\"saved\":{most}"), 1).replacen("\"lost\":0", "\"lost\":1", 1);
    assert!(serde_json::from_str::<Summary>(&overflowing).is_err());
}

#[test]
fn a_summary_is_made_of_the_trials_or_stands_alone() {
    let folder = tempfile::tempdir().unwrap();
    let run = ended(folder.path());
    let counted = Summary::from_trials(run.id(), &trials());
    // Interrupted: no summary.json yet.
    assert_eq!(run.summary().unwrap(), counted);
    run.write_summary(&counted).unwrap();
    assert_eq!(run.summary().unwrap(), counted);

    let path = run.folder().join("summary.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"missed\": 1", "\"missed\": 0", 1)).unwrap();
    let error = run.summary().unwrap_err();
    assert!(matches!(error, Error::Disagree { .. }), "{error}");
    fs::remove_file(run.folder().join("trials.jsonl")).unwrap();
    assert_eq!(run.summary().unwrap().cells[0].missed, 0);
}

#[test]
fn the_console_tail_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let run = Run::create(folder.path(), began()).unwrap();
    assert_eq!(run.artifacts(12), run.folder().join("artifacts/00012"));
    assert_eq!(run.console_tail(12, 100).unwrap(), None);
    fs::write(run.create_artifacts(12).unwrap().join(CONSOLE), b"0123456789").unwrap();
    assert_eq!(run.console_tail(12, 100).unwrap().unwrap(), b"0123456789");
    assert_eq!(run.console_tail(12, 4).unwrap().unwrap(), b"6789");
    assert_eq!(run.console_tail(12, 0).unwrap().unwrap(), b"");
}

#[test]
fn an_expectation_fails_only_on_evidence() {
    let pstore = expect(Channel::Pstore, Saved);
    let judge = |saved, n| judge_cell(&cell(key("stock", "panic-alone", ""), (n, n), (saved, n)), &pstore);
    assert_eq!(
        judge(0, 20),
        Judgement::Failed("pstore saved in 0 of 20 (95 % CI 0–16 %), expected at least 90 %".into())
    );
    assert_eq!(judge(20, 20), Judgement::Met);
    assert_eq!(judge(16, 20), Judgement::Met);
    assert!(matches!(judge(15, 20), Judgement::Failed(_)));
    assert!(matches!(judge(1, 3), Judgement::Failed(_)));
    assert_eq!(judge(1, 2), Judgement::Met);
    assert_eq!(judge(0, 0), Judgement::Unknown("no trial was run".into()));
}

#[test]
fn an_expectation_is_of_one_outcome_not_of_the_better_ones() {
    let lost = expect(Channel::Pstore, Lost);
    let all_saved = cell(key("stock", "panic-alone", ""), (20, 20), (20, 20));
    let Judgement::Failed(text) = judge_cell(&all_saved, &lost) else { panic!("20 saved are 20 not lost") };
    assert_snapshot!(text, @"pstore lost in 0 of 20 (95 % CI 0–16 %), expected at least 90 %");
    let odd = Expectation { at_least: 0.57, ..lost };
    assert_snapshot!(odd, @"pstore lost in at least 57 %");
    let strict = Expectation { at_least: 0.999, ..lost };
    assert_snapshot!(strict, @"pstore lost in at least 99.9 %");
    let read: Expectation = serde_json::from_str(r#"{"channel":"pstore","outcome":"lost"}"#).unwrap();
    assert_eq!(read, lost);
}

#[test]
fn where_nothing_counted_nothing_is_known_and_it_is_told_why() {
    let of = |outcomes: Vec<TrialOutcome>| {
        let key = key("stock", "panic-alone", "");
        let plan =
            [PlannedCell { key: key.clone(), trials: 2, expect: vec![expect(Channel::Pstore, Saved)], skipped: None }];
        let trials: Vec<_> = (0..).zip(outcomes).map(|(index, outcome)| trial(index, &key, outcome)).collect();
        let judged = judge(&Summary::from_trials("x", &trials), &plan);
        match judged.as_slice() {
            [Judged { judgement: Judgement::Unknown(why), .. }] => why.clone(),
            other => panic!("{other:?}"),
        }
    };
    let mut console_only = counted(Saved, Saved);
    if let TrialOutcome::Counted { channels, .. } = &mut console_only {
        channels.remove(&Channel::Pstore);
    }
    assert_snapshot!(of(vec![]), @"no trial was run");
    assert_snapshot!(of(vec![missed(), missed()]), @"none of 2 trials counted: 2 missed, 0 infra-error");
    assert_snapshot!(of(vec![missed(), infra()]), @"none of 2 trials counted: 1 missed, 1 infra-error");
    assert_snapshot!(of(vec![console_only]), @"the channel was judged in none of the trials that counted (1)");
}
