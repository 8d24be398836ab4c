use super::*;

#[test]
fn a_file_is_named_by_its_subject() {
    assert_eq!(file_name(3, "panic: flush, then stop!"), PathBuf::from("0003-panic-flush-then-stop.patch"));
    assert_eq!(file_name(12, "../../etc/\u{e9}"), PathBuf::from("0012-etc.patch"));
    assert!(file_name(1, &"a".repeat(300)).as_os_str().len() < 70);
    assert_eq!([stem(Path::new("x/fix.patch")), stem(Path::new("fix.mbox.gz"))], ["fix", "fix"]);
}

#[test]
fn carriage_returns_go_only_where_every_line_has_one() {
    let lines = |text: &str| String::from_utf8(with_line_feeds(text.into())).unwrap();
    assert_eq!(lines("a\r\nb\r\n"), "a\nb\n");
    assert_eq!(lines("a\r\r\nb\r\n"), "a\r\nb\n");
    assert_eq!(lines("a\r\nb\n"), "a\r\nb\n");
    assert_eq!(lines("a\nb"), "a\nb\n");
    assert_eq!(lines("a\r\nb"), "a\nb\n");
}

#[test]
fn flowed_lines_are_joined() {
    let joined = |text: &str, delete| String::from_utf8(unflowed(text.as_bytes(), delete)).unwrap();
    assert_eq!(joined("one \ntwo\n  context\n-- \nme\n", false), "one two\n context\n-- \nme\n");
    assert_eq!(joined("one \ntwo\n \n", true), "onetwo\n\n");
}

#[test]
fn people_are_known_by_name_or_address() {
    let sender = Sender::parse;
    assert!(sender("Kim <a@x>").is(&sender("\"Kim\" <b@y>")));
    assert!(sender("Kim <a@x>").is(&sender("A@X")));
    assert!(!sender("Kim <a@x>").is(&sender("Robin <b@y>")));
    assert!(!sender("").is(&sender("")));
}

#[test]
fn a_byte_that_quoted_printable_cannot_have_is_no_silent_loss() {
    let mail = |byte: &[u8]| {
        let head: &[u8] = b"From: K <k@x>\nSubject: [PATCH] x\nContent-Transfer-Encoding: quoted-printable\n\n";
        let diff: &[u8] = b"--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+";
        read(&[head, diff, byte, b"\n"].concat(), "here", "here").remove(0).content
    };
    let cause = "its text: the byte 0xff cannot be in quoted-printable text".to_owned();
    assert_eq!(mail(b"\xff"), Content::Unreadable(cause));
    assert!(matches!(mail(b"=FF"), Content::Patch { .. }));
}
