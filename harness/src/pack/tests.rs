use super::*;

fn head(format: u32, harness: &str) -> Vec<u8> {
    let (suite, harness) = ("quick".to_owned(), harness.to_owned());
    serde_json::to_vec(&Head { format, harness, suite, kernels: Vec::new() }).unwrap()
}

/// A pack of these files.
fn pack(files: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut archive = GzEncoder::new(file, Compression::fast());
    for (name, content) in files {
        archive = entry(archive, Path::new(name), content).unwrap();
    }
    newc::trailer(archive).unwrap().finish().unwrap()
}

fn refused(file: &Path) -> String {
    let cache = tempfile::tempdir().unwrap();
    let said = open(file, cache.path()).unwrap_err().to_string();
    assert!(
        !cache.path().join("packs").is_dir() || std::fs::read_dir(cache.path().join("packs")).unwrap().count() == 0
    );
    said.replace(&file.display().to_string(), "[PACK]")
}

#[test]
fn a_pack_is_unpacked_once_and_tells_its_suite() {
    let good = head(FORMAT, env!("CARGO_PKG_VERSION"));
    let file =
        pack(&[(HEAD, &good), ("project/pack.json", &good), ("cache/sealed", b""), ("project/scenarios/a.yaml", b"a")]);
    let cache = tempfile::tempdir().unwrap();
    let project = open(file.path(), cache.path()).unwrap();
    assert_eq!(suite_of(&project).as_deref(), Some("quick"));
    assert_eq!(std::fs::read(project.scenarios().join("a.yaml")).unwrap(), b"a");
    assert!(project.cache().join(SEAL).is_file());
    std::fs::write(project.scenarios().join("a.yaml"), "b").unwrap();
    assert_eq!(open(file.path(), cache.path()).unwrap(), project);
    assert_eq!(std::fs::read(project.scenarios().join("a.yaml")).unwrap(), b"b");
}

#[test]
fn what_is_no_pack_of_this_version_is_refused() {
    let other = pack(&[(HEAD, &head(FORMAT, "9.8.7"))]);
    insta::assert_snapshot!(refused(other.path()), @"
    [PACK] was packed by harness 9.8.7 (format 2), and this is 0.1.0 (format 2)

    hint: pack it again with this one, or run it with that one
    ");
    let text = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(text.path(), "name: quick\n").unwrap();
    insta::assert_snapshot!(refused(text.path()), @"
    [PACK] is no pack of the harness's: invalid gzip header

    hint: harness pack SUITE -o FILE makes one
    ");
    assert!(refused(pack(&[("a", b"b")]).path()).contains("it does not begin with pack.json"));
    assert!(refused(Path::new("/nowhere")).contains("No such file"));
}

#[test]
fn a_pack_writes_nowhere_else() {
    let good = head(FORMAT, env!("CARGO_PKG_VERSION"));
    for name in ["../out", "/tmp/out", "a/../../out"] {
        let said = refused(pack(&[(HEAD, &good), (name, b"x")]).path());
        assert!(said.contains(&format!("it has a file {name}, which is elsewhere")), "{said}");
    }
}

/// A kernel of a commit, with what is not committed, built by a configuration of the user's.
#[test]
fn what_kernels_are_called_by_goes_with_them() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str| write_new(&root.path().join(path), path.as_bytes()).unwrap();
    let of_kernel = [
        "cache/builds/config-1a/config",
        "cache/builds/config-1a/make-arguments",
        "cache/commits/12ab+dirty-3c.diff",
        "cache/commits/12ab+dirty-3c.yaml",
        "cache/kernels/0f/bzImage",
        "cache/variants/series/variant.yaml",
    ];
    of_kernel.into_iter().for_each(write);
    ["cache/builds/other/config", "cache/commits/56cd.yaml", "cache/kernels/ff/bzImage"].into_iter().for_each(write);
    let record = serde_json::json!({
        "key": "0f", "variant": "series", "base": "before", "patches": [], "config": "", "release": "", "build_id": "",
        "source": {"kind": "git", "name": "", "digest": "d1", "version": {"major": 6, "minor": 12, "full": "6.12.7"}},
        "tools": {"compiler": "", "linker": ""},
        "durations": {"unpack_ms": 0, "patch_ms": 0, "configure_ms": 0, "compile_ms": 0, "module_ms": 0},
        "sizes": {"image": 0, "vmlinux": 0, "module": 0},
    });
    let kernel = Kernel {
        dir: root.path().join("cache/kernels/0f"),
        key: "0f".to_owned(),
        variant: "series~1+build=config-1a".to_owned(),
        base: "12ab+dirty-3c".to_owned(),
        command_line: Vec::new(),
        knobs: Vec::new(),
        guest: crate::model::GuestChange::default(),
        record: serde_json::from_value(record).unwrap(),
    };
    let project = Project::with_cache(root.path(), root.path().join("cache"));
    let head = Head { format: FORMAT, harness: String::new(), suite: String::new(), kernels: Vec::new() };
    let archive = content(Vec::new(), &project, &head, &[kernel], &root.path().join("parts")).unwrap();
    let mut there = std::collections::BTreeMap::new();
    let mut archive = archive.as_slice();
    loop {
        let mut reader = newc::Reader::new(archive).unwrap();
        if reader.entry().is_trailer() {
            break;
        }
        let name = reader.entry().name().to_owned();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        there.insert(name, text);
        archive = reader.finish().unwrap();
    }
    assert_eq!(there.remove("cache/sealed").as_deref(), Some(r#"{"12ab+dirty-3c":"d1"}"#));
    there.retain(|name, _| name.starts_with("cache/"));
    assert_eq!(there, of_kernel.map(|path| (path.to_owned(), path.to_owned())).into());
}

#[test]
fn the_files_of_a_folder_are_sorted_and_those_of_none_are_none() {
    let folder = tempfile::tempdir().unwrap();
    write_new(&folder.path().join("b/c"), b"").unwrap();
    write_new(&folder.path().join("a"), b"").unwrap();
    let names =
        |at: &Path| files(at).unwrap().into_iter().map(|(_, below)| below.display().to_string()).collect::<Vec<_>>();
    assert_eq!(names(folder.path()), ["a", "b/c"]);
    assert_eq!(names(&folder.path().join("a")), [""]);
    assert_eq!(names(&folder.path().join("nothing")), [""; 0]);
}
