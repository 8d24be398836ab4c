use std::fs;

use insta::assert_snapshot;
use tempfile::TempDir;

use super::*;

fn quiet() -> impl FnMut(BuildEvent) {
    |_| {}
}

/// A folder `src/top` with a Makefile, and the tarball of it as `name`, made with `flag`.
fn tarball(name: &str, flag: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let top = folder.path().join("src/top");
    fs::create_dir_all(&top).unwrap();
    fs::write(top.join("Makefile"), "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 7\n").unwrap();
    let path = folder.path().join(name);
    let mut tar = program("tar");
    tar.arg(flag).arg("-cf").arg(&path).arg("-C").arg(folder.path().join("src")).arg("top");
    assert!(tar.status().unwrap().success());
    (folder, path)
}

fn base(origin: Origin) -> Base {
    Base { name: "probe".into(), arch: harness_model::Arch::default(), origin }
}

fn identify(origin: Origin, cache: &Path, report: &mut dyn FnMut(BuildEvent)) -> Result<Source, KernelError> {
    Source::identify(&base(origin), cache, &Canceller::default(), report)
}

fn unpack(source: &Source, into: &Path) -> Result<(), KernelError> {
    fs::create_dir_all(into).unwrap();
    source.unpack(into, &Canceller::default(), &mut quiet())
}

#[test]
fn every_usual_compression_is_unpacked_without_its_top_folder() {
    for (name, flag) in [("a.tar", "--no-auto-compress"), ("a.tgz", "-z"), ("a.tar.xz", "-J")] {
        let (folder, path) = tarball(name, flag);
        let source = identify(Origin::Tarball(path), folder.path(), &mut quiet()).unwrap();
        let into = folder.path().join("out");
        unpack(&source, &into).unwrap();
        assert!(into.join("Makefile").is_file(), "{name}");
    }
}

#[test]
fn a_digest_is_taken_once_until_the_file_changes() {
    let (folder, path) = tarball("a.tar.xz", "-J");
    let read = |expected: bool| {
        let mut read = false;
        let source = identify(Origin::Tarball(path.clone()), folder.path(), &mut |event| {
            read |= matches!(event, BuildEvent::Reading { .. });
        });
        assert_eq!(read, expected);
        source.unwrap().digest
    };
    let digest = read(true);
    assert_eq!(digest, files::sha256(&fs::read(&path).unwrap()));
    assert_eq!(read(false), digest);
    let mut tar = program("tar");
    tar.arg("-cf").arg(&path).arg("-C").arg(folder.path().join("src")).arg("top");
    assert!(tar.status().unwrap().success());
    assert_ne!(read(true), digest);
    fs::write(folder.path().join("digests.json"), b"damaged").unwrap();
    read(true);
}

#[test]
fn a_tarball_without_a_kernel_is_told_so() {
    let (folder, path) = tarball("a.tar.xz", "-J");
    for makefile in [Some("all:\n"), None] {
        let file = folder.path().join("src/top/Makefile");
        match makefile {
            Some(text) => fs::write(file, text).unwrap(),
            None => fs::rename(&file, folder.path().join("src/top/other")).unwrap(),
        }
        let mut tar = program("tar");
        tar.arg("-cJf").arg(&path).arg("-C").arg(folder.path().join("src")).arg("top");
        assert!(tar.status().unwrap().success());
        let error = identify(Origin::Tarball(path.clone()), folder.path(), &mut quiet()).unwrap_err();
        assert!(matches!(error, KernelError::NotAKernel { .. }), "{error}");
    }
}

#[test]
fn a_tarball_cut_short_is_told_so() {
    let (folder, path) = tarball("a.tar.xz", "-J");
    let whole = identify(Origin::Tarball(path.clone()), folder.path(), &mut quiet()).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = identify(Origin::Tarball(path), folder.path(), &mut quiet()).unwrap_err();
    assert!(matches!(error, KernelError::SourceCorrupt { .. }), "{error}");
    let error = unpack(&whole, &folder.path().join("out")).unwrap_err();
    assert!(matches!(error, KernelError::SourceCorrupt { .. }));
    assert_snapshot!(error.to_string().replace(&folder.path().display().to_string(), "ROOT"), @"
    unpacking ROOT/a.tar.xz: xz: (stdin): Unexpected end of input
    tar: Child returned status 1
    tar: Error is not recoverable: exiting now

    hint: the tarball is damaged; fetch it again
    ");
}

#[test]
fn what_is_not_there_is_told_with_the_way_to_get_it() {
    let folder = tempfile::tempdir().unwrap();
    let error = |origin| {
        let error = identify(origin, folder.path(), &mut quiet()).unwrap_err().to_string();
        error.replace(&folder.path().display().to_string(), "ROOT")
    };
    assert_snapshot!(error(Origin::Package("linux-source-0.99".parse().unwrap())), @"
    the kernel source package `linux-source-0.99` is not installed: there is no /usr/src/linux-source-0.99.tar.*

    hint: apt install linux-source-0.99
    ");
    assert_snapshot!(error(Origin::Tarball(folder.path().join("gone.tar"))), @"
    base `probe` has no source: ROOT/gone.tar does not exist

    hint: correct its `tarball` in guest-kernel/bases.yaml
    ");
    let git = GitOrigin { tree: folder.path().to_owned(), commit: "v1".into(), near: None };
    assert!(error(Origin::Git(git)).starts_with("reading commit `v1` of ROOT: fatal: not a git repository"));
}

/// Git warns of a name that a tag and a branch have, and takes the tag.
#[test]
fn a_warning_of_gits_is_no_part_of_a_commits_hash() {
    let (folder, origin) = repository();
    let plain = identify(Origin::Git(origin.clone()), folder.path(), &mut quiet()).unwrap();
    git(folder.path(), &["branch", "v1"]);
    let ambiguous = identify(Origin::Git(origin), folder.path(), &mut quiet()).unwrap();
    assert_eq!(ambiguous.digest, plain.digest);
}

fn git(tree: &Path, arguments: &[&str]) {
    let who = ["-c", "user.name=u", "-c", "user.email=u@localhost", "-c", "init.defaultBranch=main"];
    let mut git = program("git");
    let answer = ask(git.current_dir(tree).args(who).args(arguments), &Canceller::default(), "making a repository");
    let answer = answer.unwrap();
    assert!(answer.status.success(), "{answer:?}");
}

/// A repository with one commit of a Makefile, tagged v1, and uncommitted work in the tree.
fn repository() -> (TempDir, GitOrigin) {
    let folder = tempfile::tempdir().unwrap();
    let git = |arguments: &[&str]| git(folder.path(), arguments);
    let makefile = folder.path().join("Makefile");
    git(&["init", "-q"]);
    fs::write(&makefile, "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n").unwrap();
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "one"]);
    git(&["tag", "v1"]);
    fs::write(&makefile, "VERSION = 7\nPATCHLEVEL = 0\n").unwrap();
    let origin = GitOrigin { tree: folder.path().to_owned(), commit: "v1".into(), near: None };
    (folder, origin)
}

#[test]
fn a_commit_is_taken_as_it_was_committed_and_the_tree_is_left_alone() {
    fn listing(folder: &Path, into: &mut Vec<(PathBuf, Option<std::time::SystemTime>)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let meta = entry.metadata().unwrap();
            into.push((entry.path(), meta.modified().ok()));
            if meta.is_dir() {
                listing(&entry.path(), into);
            }
        }
        into.sort();
    }
    let (tree, origin) = repository();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    listing(tree.path(), &mut before);

    let cache = tempfile::tempdir().unwrap();
    let source = identify(Origin::Git(origin.clone()), cache.path(), &mut quiet()).unwrap();
    assert_eq!(source.version.full, "6.12.0-rc1");
    let by_hash = GitOrigin { commit: "HEAD".into(), ..origin };
    assert_eq!(identify(Origin::Git(by_hash), cache.path(), &mut quiet()).unwrap().digest, source.digest);
    unpack(&source, &cache.path().join("out")).unwrap();
    assert!(fs::read_to_string(cache.path().join("out/Makefile")).unwrap().starts_with("VERSION = 6\n"));

    listing(tree.path(), &mut after);
    assert_eq!(before, after);
}

#[test]
fn a_commit_that_is_not_there_or_is_no_kernel_is_told_so() {
    let (tree, origin) = repository();
    let cache = tempfile::tempdir().unwrap();
    for commit in ["v2", "--output=/tmp/x", "HEAD:Makefile"] {
        let git = GitOrigin { commit: commit.into(), ..origin.clone() };
        let error = identify(Origin::Git(git), cache.path(), &mut quiet()).unwrap_err();
        assert!(matches!(error, KernelError::Git { .. }), "{error}");
    }
    let mut git = program("git");
    let who = ["-c", "user.name=u", "-c", "user.email=u@localhost"];
    git.current_dir(tree.path()).args(who).args(["rm", "-q", "-f", "Makefile"]);
    assert!(git.status().unwrap().success());
    let mut git = program("git");
    git.current_dir(tree.path()).args(who).args(["commit", "-q", "-m", "two"]);
    assert!(git.status().unwrap().success());
    let git = GitOrigin { commit: "HEAD".into(), ..origin };
    let error = identify(Origin::Git(git), cache.path(), &mut quiet()).unwrap_err();
    assert!(matches!(error, KernelError::NotAKernel { .. }), "{error}");
}
