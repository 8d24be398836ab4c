use std::process::Command;

use insta::assert_snapshot;

use super::super::files;
use super::*;

#[test]
fn debian_and_ubuntu_leave_their_packages_in_different_places() {
    let folder = tempfile::tempdir().unwrap();
    let (xz, bz2) = (folder.path().join("linux-source-6.12.tar.xz"), "linux-source-6.8.0/linux-source-6.8.0.tar.bz2");
    fs::write(&xz, "").unwrap();
    fs::create_dir(folder.path().join("linux-source-6.8.0")).unwrap();
    fs::write(folder.path().join(bz2), "").unwrap();
    assert_eq!(tarball_in(folder.path(), "linux-source-6.12"), Some(xz));
    assert_eq!(tarball_in(folder.path(), "linux-source-6.8.0"), Some(folder.path().join(bz2)));
    assert_eq!(tarball_in(folder.path(), "linux-source-6.1"), None);
}

#[test]
fn a_package_may_name_its_suite() {
    let package: Package = "linux-source-7.2/sid".parse().unwrap();
    assert_eq!((package.name.as_str(), package.suite.as_deref()), ("linux-source-7.2", Some("sid")));
    assert_eq!(package.to_string(), "linux-source-7.2/sid");
    assert_eq!("linux-source-6.12".parse::<Package>().unwrap().suite, None);
    for text in ["", "a/", "/sid", "a/b/c", "../a", "a/..", "a b", "a/s main\ndeb x"] {
        assert!(text.parse::<Package>().is_err(), "{text:?}");
    }
}

/// An archive of one suite with one package, on this disk.
fn archive(tarball: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let package = root.path().join("package");
    fs::create_dir_all(package.join("DEBIAN")).unwrap();
    fs::create_dir_all(package.join("usr/src")).unwrap();
    let control = "Package: linux-source-0.99\nVersion: 0.99.7-1\nArchitecture: all\nMaintainer: none <none@localhost>\n\
                   Description: a probe\n";
    fs::write(package.join("DEBIAN/control"), control).unwrap();
    fs::write(package.join("usr/src").join(tarball), "tarball").unwrap();
    let run = |command: &mut Command| assert!(command.output().unwrap().status.success(), "{command:?}");
    let deb = root.path().join("linux-source-0.99_0.99.7-1_all.deb");
    run(Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&package).arg(&deb));
    let size = fs::metadata(&deb).unwrap().len();
    let sum = files::sha256(&fs::read(&deb).unwrap());
    let index = format!("{control}Filename: ./linux-source-0.99_0.99.7-1_all.deb\nSize: {size}\nSHA256: {sum}\n");
    fs::write(root.path().join("Packages"), index).unwrap();
    root
}

/// Fetches `name` from the archive, which is trusted as it is: what signatures are for is apt's business.
fn fetch(archive: &Path, name: &str, cache: &Path) -> Result<PathBuf, KernelError> {
    let package: Package = format!("{name}/probe").parse().unwrap();
    let site = format!("[trusted=yes] file:{}", archive.display());
    package.fetch_from(&[site], "./", cache, &Canceller::default())
}

#[test]
fn a_package_of_a_suite_is_fetched_by_an_apt_of_our_own() {
    let archive = archive("linux-source-0.99.tar.xz");
    let cache = tempfile::tempdir().unwrap();
    let tarball = fetch(archive.path(), "linux-source-0.99", cache.path()).unwrap();
    assert_eq!(tarball, cache.path().join("linux-source-0.99.tar.xz"));
    assert_eq!(fs::read(&tarball).unwrap(), b"tarball");
    let left: Vec<_> = fs::read_dir(cache.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing else stays: {left:?}");
}

#[test]
fn a_package_that_cannot_be_had_is_told_in_apts_words() {
    let archive = archive("something-else.tar.xz");
    let cache = tempfile::tempdir().unwrap();
    let error = |name: &str, archive: &Path| {
        let error = fetch(archive, name, cache.path()).unwrap_err();
        assert_eq!(error.fault(), super::super::Fault::Host);
        error.to_string().replace(&archive.display().to_string(), "ARCHIVE")
    };
    assert_snapshot!(error("linux-source-0.98", archive.path()), @"
    fetching the kernel source package linux-source-0.98/probe: Unable to locate package linux-source-0.98

    hint: a suite drops its older packages. Name another one in guest-kernel/bases.yaml, or the kernel's `tarball`
    ");
    assert_snapshot!(error("linux-source-0.99", archive.path()), @"
    fetching the kernel source package linux-source-0.99/probe: the package has no usr/src/linux-source-0.99.tar.*

    hint: a suite drops its older packages. Name another one in guest-kernel/bases.yaml, or the kernel's `tarball`
    ");
    assert_snapshot!(error("linux-source-0.99", Path::new("/nowhere")), @"
    fetching the kernel source package linux-source-0.99/probe: Failed to fetch file:ARCHIVE/./Packages  File not found - ARCHIVE/./Packages (2: No such file or directory)

    hint: a suite drops its older packages. Name another one in guest-kernel/bases.yaml, or the kernel's `tarball`
    ");
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
}

#[test]
fn a_host_without_an_archive_of_debians_is_told_so() {
    let cache = tempfile::tempdir().unwrap();
    let package: Package = "linux-source-0.99/sid".parse().unwrap();
    let error = package.fetch_from(&[], "sid", cache.path(), &Canceller::default()).unwrap_err();
    assert_snapshot!(error, @"
    fetching the kernel source package linux-source-0.99/sid: apt has no archive of Debian's here

    hint: a suite drops its older packages. Name another one in guest-kernel/bases.yaml, or the kernel's `tarball`
    ");
}
