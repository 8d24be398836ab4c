use std::os::unix::fs::symlink;

use super::super::base::{Base, Origin};
use super::super::process::program;
use super::super::series::{self, Patch};
use super::*;

/// A cache and the source of a tree with `a.c` and `b.c`.
fn source() -> (tempfile::TempDir, Source) {
    let cache = tempfile::tempdir().unwrap();
    let top = cache.path().join("src/top");
    fs::create_dir_all(top.join("dir")).unwrap();
    fs::write(top.join("Makefile"), "VERSION = 6\nPATCHLEVEL = 12\n").unwrap();
    fs::write(top.join("a.c"), "a\n").unwrap();
    fs::write(top.join("dir/b.c"), "b\n").unwrap();
    symlink("dir", top.join("link")).unwrap();
    let path = cache.path().join("src.tar");
    let mut tar = program("tar");
    tar.arg("-cf").arg(&path).arg("-C").arg(cache.path().join("src")).arg("top");
    assert!(tar.status().unwrap().success());
    let base = Base { name: "probe".into(), arch: harness_model::Arch::default(), origin: Origin::Tarball(path) };
    let source = Source::identify(&base, cache.path(), &Canceller::default(), &mut |_| {}).unwrap();
    (cache, source)
}

fn open(cache: &Path, source: &Source) -> (Workbench, Vec<BuildEvent>) {
    let mut events = Vec::new();
    let workbench =
        Workbench::open(cache, source, None, &Canceller::default(), &mut |event| events.push(event)).unwrap();
    // A program that another test starts has this one's lock for the moment between its fork and its exec.
    events.retain(|event| *event != BuildEvent::Waiting);
    (workbench, events)
}

/// What the workbench is given: a patch by its text.
fn lay(workbench: &mut Workbench, patches: &[&str]) -> Result<(), KernelError> {
    let folder = tempfile::tempdir().unwrap();
    let series: Vec<Patch> = patches
        .iter()
        .enumerate()
        .map(|(number, text)| {
            let path = folder.path().join(format!("{number}.patch"));
            fs::write(&path, text).unwrap();
            Patch::read(&path).unwrap()
        })
        .collect();
    let (overlay, _) =
        series::apply(&series, workbench.folder(), &Canceller::default(), &|path| workbench.pristine(path))?;
    workbench.lay(&[&overlay])
}

const A: &str = "--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-a\n+A\n";
const AB: &str = "--- a/a.c\n+++ b/a.c\n@@ -1 +1 @@\n-a\n+A\n--- a/dir/b.c\n+++ b/dir/b.c\n@@ -1 +1 @@\n-b\n+B\n";
const NEW: &str =
    "--- a/dir/b.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-b\n--- /dev/null\n+++ b/dir/new.c\n@@ -0,0 +1 @@\n+n\n";

fn read(workbench: &Workbench, path: &str) -> Option<String> {
    fs::read_to_string(workbench.tree().join(path)).ok()
}

fn time(workbench: &Workbench, path: &str) -> SystemTime {
    workbench.tree().join(path).metadata().unwrap().modified().unwrap()
}

#[test]
fn a_tree_is_unpacked_once() {
    let (cache, source) = source();
    let (workbench, events) = open(cache.path(), &source);
    assert!(events.iter().any(|event| matches!(event, BuildEvent::Unpacking { .. })));
    assert_eq!((read(&workbench, "a.c").unwrap(), workbench.version().full.as_str()), ("a\n".into(), "6.12.0"));
    drop(workbench);
    assert_eq!(open(cache.path(), &source).1, []);
}

#[test]
fn the_tree_becomes_what_is_asked_whatever_it_was() {
    let (cache, source) = source();
    let (mut workbench, _) = open(cache.path(), &source);
    let expected: [(&[&str], [Option<&str>; 3]); 5] = [
        (&[A], [Some("A\n"), Some("b\n"), None]),
        (&[AB], [Some("A\n"), Some("B\n"), None]),
        (&[NEW], [Some("a\n"), None, Some("n\n")]),
        (&[A, NEW], [Some("A\n"), None, Some("n\n")]),
        (&[], [Some("a\n"), Some("b\n"), None]),
    ];
    for from in &expected {
        for to in &expected {
            lay(&mut workbench, from.0).unwrap();
            lay(&mut workbench, to.0).unwrap();
            let contents = ["a.c", "dir/b.c", "dir/new.c"].map(|path| read(&workbench, path));
            assert_eq!(contents.each_ref().map(Option::as_deref), to.1, "{:?} then {:?}", from.0, to.0);
        }
    }
    assert!(workbench.state().touched.is_empty());
}

#[test]
fn a_file_that_is_as_it_should_be_keeps_its_time_and_another_is_newer_than_the_last_build() {
    let (cache, source) = source();
    let (mut workbench, _) = open(cache.path(), &source);
    lay(&mut workbench, &[AB]).unwrap();
    let (a, future) = (time(&workbench, "a.c"), SystemTime::now() + Duration::from_secs(60));
    workbench.note(|state| state.finished = Some(future)).unwrap();
    lay(&mut workbench, &[A]).unwrap();
    assert_eq!(time(&workbench, "a.c"), a);
    assert!(time(&workbench, "dir/b.c") > future);
}

#[test]
fn a_tree_that_was_left_half_patched_is_put_right() {
    let (cache, source) = source();
    let (mut workbench, _) = open(cache.path(), &source);
    lay(&mut workbench, &[AB]).unwrap();
    // Killed while it took the patches back: the state still names both files, one is half-written.
    fs::write(workbench.tree().join("dir/b.c"), "").unwrap();
    drop(workbench);
    let (mut workbench, _) = open(cache.path(), &source);
    lay(&mut workbench, &[A]).unwrap();
    assert_eq!((read(&workbench, "a.c").unwrap(), read(&workbench, "dir/b.c").unwrap()), ("A\n".into(), "b\n".into()));
}

fn set_time(path: &Path, seconds_from_now: u64) {
    let time = SystemTime::now() + Duration::from_secs(seconds_from_now);
    File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn what_a_killed_build_wrote_is_removed() {
    let (cache, source) = source();
    let (workbench, _) = open(cache.path(), &source);
    let (tree, mark) = (workbench.tree(), workbench.mark());
    for (path, after) in [(tree.join("old.o"), 1), (mark.clone(), 2), (tree.join("dir/new.o"), 3)] {
        fs::write(&path, "whole").unwrap();
        set_time(&path, after);
    }
    drop(workbench);
    let (workbench, events) = open(cache.path(), &source);
    assert_eq!(events, [BuildEvent::Repairing]);
    assert_eq!((read(&workbench, "old.o").as_deref(), read(&workbench, "dir/new.o")), (Some("whole"), None));
    assert!(!mark.exists() && read(&workbench, "a.c").is_some());
}

#[test]
fn a_clock_that_was_set_back_costs_an_unpacking_and_never_the_source() {
    let (cache, source) = source();
    let (mut workbench, _) = open(cache.path(), &source);
    fs::write(workbench.mark(), "").unwrap();
    workbench.note(|state| state.unpacked = SystemTime::now() + Duration::from_secs(3600)).unwrap();
    drop(workbench);
    let (workbench, events) = open(cache.path(), &source);
    assert!(events.iter().any(|event| matches!(event, BuildEvent::Unpacking { .. })));
    assert!(!workbench.mark().exists() && read(&workbench, "a.c").is_some());
}

#[test]
fn leftovers_and_a_tree_without_a_state_are_replaced() {
    let (cache, source) = source();
    let (workbench, _) = open(cache.path(), &source);
    let folder = workbench.folder().to_owned();
    drop(workbench);
    fs::create_dir(folder.join("unpack-abc")).unwrap();
    fs::write(folder.join("tree/stray"), "x").unwrap();
    fs::write(folder.join("state.json"), "{").unwrap();
    let (workbench, events) = open(cache.path(), &source);
    assert!(events.iter().any(|event| matches!(event, BuildEvent::Unpacking { .. })));
    assert_eq!(read(&workbench, "stray"), None);
    assert!(!folder.join("unpack-abc").exists());
}

#[test]
fn a_patch_cannot_follow_a_link_out_of_its_place() {
    let (cache, source) = source();
    let (mut workbench, _) = open(cache.path(), &source);
    let through = AB.replace("dir/b.c", "link/b.c");
    let error = lay(&mut workbench, &[&through]).unwrap_err().to_string();
    assert!(error.contains("link/b.c is not a plain file of the tree"), "{error}");
    assert_eq!(read(&workbench, "dir/b.c").as_deref(), Some("b\n"));
}

#[test]
fn a_second_build_waits_and_can_be_cancelled_while_it_does() {
    let (cache, source) = source();
    let held = open(cache.path(), &source).0;
    let canceller = Canceller::default();
    let mut events = Vec::new();
    let result = Workbench::open(cache.path(), &source, None, &canceller, &mut |event| {
        events.push(event);
        canceller.cancel();
    });
    assert!(matches!(result, Err(KernelError::Cancelled)));
    assert_eq!(events, [BuildEvent::Waiting]);
    drop(held);
    assert_eq!(open(cache.path(), &source).1, []);
}

#[test]
fn a_program_that_got_the_lock_keeps_it() {
    let (cache, source) = source();
    let workbench = open(cache.path(), &source).0;
    let mut sleep = program("sleep").arg("60").stdin(workbench.lock().unwrap()).spawn().unwrap();
    drop(workbench);
    let canceller = Canceller::default();
    let result = Workbench::open(cache.path(), &source, None, &canceller, &mut |_| canceller.cancel());
    assert!(matches!(result, Err(KernelError::Cancelled)));
    sleep.kill().unwrap();
    sleep.wait().unwrap();
    assert_eq!(open(cache.path(), &source).1, []);
}

#[test]
fn a_source_that_is_no_kernel_any_more_is_refused() {
    let (cache, _) = source();
    let path = cache.path().join("other.tar");
    let pack = || {
        let mut tar = program("tar");
        tar.arg("-cf").arg(&path).arg("-C").arg(cache.path().join("src")).arg("top");
        assert!(tar.status().unwrap().success());
    };
    pack();
    let base =
        Base { name: "probe".into(), arch: harness_model::Arch::default(), origin: Origin::Tarball(path.clone()) };
    let source = Source::identify(&base, cache.path(), &Canceller::default(), &mut |_| {}).unwrap();
    fs::write(cache.path().join("src/top/Makefile"), "all:\n").unwrap();
    pack();
    let error = Workbench::open(cache.path(), &source, None, &Canceller::default(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, KernelError::NotAKernel { .. }), "{error}");
}
