//! Judgements on numbers.

use insta::assert_snapshot;

use super::*;

fn shown(finding: &Finding) -> String {
    let mend = finding.mend.as_ref().map(|mend| format!(" | {mend}")).unwrap_or_default();
    format!("{}: {}{mend}", finding.status, finding.detail)
}

#[test]
fn room() {
    let judge = |free| shown(&judge_room("disk", "disk", Path::new("/x"), free, BASE_BYTES, VARIANT_BYTES));
    assert_snapshot!(judge(Ok(74 * GIB)), @"ok: 74 GiB free for /x");
    assert_snapshot!(judge(Ok(4 * GIB)), @"ok: 4.0 GiB free for /x");
    assert_snapshot!(judge(Ok(4 * GIB - 1)), @"warn: 3.9 GiB free for /x, 4.0 GiB may be wanted");
    assert_snapshot!(judge(Ok(VARIANT_BYTES - 1)), @"fail: 511 MiB free for /x, 512 MiB are needed");
    assert_snapshot!(judge(Err("/x cannot be written to: Read-only file system".to_owned())), @"fail: /x cannot be written to: Read-only file system");
}

#[test]
fn a_folder_that_is_not_there_yet_is_no_fault_and_is_not_made() {
    let there = tempfile::tempdir().unwrap();
    let path = there.path().join("a/b/c");
    assert_eq!(folder("disk", "disk", &path, 1, 1).status, Status::Ok);
    assert_eq!(folder("disk", "disk", &path, u64::MAX, 1).status, Status::Warn);
    assert_eq!(std::fs::read_dir(there.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_a_fault() {
    // Not even root can write there.
    let finding = folder("disk", "disk", Path::new("/proc/self/harness"), 1, 1);
    assert_eq!(finding.status, Status::Fail);
    assert!(finding.detail.starts_with("/proc/self cannot be written to: "), "{}", finding.detail);
    let finding = cache(Path::new("/proc/self/harness"));
    assert_eq!(finding.mend.as_deref(), Some("export XDG_CACHE_HOME=/a/folder/with/room"));
}

#[test]
fn memory_is_judged() {
    assert_snapshot!(shown(&memory(Some(18 * GIB), 2, 2)), @"ok: 18 GiB available, 2 guests need 768 MiB");
    assert_snapshot!(shown(&memory(Some(GIB), 4, 2)), @"warn: 1.0 GiB available, 4 guests need 1.5 GiB | harness run --jobs 2");
    assert_snapshot!(shown(&memory(Some(GIB), 2, 16)), @"warn: 1.0 GiB available, a kernel build with 16 jobs may need 4.0 GiB");
    assert_snapshot!(shown(&memory(Some(300 * MIB), 1, 1)), @"fail: 300 MiB available, a single guest needs 384 MiB");
    assert_snapshot!(shown(&memory(None, 1, 1)), @"warn: /proc/meminfo does not say what is available");
    assert_eq!(memory(Some(GIB), u64::MAX, u64::MAX).status, Status::Warn);
}

#[test]
fn limits_are_judged() {
    let files = |current| shown(&limit("files", "files", "ulimit -n", current, files_needed(16)));
    assert_snapshot!(files(Some(1024)), @"warn: at most 1024, up to 1280 may be wanted | ulimit -n 1280");
    assert_snapshot!(files(Some(1280)), @"ok: at most 1280");
    assert_snapshot!(files(None), @"ok: no limit");
    assert_eq!(files_needed(u64::MAX), u64::MAX);
    assert_eq!(processes_needed(4), 384);
}

#[test]
fn one_processor_is_few() {
    assert_snapshot!(shown(&processors(1)), @"warn: 1: a guest's vCPUs take turns and never run at the same time");
    assert_snapshot!(shown(&processors(2)), @"ok: 2");
}
