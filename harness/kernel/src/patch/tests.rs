use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> PatchText {
    PatchText::parse(text).unwrap()
}

fn fault(text: &str) -> String {
    PatchText::parse(text).unwrap_err().to_string()
}

fn touched(text: &str) -> Vec<String> {
    parse(text).touched().map(|path| path.display().to_string()).collect()
}

#[test]
fn files_and_hunks_are_found_between_the_words_around() {
    let text = "From: somebody\nSubject: [PATCH] x\n\n--- is no file here\n\
                ---\n kernel/panic.c | 2 +-\n\n\
                diff --git a/kernel/panic.c b/kernel/panic.c\nindex 1..2 100644\n\
                --- a/kernel/panic.c\t2024-01-01\n+++ b/kernel/panic.c\n\
                @@ -1,3 +1,3 @@ void panic()\n a\n-b\n+c\n d\n\
                @@ -10 +10,2 @@\n x\n+--- a/not/a/file\n\
                --- a/new.c\n+++ b/new.c\n@@ -0,0 +1 @@\n+int new;\n\\ No newline at end of file\n-- \n2.39.5\n";
    let patch = parse(text);
    assert_eq!(patch.files.len(), 2);
    assert_eq!(patch.files[0].name(), "kernel/panic.c");
    assert_eq!(patch.files[0].hunks.len(), 2);
    assert_eq!(patch.files[0].hunks[0], "@@ -1,3 +1,3 @@ void panic()\n a\n-b\n+c\n d");
    assert!(patch.files[1].hunks[0].ends_with("\\ No newline at end of file"));
}

#[test]
fn created_removed_and_renamed_files_are_known() {
    let created = "--- /dev/null\n+++ b/new.c\n@@ -0,0 +1 @@\n+x\n";
    assert_eq!((parse(created).files[0].old.as_ref(), touched(created)), (None, vec!["new.c".to_owned()]));
    let removed = "--- a/old.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n";
    assert_eq!((parse(removed).files[0].new.as_ref(), touched(removed)), (None, vec!["old.c".to_owned()]));
    let renamed = "diff --git a/x.c b/y.c\nsimilarity index 100%\nrename from x.c\nrename to y.c\n";
    assert_eq!(touched(renamed), ["x.c", "y.c"]);
    let both = format!("{renamed}{created}");
    assert_eq!(touched(&both), ["x.c", "y.c", "new.c"]);
}

#[test]
fn what_is_no_patch_is_refused() {
    assert_snapshot!(fault("Dear list,\n\nplease apply.\n"), @"
    it changes no file

    hint: a patch is a unified diff with `--- a/FILE`, `+++ b/FILE` and `@@` lines, as `git format-patch` and `diff -up` write it
    ");
    assert_snapshot!(fault("--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n-b\n"), @"
    line 5: the patch ends in the middle of a hunk

    hint: the patch is damaged; take it again from its source (mail clients wrap lines)
    ");
    assert_snapshot!(fault("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n a\n-b\n wrapped by\nthe mailer\n"), @"
    line 6: a hunk has more lines than its head says

    hint: the patch is damaged; take it again from its source (mail clients wrap lines)
    ");
    assert_snapshot!(fault("--- a/x\n+++ b/x\n@@ -1,1 +1,1 @@\n a\n@@ -1 +x @@\n"), @"
    line 5: a hunk's head is `@@ -line,count +line,count @@`

    hint: the patch is damaged; take it again from its source (mail clients wrap lines)
    ");
    assert_snapshot!(fault("@@ -1 +1 @@\n-a\n+b\n"), @"
    line 1: a hunk without `--- FILE` and `+++ FILE` lines before it

    hint: the patch is damaged; take it again from its source (mail clients wrap lines)
    ");
    assert_snapshot!(fault("diff --git a/x b/x\nindex 1..2\nGIT binary patch\nliteral 4\n"), @"
    line 3: it changes a binary file

    hint: only text can be patched
    ");
    assert_snapshot!(fault("--- /dev/null\n+++ /dev/null\n@@ -1 +1 @@\n-a\n+b\n"), @"
    line 2: it names no file

    hint: the patch is damaged; take it again from its source (mail clients wrap lines)
    ");
}

#[test]
fn no_path_leaves_the_tree() {
    for path in ["a/../../etc/passwd", "/etc/passwd", "x", "a/b/../c", "\"a/x\\n\"", ""] {
        let text = format!("--- {path}\n+++ b/ok\n@@ -1 +1 @@\n-a\n+b\n");
        assert!(matches!(PatchText::parse(&text), Err(PatchFault::Outside { .. })), "{path}");
    }
    let renamed = "diff --git a/x b/y\nrename from ../x\nrename to y\n";
    assert!(matches!(PatchText::parse(renamed), Err(PatchFault::Outside { .. })));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(diff --git |--- |\\+\\+\\+ |@@ -1,2 \\+1 @@|a/x|/dev/null|[-+ \\\\a\n]){0,40}") {
        if let Ok(patch) = PatchText::parse(&text) {
            prop_assert!(patch.touched().all(|path| path.components().all(|c| matches!(c, Component::Normal(_)))));
        }
    }
}
