use super::*;

fn mail(subject: &str) -> Mail {
    let Brackets { number, of, version, subject, .. } = Brackets::of(subject);
    let text = if number == Some(0) { &b"just words\n"[..] } else { b"why\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n" };
    Mail { subject, number, of, version, text: text.to_vec() }
}

fn ordered(subjects: &[&str]) -> Result<Vec<String>, String> {
    let mails = subjects.iter().map(|subject| mail(subject)).collect();
    Ok(order(mails)?.patches.into_iter().map(|mail| mail.subject).collect())
}

#[test]
fn a_subject_says_which_patch_it_is() {
    let of = |text: &str| {
        let Brackets { reply, number, of, version, subject } = Brackets::of(text);
        (reply, number.zip(of), version, subject)
    };
    assert_eq!(of("[PATCH] panic: x"), (false, None, 1, "panic: x".to_owned()));
    assert_eq!(of("[RFC][PATCH v4 -next 1/4] Move it"), (false, Some((1, 4)), 4, "Move it".to_owned()));
    assert_eq!(of("[PATCH 00/30] The refactor"), (false, Some((0, 30)), 1, "The refactor".to_owned()));
    assert_eq!(of("Re: [PATCH V2 03/13] x86: [y] z"), (true, Some((3, 13)), 2, "x86: [y] z".to_owned()));
    assert_eq!(of("[unclosed"), (false, None, 1, "[unclosed".to_owned()));
    assert_eq!(of("\u{e9}\u{e9}"), (false, None, 1, "\u{e9}\u{e9}".to_owned()));
}

#[test]
fn numbers_decide_the_order_and_the_last_version_counts() {
    assert_eq!(
        ordered(&["[PATCH v2 2/2] b", "[PATCH 1/1] old", "[PATCH v2 0/2] cover", "[PATCH v2 1/2] a"]).unwrap(),
        ["a", "b"]
    );
    assert_eq!(ordered(&["z", "a"]).unwrap(), ["z", "a"]);
    let cover = order(vec![mail("[PATCH 1/1] a"), mail("[PATCH 0/1] cover")]).unwrap().cover;
    assert_eq!(cover.as_deref(), Some("cover"));
}

#[test]
fn what_is_no_series_is_told() {
    assert_eq!(ordered(&[]).unwrap_err(), "there is no patch in it");
    assert_eq!(ordered(&["[PATCH 0/2] cover"]).unwrap_err(), "there is no patch in it");
    assert_eq!(ordered(&["[PATCH 1/3] a", "[PATCH 3/3] c"]).unwrap_err(), "patch 2 of 3 is missing");
    assert_eq!(
        ordered(&["[PATCH 1/2] a", "[PATCH 2/2] b", "[PATCH 2/2] b again"]).unwrap_err(),
        "patch 2 is there twice: `b` and `b again`"
    );
    assert_eq!(ordered(&["[PATCH 1/2] a", "[PATCH] b"]).unwrap_err(), "`b` has no number, and others have");
}

#[test]
fn a_file_is_named_by_its_subject() {
    assert_eq!(file_name(3, "panic: flush, then stop!"), PathBuf::from("0003-panic-flush-then-stop.patch"));
    assert_eq!(file_name(12, "../../etc/\u{e9}"), PathBuf::from("0012-etc.patch"));
    assert!(file_name(1, &"a".repeat(300)).as_os_str().len() < 70);
}

#[test]
fn a_mailbox_is_decoded_and_its_replies_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mbox = folder.path().join("series.mbox");
    let diff = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n";
    let text = format!(
        "From a@b Thu Jan  1 00:00:00 1970\nFrom: =?UTF-8?q?J=C3=B6rg?= <j@example.org>\n\
         Date: Mon, 1 Jan 2024 00:00:00 +0000\nSubject: [PATCH 2/2] panic: =?UTF-8?q?=C3=A9?=\n\
         Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: quoted-printable\n\nWhy =3D because.\n\n\
         ---\n{diff}\n\
         From a@b Thu Jan  1 00:00:00 1970\nFrom: R <r@example.org>\nSubject: Re: [PATCH 2/2] panic: x\n\n> {diff}\n\n\
         From a@b Thu Jan  1 00:00:00 1970\nFrom: K <k@example.org>\nSubject: [PATCH 1/2] panic: first\n\nb\n\n---\n{diff}\n"
    );
    fs::write(&mbox, text).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let mails = read(&mbox, scratch.path(), &Canceller::default()).unwrap();
    let ordered = order(mails).unwrap().patches;
    assert_eq!(ordered.len(), 2);
    let text = String::from_utf8(ordered[1].text.clone()).unwrap();
    assert!(text.starts_with("From: J\u{f6}rg <j@example.org>\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n"), "{text}");
    assert!(text.contains("Subject: [PATCH] panic: \u{e9}\n\nWhy = because.\n"), "{text}");
    assert!(text.contains(diff), "{text}");
}
