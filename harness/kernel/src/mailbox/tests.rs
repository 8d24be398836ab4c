use std::fmt::Write as _;

use proptest::prelude::*;

use super::super::patch::PatchText;
use super::*;

/// Mailboxes of every kind, each with what is to be made of it beside it in `expected`: what is read, or why it is refused.
const MAILBOXES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/mailboxes");

/// What was read, for comparison: of each patch its subject and author, what its message says apart from `Why.`, and the
/// lines that it changes; a fault, if it cannot be applied; all that was left out.
fn told(read: Result<Chosen, KernelError>) -> String {
    let chosen = match read {
        Ok(chosen) => chosen,
        Err(KernelError::Series { cause, .. }) => return format!("refused: {cause}\n"),
        Err(other) => return format!("{other}\n"),
    };
    let mut told = String::new();
    if let Some(cover) = &chosen.cover {
        writeln!(told, "cover: {cover}").unwrap();
    }
    for mail in &chosen.patches {
        let text = String::from_utf8_lossy(mail.patch());
        let from = text.lines().next().and_then(|line| line.strip_prefix("From: ")).unwrap_or_default();
        writeln!(told, "patch: {}\n  by {from}", mail.subject.text).unwrap();
        let message =
            text.split("\ndiff --git ").next().unwrap_or_default().lines().skip_while(|line| !line.is_empty());
        for line in message.filter(|line| line.contains("From ") || *line == "Why." && !mail.attached.is_empty()) {
            writeln!(told, "  says {line}").unwrap();
        }
        let diff = String::from_utf8_lossy(mail.diff()).replace('\r', "\\r");
        let changes = |line: &&str| {
            let names = ["+++ ", "--- ", "-- "].iter().any(|head| line.starts_with(head));
            (line.starts_with(['+', '-']) && !names) || line.starts_with("rename ")
        };
        for line in diff.lines().filter(changes) {
            writeln!(told, "  {line}").unwrap();
        }
        if let Err(fault) = PatchText::parse(&text) {
            writeln!(told, "fault: {}", fault.to_string().lines().next().unwrap_or_default()).unwrap();
        }
    }
    for left in &chosen.left_out {
        writeln!(told, "left out: {left}").unwrap();
    }
    told
}

#[test]
fn mailboxes_of_every_kind_are_read_or_refused() {
    let mut cases: Vec<PathBuf> = fs::read_dir(MAILBOXES).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 30, "{} mailboxes", cases.len());
    let mut wrong = String::new();
    for case in cases {
        let entries = fs::read_dir(&case).unwrap().map(|entry| entry.unwrap().path());
        let mailbox = entries.into_iter().find(|path| mail::stem(path) == "in").unwrap();
        let wanted = fs::read_to_string(case.join("mail")).ok();
        let told = told(read(&mailbox, wanted.as_deref()));
        let expected = fs::read_to_string(case.join("expected")).unwrap();
        if told != expected {
            let name = case.file_name().unwrap().display();
            write!(wrong, "\n{name} is\n{told}\nbut should be\n{expected}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_line_that_begins_a_mail_has_a_time_and_a_year() {
    let table: [(&str, bool); 7] = [
        ("From mboxrd@z Thu Jan  1 00:00:00 1970\n", true),
        ("From 0123456789abcdef Mon Sep 17 00:00:00 2001\n", true),
        ("From - Mon Jan 01 10:20:30 2024\r\n", true),
        ("From a@b Mon Jan  1 10:20:30 +0100 2024\n", true),
        ("From here on 12:30 it is late in 2024.\n", false),
        ("From 2024 on, at 10:20:30\n", false),
        (" From mboxrd@z Thu Jan  1 00:00:00 1970\n", false),
    ];
    for (line, begins) in table {
        assert_eq!(begins_mail(line.as_bytes()), begins, "{line}");
    }
}

#[test]
fn no_more_is_read_than_a_series_may_have() {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.mbox.gz");
    let mut packed = flate2::write::GzEncoder::new(File::create(&large).unwrap(), flate2::Compression::fast());
    io::copy(&mut io::repeat(b'\n').take(MOST_BYTES + 1), &mut packed).unwrap();
    packed.finish().unwrap();
    let error = read(&large, None).unwrap_err().to_string();
    assert!(error.contains("there are more than 64 MiB in it"), "{error}");
}

#[test]
fn a_mail_that_is_not_there_and_a_file_that_is_not_there_are_told() {
    let mailbox = Path::new(MAILBOXES).join("thread/in.mbox");
    let error = read(&mailbox, Some("<nobody@x>")).unwrap_err().to_string();
    assert!(error.contains("there is no mail <nobody@x> in it"), "{error}");
    let error = read(Path::new("/nowhere.mbox"), None).unwrap_err().to_string();
    assert!(error.contains("/nowhere.mbox: No such file or directory"), "{error}");
}

/// Pieces that mails are made of.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "From x Thu Jan  1 00:00:00 1970\n",
        "From: A <a@x>\n",
        "From: B\n",
        "Subject: [PATCH 1/2] a\n",
        "Subject: [PATCH v2 2/2] b\n",
        "Subject: [PATCH v2 4294967295/4294967295] c\n",
        "Subject: Re: [PATCH] a\n",
        "Message-ID: <1@x>\n",
        "Message-ID: <2@x>\n",
        "In-Reply-To: <1@x>\n",
        "References: <2@x> <1@x>\n",
        "Date: Mon, 4 Nov 2024 10:00:00 +0000\n",
        "Content-Type: text/plain; charset=ISO-8859-1; format=flowed; delsp=yes\n",
        "Content-Type: multipart/mixed; boundary=b\n",
        "Content-Disposition: attachment; filename=a.patch\n",
        "Content-Transfer-Encoding: quoted-printable\n",
        "Content-Transfer-Encoding: base64\n",
        "--b\n",
        "--b--\n",
        "\n",
        "\r\n",
        " \n",
        "=\n",
        "=4\n",
        ">From \n",
        "diff --git a/f b/f\n",
        "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n",
    ]);
    prop_oneof![
        4 => pieces.prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    #[test]
    fn whatever_is_in_a_mailbox_it_is_read_or_refused(
        pieces in prop::collection::vec(piece(), 0..60),
        wanted in prop::option::of(prop::sample::select(vec!["1@x", "2@x", ""])),
    ) {
        let mails = mails(&pieces.concat(), None, "name");
        if let Ok(chosen) = thread::choose(mails.clone(), wanted) {
            prop_assert!(!chosen.patches.is_empty());
            // Nothing is dropped in silence.
            let told = |mail: &Mail| chosen.left_out.iter().any(|left| left.what.starts_with(&mail.place));
            prop_assert!(mails.iter().all(|mail| chosen.patches.contains(mail) || told(mail)));
        }
        let _ = thread::in_order(mails);
    }
}
