//! Patches as mails: which of them are a series, and in which order.

use std::fs;
use std::path::{Path, PathBuf};

use super::process::{Answer, ask, program, run_quiet};
use super::{Canceller, KernelError};

/// A patch from a mail, or a file of `git format-patch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mail {
    /// The subject without what is in brackets before it.
    pub subject: String,
    /// `3` of `[PATCH v2 3/7]`, where it says so; 0 is the cover letter.
    pub number: Option<u32>,
    /// `7` of that.
    pub of: Option<u32>,
    /// `2` of that; 1 where it says nothing.
    pub version: u32,
    /// Author, date, subject, message and diff, as `git format-patch` would write them.
    pub text: Vec<u8>,
}

impl Mail {
    fn has_diff(&self) -> bool {
        self.text.starts_with(b"--- ") || self.text.windows(5).any(|bytes| bytes == b"\n--- ")
    }
}

/// What a subject says in brackets before its text: `[PATCH v2 3/7]`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Brackets {
    reply: bool,
    number: Option<u32>,
    of: Option<u32>,
    version: u32,
    subject: String,
}

/// A subject without what is in brackets before it.
pub(super) fn without_brackets(subject: &str) -> String {
    Brackets::of(subject).subject
}

impl Brackets {
    fn of(subject: &str) -> Self {
        let mut found = Self { version: 1, ..Self::default() };
        let mut rest = subject.trim();
        loop {
            let reply = ["re:", "aw:", "fwd:"]
                .iter()
                .find(|it| rest.get(..it.len()).is_some_and(|a| a.eq_ignore_ascii_case(it)));
            if let Some(reply) = reply {
                found.reply = true;
                rest = rest.get(reply.len()..).unwrap_or_default().trim_start();
            } else if let Some((inside, behind)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                for word in inside.split_whitespace() {
                    found.word(word);
                }
                rest = behind.trim_start();
            } else {
                rest.clone_into(&mut found.subject);
                return found;
            }
        }
    }

    fn word(&mut self, word: &str) {
        if let Some((number, of)) = word.split_once('/')
            && let (Ok(number), Ok(of)) = (number.parse(), of.parse())
        {
            (self.number, self.of) = (Some(number), Some(of));
        } else if let Some(Ok(version)) = word.strip_prefix(['v', 'V']).map(str::parse) {
            self.version = version;
        }
    }
}

/// Reads the mails of a mailbox, or of a folder of patches by their names; those that are replies are left out.
pub(super) fn read(from: &Path, scratch: &Path, canceller: &Canceller) -> Result<Vec<Mail>, KernelError> {
    let fail = KernelError::io("reading patches from", from);
    let mut files = Vec::new();
    if from.is_dir() {
        for entry in fs::read_dir(from).map_err(&fail)? {
            let path = entry.map_err(&fail)?.path();
            if path.extension().is_some_and(|extension| extension == "patch" || extension == "diff") {
                files.push(path);
            }
        }
    } else {
        // It also takes a single mail, or a file of `git format-patch`. One without a mail's head is a patch alone.
        let text = fs::read(from).map_err(&fail)?;
        if text.starts_with(b"From ") || text.starts_with(b"From:") {
            let mut git = program("git");
            let folder = scratch.join("mails");
            fs::create_dir_all(&folder).map_err(&fail)?;
            git.args(["mailsplit", "-b", "--keep-cr"]).arg(format!("-o{}", folder.display())).arg("--").arg(from);
            let (status, said) = run_quiet(&mut git, canceller, "splitting a mailbox")?;
            if !status.success() {
                return Err(KernelError::series(from, said.trim()));
            }
            for entry in fs::read_dir(&folder).map_err(&fail)? {
                files.push(entry.map_err(&fail)?.path());
            }
        } else {
            files.push(from.to_owned());
        }
    }
    files.sort();
    let mut mails = Vec::new();
    for file in files {
        mails.extend(mail(&file, scratch, canceller)?);
    }
    Ok(mails)
}

/// One mail, decoded by git; `None` for a reply.
fn mail(file: &Path, scratch: &Path, canceller: &Canceller) -> Result<Option<Mail>, KernelError> {
    let fail = KernelError::io("reading patch", file);
    let bytes = fs::read(file).map_err(&fail)?;
    let (message, patch) = (scratch.join("message"), scratch.join("patch"));
    let mut git = program("git");
    git.args(["mailinfo", "-k", "--encoding=UTF-8"]).arg(&message).arg(&patch);
    git.stdin(fs::File::open(file).map_err(&fail)?);
    let Answer { status, lines: head, .. } = ask(&mut git, canceller, "reading a mail")?;
    let field = |name: &str| {
        let line = head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().to_owned()
    };
    let subject = field("Subject");
    if !status.success() || subject.is_empty() {
        // A diff alone: its file's name is all that tells what it is.
        let subject = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(Some(Mail { subject, number: None, of: None, version: 1, text: bytes }));
    }
    let Brackets { reply, number, of, version, subject } = Brackets::of(&subject);
    if reply {
        return Ok(None);
    }
    let mut text = format!("From: {} <{}>\n", field("Author"), field("Email"));
    let date = field("Date");
    if !date.is_empty() {
        text.extend(["Date: ", &date, "\n"]);
    }
    text.extend(["Subject: [PATCH] ", &subject, "\n\n"]);
    let mut text = text.into_bytes();
    text.extend(fs::read(&message).map_err(&fail)?);
    text.extend(fs::read(&patch).map_err(&fail)?);
    Ok(Some(Mail { subject, number, of, version, text }))
}

/// A series in its order, and its cover letter's subject if it has one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ordered {
    /// The patches.
    pub patches: Vec<Mail>,
    /// What the cover letter is called.
    pub cover: Option<String>,
}

/// Puts mails in the order that their subjects say, of several versions of a series the last. Patches without numbers stay in
/// the order in which they came.
pub(super) fn order(mut mails: Vec<Mail>) -> Result<Ordered, String> {
    let last = mails.iter().map(|mail| mail.version).max().unwrap_or(1);
    mails.retain(|mail| mail.version == last);
    let cover = mails.iter().find(|mail| mail.number == Some(0)).map(|mail| mail.subject.clone());
    mails.retain(|mail| mail.number != Some(0) && mail.has_diff());
    if mails.is_empty() {
        return Err("there is no patch in it".to_owned());
    }
    let numbered = mails.iter().filter(|mail| mail.number.is_some()).count();
    if numbered == 0 {
        return Ok(Ordered { patches: mails, cover });
    }
    if let Some(mail) = mails.iter().find(|mail| mail.number.is_none()) {
        return Err(format!("`{}` has no number, and others have", mail.subject));
    }
    mails.sort_by_key(|mail| mail.number);
    let of = mails.iter().filter_map(|mail| mail.of).max().unwrap_or(0);
    for number in 1..=of {
        let mut there = mails.iter().filter(|mail| mail.number == Some(number));
        match (there.next(), there.next()) {
            (None, _) => return Err(format!("patch {number} of {of} is missing")),
            (Some(one), Some(other)) => {
                return Err(format!("patch {number} is there twice: `{}` and `{}`", one.subject, other.subject));
            }
            (Some(_), None) => {}
        }
    }
    Ok(Ordered { patches: mails, cover })
}

/// The name of a patch's file, as `git format-patch` makes it.
pub(super) fn file_name(number: usize, subject: &str) -> PathBuf {
    let mut name = String::new();
    for c in subject.chars() {
        if c.is_ascii_alphanumeric() || c == '.' || c == '_' {
            name.push(c);
        } else if !name.ends_with('-') && !name.is_empty() {
            name.push('-');
        }
    }
    let name: String = name.chars().take(52).collect();
    PathBuf::from(format!("{number:04}-{}.patch", name.trim_matches(['-', '.'])))
}

#[cfg(test)]
mod tests;
