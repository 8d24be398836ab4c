use std::fmt::Write as _;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

/// A source of one file, `dir/f.c`, with numbered lines.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("tree/dir")).unwrap();
        let text = (1..=40).fold(String::new(), |mut text, n| {
            writeln!(text, "line {n};").unwrap();
            text
        });
        fs::write(folder.path().join("tree/dir/f.c"), text).unwrap();
        Self { folder }
    }

    fn pristine(&self, path: &Path) -> Option<PathBuf> {
        let path = self.folder.path().join("tree").join(path);
        path.is_file().then_some(path)
    }

    fn apply(&self, patches: &[&str]) -> Result<(Overlay, Vec<PatchRecord>), KernelError> {
        let series: Vec<Patch> = patches
            .iter()
            .enumerate()
            .map(|(number, text)| {
                let path = self.folder.path().join(format!("{number}.patch"));
                fs::write(&path, text).unwrap();
                Patch::read(&path)
            })
            .collect::<Result<_, _>>()?;
        apply(&series, self.folder.path(), &Canceller::default(), &|path| Ok(self.pristine(path)))
    }

    fn error(&self, patches: &[&str]) -> String {
        let error = self.apply(patches).unwrap_err().to_string();
        error.replace(&self.folder.path().display().to_string(), "ROOT")
    }

    fn content(&self, patches: &[&str], path: &str) -> Option<String> {
        let (overlay, _) = self.apply(patches).unwrap();
        let files = overlay.files().unwrap();
        files[Path::new(path)].as_ref().map(|path| fs::read_to_string(path).unwrap())
    }
}

/// Replaces line `n` of `f.c`, said to be at line `at`.
fn replace(at: usize, n: usize) -> String {
    format!(
        "--- a/dir/f.c\n+++ b/dir/f.c\n@@ -{from},3 +{from},3 @@ function\n line {before};\n-line {n};\n+new {n};\n line {after};\n",
        from = at - 1,
        before = n - 1,
        after = n + 1
    )
}

#[test]
fn a_series_builds_on_itself_and_the_source_stays_as_it_is() {
    let bench = Bench::new();
    let second = "--- a/dir/f.c\n+++ b/dir/f.c\n@@ -9,3 +9,2 @@\n line 9;\n-new 10;\n line 11;\n";
    let content = bench.content(&[&replace(10, 10), second], "dir/f.c").unwrap();
    assert!(!content.contains(" 10;") && content.contains("line 9;\nline 11;\n"));
    assert!(fs::read_to_string(bench.folder.path().join("tree/dir/f.c")).unwrap().contains("line 10;"));
}

#[test]
fn offsets_are_reported_and_exact_patches_have_none() {
    let bench = Bench::new();
    let (_, records) = bench.apply(&[&replace(10, 10), &replace(22, 20)]).unwrap();
    assert_eq!((records[0].name.as_str(), records[0].offsets.len()), ("0.patch", 0));
    assert_eq!(records[1].offsets, ["Hunk #1 succeeded at 19 (offset -2 lines)."]);
}

#[test]
fn files_come_and_go() {
    let bench = Bench::new();
    let created = "--- /dev/null\n+++ b/dir/deep/new.c\n@@ -0,0 +1 @@\n+int new;\n";
    assert_eq!(bench.content(&[created], "dir/deep/new.c").as_deref(), Some("int new;\n"));
    let again = "--- a/dir/deep/new.c\n+++ b/dir/deep/new.c\n@@ -1 +1 @@\n-int new;\n+int newer;\n";
    assert_eq!(bench.content(&[created, again], "dir/deep/new.c").as_deref(), Some("int newer;\n"));
    let removed = "--- a/dir/deep/new.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-int new;\n";
    assert_eq!(bench.content(&[created, removed], "dir/deep/new.c"), None);
    let renamed = "diff --git a/dir/f.c b/dir/g.c\nsimilarity index 100%\nrename from dir/f.c\nrename to dir/g.c\n";
    assert_eq!(bench.content(&[renamed], "dir/f.c"), None);
    assert!(bench.content(&[renamed], "dir/g.c").unwrap().starts_with("line 1;\n"));
}

#[test]
fn a_hunk_that_does_not_fit_is_shown() {
    let two =
        format!("{}{}", replace(10, 10), "@@ -29,3 +29,3 @@ other()\n line 29;\n-line thirty;\n+new 30;\n line 31;\n");
    assert_snapshot!(Bench::new().error(&[&replace(5, 5), &two]), @"
    patch ROOT/1.patch: hunk 2 of 2 of dir/f.c does not apply

    @@ -29,3 +29,3 @@ other()
     line 29;
    -line thirty;
    +new 30;
     line 31;

    hint: rebase the patch on this kernel, or limit the `bases` of its series in the variant.yaml
    ");
}

#[test]
fn of_a_long_hunk_the_beginning_is_shown() {
    let lines = (1..=100).map(|line| format!("+line {line};\n")).collect::<Vec<_>>().concat();
    let said = Bench::new().error(&[&format!("--- a/dir/f.c\n+++ b/dir/f.c\n@@ -1 +1,100 @@\n-line one;\n{lines}")]);
    assert!(said.contains("+line 22;\n… 78 more lines\n\nhint: "), "{said}");
}

#[test]
fn fuzz_is_refused() {
    let other_context = replace(10, 10).replace(" line 9;", " line nine;");
    assert_snapshot!(Bench::new().error(&[&other_context]), @"
    patch ROOT/0.patch: hunk 1 of 1 of dir/f.c does not apply

    @@ -9,3 +9,3 @@ function
     line nine;
    -line 10;
    +new 10;
     line 11;

    hint: it would apply with fuzz, that is, with other lines around it than the patch says; that is refused, since what is tested must be what was meant. Rebase the patch on this kernel
    ");
}

#[test]
fn a_patch_that_is_there_already_is_told_so() {
    assert_snapshot!(Bench::new().error(&[&replace(10, 10), &replace(10, 10)]), @"
    patch ROOT/1.patch: hunk 1 of 1 of dir/f.c does not apply

    @@ -9,3 +9,3 @@ function
     line 9;
    -line 10;
    +new 10;
     line 11;

    hint: the kernel already has this patch; drop it from the series or limit `bases`
    ");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    assert_snapshot!(Bench::new().error(&[&replace(10, 10).replace("f.c", "h.c")]), @"
    patch ROOT/0.patch: it changes dir/h.c, which is not there

    hint: the patch is for another kernel; limit the `bases` of its series in the variant.yaml
    ");
}

#[test]
fn a_patch_that_touches_a_file_twice_is_fine() {
    let bench = Bench::new();
    let twice = format!("{}{}", replace(10, 10), replace(20, 20));
    let content = bench.content(&[&twice], "dir/f.c").unwrap();
    assert!(content.contains("new 10;") && content.contains("new 20;"));
}

#[test]
fn a_damaged_patch_is_refused_before_anything_is_done() {
    assert_snapshot!(Bench::new().error(&["--- a/dir/f.c\n+++ b/dir/f.c\n@@ -9,9 +9,9 @@\n line 9;\n"]), @"
    patch ROOT/0.patch: line 4: the patch ends in the middle of a hunk

    hint: the patch is damaged; take it again from its source (mail clients wrap lines)
    ");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// What `diff -u` says of two texts, applied to the first, is the second.
    #[test]
    fn a_diff_applied_gives_the_new_text(changes in proptest::collection::btree_map(1_usize..40, 0_u8..3, 0..6)) {
        let bench = Bench::new();
        let old = bench.folder.path().join("tree/dir/f.c");
        let mut text = String::new();
        for (number, line) in fs::read_to_string(&old).unwrap().lines().enumerate() {
            match changes.get(&number) {
                Some(0) => {}
                Some(1) => writeln!(text, "{line}\nadded {number};").unwrap(),
                Some(_) => writeln!(text, "changed {number};").unwrap(),
                None => writeln!(text, "{line}").unwrap(),
            }
        }
        let new = bench.folder.path().join("new");
        fs::write(&new, &text).unwrap();
        let mut diff = program("diff");
        let names = ["--label", "a/dir/f.c", "--label", "b/dir/f.c", "-u"];
        let (_, patch) = run_quiet(diff.args(names).arg(&old).arg(&new), &Canceller::default(), "diff").unwrap();
        if !patch.is_empty() {
            prop_assert_eq!(bench.content(&[&patch], "dir/f.c").unwrap(), text);
        }
    }
}
