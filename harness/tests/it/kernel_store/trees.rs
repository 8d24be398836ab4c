//! A git tree as it lies there.

use std::fs;

use harness::kernel::{Canceller, Fault, KernelError, TreeBases, bases_named, kept_inputs};
use harness::model::KernelName;
use insta::assert_snapshot;

use super::fake::{Fake, PATCHED_CODE, STOCK_CODE, everything};

/// A tree with one commit on top of `good`, which changes a file.
fn tree() -> Fake {
    let fake = Fake::new();
    fake.write("src/top/.gitignore", "*.o\n");
    fake.git(&["init", "--quiet", "-b", "main"]);
    fake.git(&["add", "."]);
    fake.git(&["commit", "--quiet", "-m", "good"]);
    fake.git(&["tag", "good"]);
    fake.write("src/top/lib/string.c", "char string(void);\n");
    fake.git(&["commit", "--quiet", "-a", "-m", "string: char"]);
    fake
}

fn of(fake: &Fake, against: Option<&str>) -> Result<TreeBases, KernelError> {
    // Below the top, as somebody may stand.
    TreeBases::of(&fake.project(), &fake.path("src/top/kernel"), against, &Canceller::default())
}

fn refused(fake: &Fake, against: Option<&str>) -> String {
    let error = of(fake, against).unwrap_err();
    assert_eq!(error.fault(), Fault::Input);
    error.to_string().replace(&fake.path("").display().to_string(), "ROOT/")
}

#[test]
fn what_is_not_committed_is_tried_beside_what_the_work_began_with() {
    let fake = tree();
    fake.write("src/top/kernel/panic.c", "int panic(void);\n");
    fake.write("src/top/kernel/cpu.c", "char cpu(void);\n");
    fake.git(&["add", "kernel/cpu.c"]);
    fake.write("src/top/lib/new.c", "int new;\n");
    fake.write("src/top/lib/new.o", "ignored\n");
    let before = everything(&fake.path("src/top"));
    let TreeBases { against, candidate } = of(&fake, Some("good")).unwrap();
    assert_eq!(before, everything(&fake.path("src/top")), "nothing of the tree is written");
    assert_eq!(against, fake.git(&["rev-parse", "good"])[..12]);
    let head = &fake.git(&["rev-parse", "HEAD"])[..12];
    assert!(candidate.starts_with(&format!("{head}+dirty-")), "{candidate}");

    let kernel = |base: &str| fake.kernel(&format!("stock@{base}"));
    assert_eq!(Fake::code(&kernel(&against)), STOCK_CODE);
    fake.compiled();
    let dirty = kernel(&candidate);
    assert_eq!(Fake::code(&dirty), "int panic(void);\nchar cpu(void);\nchar string(void);\n");
    assert!(fake.bench().join("tree/lib/new.c").exists() && !fake.bench().join("tree/lib/new.o").exists());
    assert_eq!(fake.compiled().len(), 3, "on the workbench of what the work began with");

    let name = KernelName::parse("stock", &candidate);
    let kept = kept_inputs(&fake.project(), [&name]).unwrap();
    let difference = String::from_utf8(kept[&format!("{candidate}.diff")].clone()).unwrap();
    assert!(difference.contains("-void panic(void);\n+int panic(void);\n"), "{difference}");
    assert!(difference.contains("+++ b/lib/new.c") && !difference.contains("lib/string.c"), "{difference}");

    // The same once more has the same name, and another change another one.
    assert_eq!(of(&fake, Some("good")).unwrap().candidate, candidate);
    fake.write("src/top/kernel/cpu.c", "void cpu(void);\n");
    assert_ne!(of(&fake, Some("good")).unwrap().candidate, candidate);
}

#[test]
fn a_clean_tree_is_its_commit() {
    let fake = tree();
    let head = fake.git(&["rev-parse", "HEAD"]);
    let TreeBases { candidate, .. } = of(&fake, Some("good")).unwrap();
    assert_eq!(candidate, head[..12]);
    let kernel = fake.kernel(&format!("stock@{candidate}"));
    assert_eq!(kernel.record.source.commit.as_deref(), Some(head.as_str()));
    // What is changed alone, without what was committed.
    fake.write("src/top/kernel/panic.c", "int panic(void);\n");
    let TreeBases { against, candidate } = of(&fake, Some("HEAD")).unwrap();
    assert_eq!(against, head[..12]);
    assert_eq!(
        Fake::code(&fake.kernel(&format!("stock@{candidate}"))),
        PATCHED_CODE.replace("void string", "char string")
    );
}

#[test]
fn the_upstream_is_what_it_is_compared_with() {
    let fake = tree();
    fake.git(&["branch", "--quiet", "theirs", "good"]);
    fake.git(&["branch", "--quiet", "--set-upstream-to=theirs"]);
    assert_eq!(of(&fake, None).unwrap().against, fake.git(&["rev-parse", "good"])[..12]);
}

#[test]
fn trees_that_cannot_be_tried_are_told_what_to_do() {
    let fake = tree();
    assert_snapshot!(refused(&fake, None), @r"
    trying the tree ROOT/src/top: there is nothing to compare it with: no upstream configured for branch 'main'

    hint: --against REV, as in --against v6.12; for what is not committed alone: --against HEAD
    ");
    assert_snapshot!(refused(&fake, Some("HEAD")), @r"
    trying the tree ROOT/src/top: it is what HEAD has: nothing is changed

    hint: --against REV, for an older commit to compare it with
    ");
    assert!(refused(&fake, Some("v9.9")).contains("it has no commit `v9.9`\n\nhint: name a commit that the tree has"));
    fake.git(&["checkout", "--quiet", "-b", "side", "good"]);
    fake.write("src/top/lib/string.c", "long string(void);\n");
    fake.git(&["commit", "--quiet", "-a", "-m", "string: long"]);
    let merge = std::process::Command::new("git").arg("-C").arg(fake.path("src/top")).args(["merge", "main"]).output();
    assert!(!merge.unwrap().status.success());
    assert_snapshot!(refused(&fake, Some("good")), @r"
    trying the tree ROOT/src/top: a merge in it is not finished: conflicts in lib/string.c

    hint: resolve and add them, or take the merge back: git merge --abort
    ");
    fs::remove_dir_all(fake.path("src/top/.git")).unwrap();
    let without = refused(&fake, Some("good"));
    assert!(without.contains("not a git repository") && without.contains("--kernel linux.tar"), "{without}");
}

#[test]
fn kernels_are_named_by_what_they_are() {
    let fake = tree();
    let named = |text: &str| bases_named(&fake.project(), text, &Canceller::default());
    let folder = named(&fake.path("src/top").display().to_string()).unwrap();
    assert_eq!(folder, [fake.git(&["rev-parse", "HEAD"])[..12].to_owned()]);
    let tarball = named(&fake.path("linux.tar").display().to_string()).unwrap();
    assert!(tarball[0].starts_with("linux-"), "{tarball:?}");
    assert_eq!(Fake::code(&fake.kernel(&format!("stock@{}", tarball[0]))), STOCK_CODE);
    assert_eq!(named("linux-source-7.2/sid").unwrap(), ["linux-source-7.2-sid"]);
    let error = named("v9.9-nobody-has-this").unwrap_err();
    assert_snapshot!(error, @r"
    kernel `v9.9-nobody-has-this`: there is no such file, and no such commit in this folder

    hint: it is a folder or a tarball, PACKAGE/SUITE, or a commit, a tag or a range of the git tree in this folder
    ");
}
