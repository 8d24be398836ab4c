//! Commits of one tree, built one upon the other.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use harness::kernel::{Canceller, Commits, Fault, Import, SeriesFrom};

use super::fake::{Fake, PATCHED_CODE, STOCK_CODE};

/// A tree with a good commit, one that changes two files, adds one and a link, and one that takes the new file away.
fn tree() -> Fake {
    let fake = Fake::new();
    fake.git(&["init", "--quiet", "-b", "main"]);
    fake.git(&["add", "."]);
    fake.git(&["commit", "--quiet", "-m", "good"]);
    fake.git(&["tag", "good"]);
    fake.write("src/top/lib/string.c", "char string(void);\n");
    fake.write("src/top/lib/generate.sh", "#!/bin/sh\n");
    fs::set_permissions(fake.path("src/top/lib/generate.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("string.c", fake.path("src/top/lib/link.c")).unwrap();
    fake.git(&["add", "."]);
    fake.git(&["commit", "--quiet", "-m", "string: char"]);
    fake.git(&["rm", "--quiet", "lib/generate.sh"]);
    fake.git(&["commit", "--quiet", "-m", "lib: not generated"]);
    let git = |commit: &str, near: &str| format!("{{ git: {{ tree: ../src/top, commit: {commit}{near} }} }}");
    let bases = [
        ("near-good", git("good", "")),
        ("near-middle", git("HEAD~1", ", near: good")),
        ("near-last", git("HEAD", ", near: good")),
        ("last", git("HEAD", "")),
    ];
    let bases: Vec<String> = bases.iter().map(|(name, origin)| format!("  {name}: {origin}")).collect();
    fake.write("guest-kernel/bases.yaml", &format!("bases:\n{}\n", bases.join("\n")));
    fake
}

#[test]
fn a_series_is_tried_on_the_commit_and_not_on_the_one_that_it_is_near_to() {
    let fake = tree();
    fake.kernel("stock@near-good");
    fake.write(
        "fix.patch",
        "--- a/lib/string.c\n+++ b/lib/string.c\n@@ -1 +1 @@\n-char string(void);\n+char string(int);\n",
    );
    let import = Import {
        name: "fix".to_owned(),
        from: SeriesFrom::Path(fake.path("fix.patch")),
        mail: None,
        base: "near-last".to_owned(),
        title: None,
        claim: None,
    };
    let imported = fake.store().import(&fake.project(), &import, &mut |_| {}).unwrap();
    assert_eq!(imported.patches.len(), 1);
}

#[test]
fn a_commit_near_another_compiles_only_what_differs() {
    let fake = tree();
    let (index, head) = (fs::read(fake.path("src/top/.git/index")).unwrap(), fake.git(&["status", "--porcelain"]));
    assert_eq!(Fake::code(&fake.kernel("stock@near-good")), STOCK_CODE);
    assert_eq!(fake.compiled().len(), 3);

    let middle = fake.kernel("stock@near-middle");
    assert_eq!(Fake::code(&middle), STOCK_CODE.replace("void string", "char string"));
    assert_eq!(fake.compiled(), ["lib/string.o"]);
    let generate = fake.bench().join("tree/lib/generate.sh");
    assert_eq!(fs::metadata(&generate).unwrap().permissions().mode() & 0o111, 0o111);
    assert!(!fake.bench().join("tree/lib/link.c").exists(), "links are left as they are");

    // A variant's patches come on top of the commit.
    let patched = fake.kernel("patched@near-last");
    assert_eq!(Fake::code(&patched), PATCHED_CODE.replace("void string", "char string"));
    assert_eq!(fake.compiled(), ["kernel/panic.o"]);
    assert!(!generate.exists());

    // And back again: nothing of them stays.
    fake.variant("other-name", "", &[]);
    fs::remove_dir_all(fake.cache().join("kernels")).unwrap();
    assert_eq!(Fake::code(&fake.kernel("other-name@near-good")), STOCK_CODE);
    assert_eq!(fs::read(fake.path("src/top/.git/index")).unwrap(), index);
    assert_eq!(fake.git(&["status", "--porcelain"]), head);
}

#[test]
fn a_kernel_is_the_same_whatever_its_commit_is_near_to() {
    let fake = tree();
    let near = fake.kernel("stock@near-last");
    assert_eq!(fake.kernel("stock@last").key, near.key);
    assert_eq!(near.record.source.kind, "git");
}

#[test]
fn histories_are_read_with_their_merges() {
    let fake = tree();
    fake.git(&["checkout", "--quiet", "-b", "side", "good"]);
    fake.write("src/top/kernel/cpu.c", "char cpu(void);\n");
    fake.git(&["commit", "--quiet", "-a", "-m", "cpu: char"]);
    fake.git(&["checkout", "--quiet", "main"]);
    fake.git(&["merge", "--quiet", "--no-edit", "side"]);
    let tree = fake.path("src/top");
    let Commits { commits, parents } = Commits::read(&tree, "good", "main", &Canceller::default()).unwrap();
    let subjects: Vec<&str> = commits.iter().map(|commit| commit.subject.as_str()).collect();
    assert_eq!((subjects[0], subjects[4]), ("good", "Merge branch 'side'"));
    assert_eq!(parents[4].len(), 2);
    let side = subjects.iter().position(|subject| *subject == "cpu: char").unwrap();
    assert_eq!(
        (parents[side].as_slice(), commits[side].paths.as_slice()),
        ([0].as_slice(), ["kernel/cpu.c".to_owned()].as_slice())
    );
    assert!(Commits::show(&tree, "side", &Canceller::default()).unwrap().contains("kernel/cpu.c | 2 +-"));
}

#[test]
fn ends_with_nothing_between_them_are_told() {
    let fake = tree();
    let error = |good: &str, bad: &str| {
        let error = Commits::read(&fake.path("src/top"), good, bad, &Canceller::default()).unwrap_err();
        assert_eq!(error.fault(), Fault::Input);
        error.to_string()
    };
    assert!(error("good", "good").contains("they are the same commit"));
    assert!(error("main", "good").contains("the bad one is older than the good one"));
    fake.git(&["checkout", "--quiet", "-b", "side", "good"]);
    fake.git(&["commit", "--quiet", "--allow-empty", "-m", "aside"]);
    assert!(error("side", "main").contains("the good one is not in the bad one's history"));
    fake.git(&["checkout", "--quiet", "--orphan", "alone"]);
    fake.git(&["commit", "--quiet", "--allow-empty", "-m", "alone"]);
    assert!(error("alone", "main").contains("no history in common"));
    assert!(error("--all", "main").contains("--all"));
}
