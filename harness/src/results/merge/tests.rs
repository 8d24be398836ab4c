use std::os::unix::fs::{MetadataExt, symlink};
use std::time::{Duration, UNIX_EPOCH};

use insta::assert_snapshot;

use super::*;
use crate::model::ChannelOutcome::{Lost, Saved};
use crate::model::{Channel, TrialOutcome, TrialRecord};
use crate::plan::Shard;
use crate::results::sample::{counted, expect, info, key, trial};
use crate::results::{CONSOLE, LATEST, PlannedCell, list};

const CELLS: [&str; 3] = ["n=0", "n=1", "n=2"];
const TRIALS: u32 = 7;

fn began() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_795_323_967_089)
}

/// The inputs of a run of three cells.
fn inputs() -> RunInfo {
    let expected = vec![expect(Channel::Pstore, Saved)];
    info(
        CELLS
            .map(|n| PlannedCell {
                key: key("stock", "late", n),
                trials: TRIALS,
                expect: expected.clone(),
                skipped: None,
            })
            .into(),
    )
}

/// All trials of its plan, simulated.
fn trials() -> Vec<TrialRecord> {
    let outcome = |index: u64| match index % 5 {
        0 => counted(Saved, Lost),
        1 => TrialOutcome::InfraError { cause: "starting QEMU: no such file".into() },
        2 => TrialOutcome::Missed { reason: "late".into() },
        _ => counted(Saved, Saved),
    };
    let cells = CELLS.map(|n| key("stock", "late", n));
    let indices = 0..u64::from(TRIALS) * 3;
    indices.zip(cells.iter().cycle()).map(|(index, cell)| trial(index, cell, outcome(index))).collect()
}

/// A run of these trials, each with its console.
fn run<'a>(results: &Path, info: &RunInfo, trials: impl IntoIterator<Item = &'a TrialRecord>) -> Run {
    let run = Run::create(results, began()).unwrap();
    run.write_info(&RunInfo { run_id: run.id().to_owned(), ..info.clone() }).unwrap();
    let log = run.log().unwrap();
    for trial in trials {
        log.append_blocking(trial).unwrap();
        fs::write(run.create_artifacts(trial.index).unwrap().join(CONSOLE), trial.index.to_string()).unwrap();
    }
    run
}

/// The shards of the plan, but those of these numbers.
fn shards(results: &Path, of: u32, but: &[u32]) -> Vec<Run> {
    let indices = (1..=of).filter(|index| !but.contains(index));
    let shard = |index: u32| {
        let shard = Shard::new(index, of);
        let ours = |it: &&TrialRecord| (it.index % 3 + it.index / 3) % u64::from(of) == u64::from(index - 1);
        run(results, &RunInfo { shard, ..inputs() }, trials().iter().filter(ours))
    };
    indices.map(shard).collect()
}

fn merge(results: &Path, runs: Vec<Run>) -> Run {
    let merged = Parts::read(runs).unwrap().merge(results, began(), vec!["harness".into(), "merge".into()]).unwrap();
    merged.publish().unwrap()
}

/// What is said to the runs that `change` makes of two shards.
fn refused(change: impl FnOnce(&Run, &mut RunInfo)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let runs = shards(folder.path(), 2, &[]);
    let mut other = runs[1].info().unwrap();
    change(&runs[1], &mut other);
    runs[1].write_info(&other).unwrap();
    said(&runs, &Parts::read(runs.clone()).unwrap_err())
}

fn said(runs: &[Run], error: &MergeError) -> String {
    let mut text = format!("{error}\nhint: {}", error.hint().unwrap());
    for (run, name) in runs.iter().zip(["A", "B"]) {
        text = text.replace(&*run.folder().to_string_lossy(), name);
    }
    text
}

#[test]
fn merged_shards_count_what_one_run_counts() {
    let folder = tempfile::tempdir().unwrap();
    let whole = run(folder.path(), &inputs(), &trials()).summary().unwrap();
    for of in [1, 2, 3, 16] {
        let merged = merge(folder.path(), shards(folder.path(), of, &[]));
        let cells = |summary: &crate::results::Summary| serde_json::to_string(&summary.cells).unwrap();
        assert_eq!(cells(&merged.summary().unwrap()), cells(&whole), "{of}");
        let mut read: Vec<TrialRecord> = merged.trials().unwrap().map(Result::unwrap).collect();
        read.sort_by_key(|trial| trial.index);
        assert_eq!(read, trials());
        for trial in 0..21 {
            assert_eq!(merged.console_tail(trial, 9).unwrap().unwrap(), trial.to_string().as_bytes());
        }
    }
}

#[test]
fn a_merged_run_says_what_it_was_merged_from() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    let runs = shards(folder.path(), 2, &[]);
    let mut second = runs[1].info().unwrap();
    "another CPU".clone_into(&mut second.host.cpu);
    "2026-11-22T05:06:06.000Z".clone_into(&mut second.started);
    (second.jobs, second.qemu.path) = (8, "/opt/qemu".into());
    runs[1].write_info(&second).unwrap();
    let merged = merge(&results, runs.clone());
    let info = merged.info().unwrap();
    assert_eq!(info.run_id, merged.id());
    assert_eq!(info.command, ["harness", "merge"]);
    assert_eq!(info.merged_from, [runs[0].id(), runs[1].id()]);
    assert_eq!(info.hosts, [runs[0].info().unwrap().host, second.host]);
    assert_eq!((info.shard, info.jobs, info.started), (None, 8, second.started));
    assert_eq!(fs::read_link(results.join(LATEST)).unwrap(), Path::new(merged.id()));
    let mode = |run: &Run| fs::metadata(run.folder()).unwrap().mode();
    assert_eq!(mode(&merged), mode(&runs[0]), "others may read the one if they may read the other");
    // A merged run can be merged again.
    assert_eq!(merge(&results, vec![merged]).info().unwrap().hosts, info.hosts);
}

#[test]
fn attempts_stay_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let mut trials = trials();
    let again = TrialRecord { attempt: 1, outcome: counted(Saved, Saved), ..trials[1].clone() };
    trials.push(again);
    let whole = run(folder.path(), &inputs(), &trials);
    let merged = merge(folder.path(), vec![whole.clone()]);
    assert_eq!(merged.summary().unwrap().cells, whole.summary().unwrap().cells);
    assert_eq!(merged.summary().unwrap().cells[1].retried, 1);
}

#[test]
fn what_is_missing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let parts = |but: &[u32]| Parts::read(shards(folder.path(), 16, but)).unwrap();
    let some = parts(&[2, 7]);
    assert_eq!(some.missing_shards().unwrap(), "shards 2, 7 of 16");
    assert!(some.recorded() < 21);
    assert_eq!(some.planned(), 21);
    assert_eq!(parts(&[16]).missing_shards().unwrap(), "shard 16 of 16");
    let all = parts(&[]);
    assert_eq!((all.missing_shards(), all.recorded()), (None, 21));

    let vast = run(folder.path(), &RunInfo { shard: Shard::new(1, u32::MAX), ..inputs() }, &trials()[..1]);
    let vast = Parts::read(vec![vast]).unwrap().missing_shards().unwrap();
    assert!(vast.starts_with("shards 2, 3, ") && vast.ends_with(", 21 and 4294967274 more of 4294967295"), "{vast}");
    // Of different divisions: only the trials can be counted.
    let one = run(folder.path(), &RunInfo { shard: Shard::new(1, 2), ..inputs() }, &trials()[..1]);
    let other = run(folder.path(), &RunInfo { shard: Shard::new(1, 3), ..inputs() }, &trials()[1..2]);
    assert_eq!(Parts::read(vec![one, other]).unwrap().missing_shards(), None);
}

#[test]
fn runs_that_differ_are_refused() {
    assert_snapshot!(refused(|_, info| info.seed = 7), @"
    cannot merge A and B: the seed is 18446744073709551615 in the first and 7 in the second
    hint: merge runs of one plan: same seed and selection, same kernels, scenarios, QEMU and harness
    ");
    let what = |change: fn(&mut RunInfo)| {
        let text = refused(|_, info| change(info));
        text.lines().next().unwrap().replacen("cannot merge A and B: ", "", 1)
    };
    assert_snapshot!(what(|i| i.cells.swap(0, 1)), @"cell 0 is stock@6.12 late n=0 in the first and stock@6.12 late n=1 in the second");
    assert_snapshot!(what(|i| i.cells.truncate(2)), @"cell 2 is stock@6.12 late n=2 in the first and absent in the second");
    assert_snapshot!(what(|i| i.cells.push(PlannedCell { key: key("stock", "new", ""), trials: 1, expect: vec![], skipped: None })), @"cell 3 is absent in the first and stock@6.12 new in the second");
    assert_snapshot!(what(|i| i.cells[1].trials = 8), @"the number of trials of stock@6.12 late n=1 is 7 in the first and 8 in the second");
    assert_snapshot!(what(|i| i.cells[1].expect[0].at_least = 0.5), @"what is expected of stock@6.12 late n=1 is pstore saved at least 0.9 in the first and pstore saved at least 0.5 in the second");
    assert_snapshot!(what(|i| i.cells[1].expect.clear()), @"what is expected of stock@6.12 late n=1 is pstore saved at least 0.9 in the first and nothing in the second");
    assert_snapshot!(what(|i| i.scenarios[0].sha256 = "0".into()).replace(&"e".repeat(64), "E"), @"the digest of scenario panic-alone is E in the first and 0 in the second");
    let kernel = |name: &str, change| {
        let text = what(change);
        assert!(text.starts_with(&format!("{name} of kernel stock@6.12 is ")), "{text}");
    };
    kernel("the source digest", |i| i.kernels[0].source_digest.clear());
    kernel("the series", |i| i.kernels[0].patches.clear());
    kernel("the config digest", |i| i.kernels[0].config_digest.clear());
    kernel("the compiler", |i| i.kernels[0].compiler.clear());
    kernel("the key", |i| i.kernels[0].key.clear());
    kernel("the build id", |i| i.kernels[0].build_id.clear());
    assert_snapshot!(what(|i| i.qemu.version = "9.0".into()), @"QEMU's version is 7.2.22 in the first and 9.0 in the second");
    assert_snapshot!(what(|i| i.qemu.accelerator = "kvm".into()), @"the accelerator is tcg in the first and kvm in the second");
    assert_snapshot!(what(|i| i.qemu.time = "virtual".into()), @"time in the guest is real in the first and virtual in the second");
    assert_snapshot!(what(|i| i.qemu.read_back = true), @"--read-back is false in the first and true in the second");
    assert_snapshot!(what(|i| i.qemu.cold = true), @"--cold is false in the first and true in the second");
    assert_snapshot!(what(|i| i.harness.version = "0.2.0".into()), @"the harness's version is 0.1.0 in the first and 0.2.0 in the second");
    assert_snapshot!(what(|i| i.harness.git = None), @"the harness's commit is 43afcc9 in the first and unknown in the second");
    // Another form of the folder is not read at all.
    assert!(refused(|_, info| info.schema_version = 2).contains("it has schema version 2"));
}

#[test]
fn a_trial_that_two_runs_have_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut runs = shards(folder.path(), 2, &[]);
    runs.push(run(folder.path(), &inputs(), &trials()[5..6]));
    let error = Parts::read(runs.clone()).unwrap_err();
    let holder = usize::from((5 % 3 + 5 / 3) % 2 == 1);
    assert_snapshot!(said(&[runs[holder].clone(), runs[2].clone()], &error), @"
    cannot merge A and B: trial 5 is in both
    hint: leave one of the two out: each shard may be there once
    ");
    assert!(matches!(Parts::read(vec![]), Err(MergeError::Nothing)));
}

#[test]
fn a_run_that_is_going_on_is_refused_and_kept_from_going_on() {
    let folder = tempfile::tempdir().unwrap();
    let runs = shards(folder.path(), 2, &[]);
    let (log, _) = runs[1].reopen_log().unwrap();
    let error = Parts::read(runs.clone()).unwrap_err();
    assert!(matches!(error, MergeError::Read(Error::Locked { .. })), "{error}");
    drop(log);
    let parts = Parts::read(runs.clone()).unwrap();
    assert!(matches!(runs[1].reopen_log(), Err(Error::Locked { .. })));
    drop(parts);
    runs[1].reopen_log().unwrap();
}

#[test]
fn a_merge_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    let runs = shards(folder.path(), 2, &[]);
    let parts = Parts::read(runs.clone()).unwrap();
    // Not published, because a report could not be written, for one.
    let merged = parts.merge(&results, began(), vec![]).unwrap();
    assert!(merged.run().trials().unwrap().count() > 0);
    assert!(list(&results).unwrap().is_empty(), "nobody sees it yet");
    drop(merged);
    assert_eq!(fs::read_dir(&results).unwrap().count(), 0);
    // Its second part has become unreadable meanwhile.
    fs::write(runs[1].trials_path(), "{}\n").unwrap();
    let error = parts.merge(&results, began(), vec![]).unwrap_err();
    assert!(matches!(error, MergeError::Write(Error::Line { line: 1, .. })), "{error}");
    assert_eq!(fs::read_dir(&results).unwrap().count(), 0);
}

#[test]
fn artifacts_are_linked_and_no_link_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("secret"), "outside").unwrap();
    let whole = run(folder.path(), &inputs(), &trials()[..4]);
    symlink(folder.path().join("secret"), whole.artifacts(0).join("stolen.log")).unwrap();
    fs::create_dir(whole.artifacts(1).join("folder")).unwrap();
    fs::remove_dir_all(whole.artifacts(2)).unwrap();
    symlink(folder.path(), whole.artifacts(2)).unwrap();
    fs::remove_dir_all(whole.artifacts(3)).unwrap();
    fs::create_dir(whole.artifacts(99)).unwrap();
    let merged = merge(folder.path(), vec![whole.clone()]);
    let files = |trial| {
        let entries = fs::read_dir(merged.artifacts(trial)).into_iter().flatten();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!([files(0), files(1)], [[CONSOLE], [CONSOLE]]);
    for trial in [2, 3, 99] {
        assert!(!merged.artifacts(trial).exists(), "{trial}");
    }
    let inode = |run: &Run| fs::metadata(run.artifacts(0).join(CONSOLE)).unwrap().ino();
    assert_eq!(inode(&whole), inode(&merged));

    // The whole folder a link: nothing is brought.
    let linked = run(folder.path(), &inputs(), &trials()[..1]);
    fs::remove_dir_all(linked.artifacts_folder()).unwrap();
    symlink(whole.artifacts_folder(), linked.artifacts_folder()).unwrap();
    assert!(!merge(folder.path(), vec![linked]).artifacts(0).exists());
}

#[test]
fn where_no_link_can_be_made_a_file_is_copied() {
    let folder = tempfile::tempdir().unwrap();
    let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
    for path in [&from, &to] {
        fs::create_dir(path).unwrap();
    }
    fs::write(from.join("file"), "text").unwrap();
    symlink("file", from.join("link")).unwrap();
    let open = |path: &Path| File::open(path).unwrap().into();
    let copy = |name| artifacts::copy(&open(&from), &open(&to), name);
    copy(c"file").unwrap();
    assert_eq!(fs::read(to.join("file")).unwrap(), b"text");
    assert!(copy(c"file").is_err(), "nothing is written over");
    assert!(copy(c"link").is_err());
    assert!(!to.join("link").exists());
}

#[test]
fn merging_leaves_the_runs_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let runs = shards(folder.path(), 2, &[]);
    let files = || ["run.json", "trials.jsonl"].map(|file| fs::read(runs[0].folder().join(file)).unwrap());
    let before = files();
    merge(&folder.path().join("results"), runs.clone());
    assert_eq!(files(), before);
    assert_eq!(fs::read_dir(runs[0].folder()).unwrap().count(), 3);
}
