//! Anybody's series as a variant.

use std::fs;
use std::path::{Path, PathBuf};

use harness::kernel::{Fault, Import, KernelError, SeriesFrom, Variant, scratch_variant};
use harness::model::KernelName;
use insta::assert_snapshot;

use super::fake::Fake;

/// Turns line `from` of a file of one line into `to`.
fn diff(file: &str, from: &str, to: &str) -> String {
    format!("--- a/{file}\n+++ b/{file}\n@@ -1 +1 @@\n-{from}\n+{to}\n")
}

fn letter(subject: &str, body: &str) -> String {
    format!("From k@example.org Thu Jan  1 00:00:00 1970\nFrom: K <k@example.org>\nSubject: {subject}\n\n{body}\n")
}

fn import(fake: &Fake, name: &str, from: SeriesFrom) -> Result<Vec<String>, KernelError> {
    import_for(fake, "6.12", name, from)
}

fn import_for(fake: &Fake, base: &str, name: &str, from: SeriesFrom) -> Result<Vec<String>, KernelError> {
    let import = Import { name: name.to_owned(), from, base: base.to_owned(), title: None, claim: None };
    let imported = fake.store().import(&fake.project(), &import, &mut |_| {})?;
    Ok(imported.patches.into_iter().map(|patch| patch.name).collect())
}

/// A mailbox, out of order, of two patches of which the second is made on the first.
fn mailbox(fake: &Fake) -> PathBuf {
    let first = diff("kernel/panic.c", "void panic(void);", "void panic(int);");
    let second = diff("kernel/panic.c", "void panic(int);", "void panic(long);");
    let text = letter("[PATCH v2 0/2] panic: a longer \"reason\"", "Why.\n")
        + &letter("[PATCH v2 2/2] panic: long", &format!("And why.\n\n---\n{second}"))
        + &letter("[PATCH v2 1/2] panic: int", &format!("Because.\n\n---\n{first}"));
    fake.write("series.mbox", &text);
    fake.path("series.mbox")
}

#[test]
fn a_mailbox_becomes_a_variant_that_can_be_built_patch_by_patch() {
    let fake = Fake::new();
    let names = import(&fake, "longer", SeriesFrom::Path(mailbox(&fake))).unwrap();
    assert_eq!(names, ["0001-panic-int.patch", "0002-panic-long.patch"]);
    let yaml = fs::read_to_string(fake.path("guest-kernel/variants/longer/variant.yaml")).unwrap();
    assert_snapshot!(yaml.replace(&fake.path("").display().to_string(), "ROOT/"), @r#"
    name: longer
    title: "panic: a longer \"reason\""
    claim: "not said"
    source: "ROOT/series.mbox"
    series:
      - bases: { from: "6.12", to: "6.12" }
        patches:
          - "0001-panic-int.patch"
          - "0002-panic-long.patch"
    "#);
    let code = |name: &str| Fake::code(&fake.kernel(name)).lines().next().unwrap().to_owned();
    assert_eq!(
        ["longer~2", "longer~1", "longer~0", "longer"].map(code),
        ["void panic(void);", "void panic(int);", "void panic(long);", "void panic(long);",]
    );
    let error = Variant::find(&fake.project(), "longer~3").unwrap_err().to_string();
    assert!(error.contains("it has 2 patches"), "{error}");
    let patch = fs::read_to_string(fake.path("guest-kernel/variants/longer/0002-panic-long.patch")).unwrap();
    assert!(patch.starts_with("From: K <k@example.org>\nSubject: [PATCH] panic: long\n\nAnd why.\n"), "{patch}");
}

#[test]
fn a_variant_gets_a_series_for_a_further_kernel() {
    let fake = Fake::new();
    import(&fake, "longer", SeriesFrom::Path(mailbox(&fake))).unwrap();
    let makefile = fs::read_to_string(fake.path("src/top/Makefile")).unwrap();
    fake.write("src/top/Makefile", &makefile.replace("PATCHLEVEL = 12", "PATCHLEVEL = 1"));
    fake.write("src/top/kernel/panic.c", "int panic(void);\n");
    fs::rename(fake.path("linux.tar"), fake.path("6.12.tar")).unwrap();
    fake.tarball();
    fake.write(
        "guest-kernel/bases.yaml",
        "bases:\n  \"6.12\": { tarball: ../6.12.tar }\n  \"6.1\": { tarball: ../linux.tar }\n",
    );
    let backport = || {
        fake.write("backport.patch", &diff("kernel/panic.c", "int panic(void);", "int panic(long);"));
        SeriesFrom::Path(fake.path("backport.patch"))
    };
    assert_eq!(import_for(&fake, "6.1", "longer", backport()).unwrap(), ["0001-backport.patch"]);
    let yaml = fs::read_to_string(fake.path("guest-kernel/variants/longer/variant.yaml")).unwrap();
    let (_, series) = yaml.split_once("source: ").unwrap();
    assert_snapshot!(series.replace(&fake.path("").display().to_string(), "ROOT/"), @r#"
    "ROOT/series.mbox"
    series:
      - bases: { from: "6.1", to: "6.1" }
        patches:
          - "6.1/0001-backport.patch"
      - bases: { from: "6.12", to: "6.12" }
        patches:
          - "0001-panic-int.patch"
          - "0002-panic-long.patch"
    "#);
    let variant = Variant::find(&fake.project(), "longer").unwrap();
    let patches = |version: &str| variant.patches(&version.parse().unwrap()).map(<[PathBuf]>::len);
    assert_eq!([patches("6.1.176"), patches("6.12.7"), patches("6.6")], [Some(1), Some(2), None]);
    let again = import_for(&fake, "6.1", "longer", backport()).unwrap_err();
    assert!(again.to_string().contains("it is for Linux 6.1.7 too"), "{again}");

    // One that is written otherwise is left to who wrote it.
    let other = "series: [ { bases: { from: \"6.12\", to: \"6.12\" } } ]\n";
    fake.variant("flow", other, &[]);
    let error = import_for(&fake, "6.1", "flow", backport()).unwrap_err();
    assert!(error.to_string().contains("not written as a list with lines of its own"), "{error}");
    assert!(!fake.path("guest-kernel/variants/flow/6.1").exists());
}

#[test]
fn a_folder_and_commits_become_variants_too() {
    let fake = Fake::new();
    fake.write("patches/b.patch", &diff("kernel/panic.c", "void panic(int);", "void panic(long);"));
    fake.write("patches/a.patch", &diff("kernel/panic.c", "void panic(void);", "void panic(int);"));
    fake.write("patches/notes.txt", "no patch");
    assert_eq!(
        import(&fake, "folder", SeriesFrom::Path(fake.path("patches"))).unwrap(),
        ["0001-a.patch", "0002-b.patch"]
    );

    let tree = fake.path("src/top");
    fake.git(&["init", "--quiet"]);
    fake.git(&["add", "."]);
    fake.git(&["commit", "--quiet", "-m", "base"]);
    fake.write("src/top/kernel/panic.c", "void panic(char);\n");
    fake.git(&["commit", "--quiet", "-a", "-m", "panic: char"]);
    let commits = |range: &str| SeriesFrom::Commits { tree: tree.clone(), range: range.to_owned() };
    assert_eq!(import(&fake, "commits", commits("HEAD~1..HEAD")).unwrap(), ["0001-panic-char.patch"]);
    let patch = fs::read_to_string(fake.path("guest-kernel/variants/commits/0001-panic-char.patch")).unwrap();
    assert!(patch.starts_with("From: N <n@example.org>\n"), "{patch}");
    assert!(import(&fake, "none", commits("HEAD..HEAD")).unwrap_err().to_string().contains("there is no patch in it"));
    assert!(import(&fake, "none", commits("--all")).unwrap_err().to_string().contains("--all"));
}

#[test]
fn a_series_that_does_not_fit_leaves_nothing_behind() {
    let fake = Fake::new();
    let variants = || fs::read_dir(fake.path("guest-kernel/variants")).unwrap().count();
    let before = variants();
    fake.write("wrong.patch", &diff("kernel/panic.c", "int panic(void);", "x"));
    let error = import(&fake, "wrong", SeriesFrom::Path(fake.path("wrong.patch"))).unwrap_err();
    assert_eq!(error.fault(), Fault::Input);
    assert!(error.to_string().contains("hunk 1 of 1 of kernel/panic.c does not apply"), "{error}");
    for (name, from) in
        [("stock", "wrong.patch"), ("../x", "wrong.patch"), ("a+b", "wrong.patch"), ("gone", "gone.mbox")]
    {
        import(&fake, name, SeriesFrom::Path(fake.path(from))).unwrap_err();
    }
    assert_eq!(variants(), before);
}

#[test]
fn a_scratch_variant_is_called_by_what_it_is() {
    let fake = Fake::new();
    fake.write("My Fix.patch", &diff("kernel/panic.c", "void panic(void);", "void panic(int);"));
    let (variants, patch) = (fake.path("scratch"), fake.path("My Fix.patch"));
    let make = |patches: &[PathBuf]| scratch_variant(Path::new(&variants), patches).unwrap();
    let name = make(std::slice::from_ref(&patch));
    assert!(name.starts_with("my-fix-") && name.len() == "my-fix-01234567".len(), "{name}");
    assert_eq!(make(std::slice::from_ref(&patch)), name);
    fake.write("My Fix.patch", &diff("kernel/panic.c", "void panic(void);", "void panic(long);"));
    assert_ne!(make(&[patch]), name);
    assert_eq!(fs::read_dir(&variants).unwrap().count(), 2);
    let kernel = KernelName::parse("my-fix-01234567", "6.12");
    assert!(fake.store().build(&fake.project(), &kernel, &mut |_| {}).is_err());
}
