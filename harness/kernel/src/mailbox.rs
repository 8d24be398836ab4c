//! Where patches lie: a mailbox, a mail, a diff, packed or not; a Maildir, a folder of them, quilt's `series`; a history of git;
//! the archive of the mailing lists. Everything becomes mails here.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::KernelError;
use super::mail::{self, Mail};
use super::thread::{self, Chosen, LeftOut};

/// More than this is no series, but somebody's archive.
const MOST_BYTES: u64 = 1 << 26;

/// The same for the number of mails.
pub(super) const MOST_MAILS: usize = 2048;

/// What files of a folder are read, `.gz` behind it or not.
const EXTENSIONS: [&str; 5] = ["patch", "diff", "eml", "mbox", "mbx"];

/// The patches that lie somewhere: of a mailbox's or folder's several series that with the mail `wanted`.
pub(super) fn read(from: &Path, wanted: Option<&str>) -> Result<Chosen, KernelError> {
    let fail = |cause: io::Error| KernelError::series(from, &cause.to_string());
    if let Some(series) = quilt_series(from) {
        return quilt(&series);
    }
    let mut reader = Reader { from, left: MOST_BYTES, mails: Vec::new() };
    let mut left_out = Vec::new();
    if from.is_dir() {
        let (files, others) = files_of(from).map_err(fail)?;
        left_out = others;
        for file in files {
            let place = file.strip_prefix(from).unwrap_or(&file).display().to_string();
            reader.file(&file, Some(&place))?;
        }
    } else {
        reader.file(from, None)?;
    }
    match thread::choose(reader.mails, wanted) {
        Ok(mut chosen) => {
            chosen.left_out.extend(left_out);
            Ok(chosen)
        }
        Err(mut refusal) => {
            refusal.cause.extend(left_out.iter().map(|left| format!("\n  {left}")));
            Err(KernelError::refused(from, refusal))
        }
    }
}

/// The patches of a history, newest first, whose order no subject can change.
pub(super) fn read_history(mailbox: &[u8], from: &Path) -> Result<Chosen, KernelError> {
    let mut mails = mails(mailbox, None, "");
    mails.reverse();
    for mail in &mut mails {
        mail.title.clone_from(&mail.subject.text);
        mail.place.clone_from(&mail.subject.text);
    }
    thread::in_order(mails).map_err(|refusal| KernelError::refused(from, refusal))
}

/// A file's bytes, if they are no more than a series may have.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, KernelError> {
    let bytes = bytes_of(path, MOST_BYTES).map_err(|cause| KernelError::series(path, &cause.to_string()))?;
    if bytes.len() as u64 > MOST_BYTES { Err(too_much(path)) } else { Ok(bytes) }
}

fn too_much(from: &Path) -> KernelError {
    KernelError::series(from, &format!("there are more than {} MiB in it", MOST_BYTES >> 20))
}

/// Reads files and keeps count of their bytes.
struct Reader<'a> {
    from: &'a Path,
    left: u64,
    mails: Vec<Mail>,
}

impl Reader<'_> {
    /// The mails of a file; `place` is what it is called, where there are several.
    fn file(&mut self, path: &Path, place: Option<&str>) -> Result<(), KernelError> {
        let refused = |cause: &str| KernelError::series(path, cause);
        let bytes = bytes_of(path, self.left).map_err(|cause| refused(&cause.to_string()))?;
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(|| too_much(self.from))?;
        self.mails.extend(mails(&bytes, place, &mail::stem(path)));
        if self.mails.len() > MOST_MAILS {
            return Err(KernelError::series(self.from, &format!("there are more than {MOST_MAILS} mails in it")));
        }
        Ok(())
    }
}

/// A file's bytes, unpacked if need be, but no more than one above `most`. `-` is the standard input.
fn bytes_of(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut packed = Vec::new();
    let most = most.saturating_add(1);
    if path == Path::new("-") {
        io::stdin().lock().take(most).read_to_end(&mut packed)?;
    } else {
        File::open(path)?.take(most).read_to_end(&mut packed)?;
    }
    if !packed.starts_with(&[0x1f, 0x8b]) {
        return Ok(packed);
    }
    let mut bytes = Vec::new();
    let unpacked = MultiGzDecoder::new(packed.as_slice()).take(most).read_to_end(&mut bytes);
    unpacked.map_err(|cause| io::Error::other(format!("it is packed by gzip, and damaged: {cause}")))?;
    Ok(bytes)
}

/// The mails of a file's bytes.
pub(super) fn mails(bytes: &[u8], place: Option<&str>, name: &str) -> Vec<Mail> {
    let single = |count: usize| match place {
        Some(place) => place.to_owned(),
        None if count == 1 => name.to_owned(),
        None => "mail 1".to_owned(),
    };
    let pieces = split(bytes);
    if let [one] = pieces.as_slice() {
        return mail::read(one, &single(1), name);
    }
    let of = |number: usize| place.map_or(format!("mail {number}"), |place| format!("{place}, mail {number}"));
    (1..).zip(&pieces).flat_map(|(number, piece)| mail::read(piece, &of(number), name)).collect()
}

/// Takes a mailbox apart at the lines that begin a mail. `>From ` is `From ` again, as in mboxrd and mboxo.
fn split(mailbox: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let (mut pieces, mut start, mut at, mut quoted) = (Vec::new(), 0, 0, false);
    let lines = mailbox.split_inclusive(|byte| *byte == b'\n');
    let mut piece = |range: std::ops::Range<usize>, quoted: bool| {
        let piece = mailbox.get(range).unwrap_or_default();
        if !piece.trim_ascii().is_empty() {
            pieces.push(if quoted { Cow::Owned(unquoted(piece)) } else { Cow::Borrowed(piece) });
        }
    };
    // A mail alone may have files of `git format-patch` attached, which begin like mails of a mailbox.
    let head = mailbox.split(|byte| *byte == b'\n').take_while(|line| !line.trim_ascii().is_empty());
    let in_parts = |line: &[u8]| line.to_ascii_lowercase().windows(10).any(|words| words == b"multipart/");
    if !mailbox.starts_with(b"From ") && head.into_iter().any(in_parts) {
        return vec![Cow::Borrowed(mailbox)];
    }
    // Who has no such line has no such quotes either.
    let mut mbox = false;
    for line in lines {
        if begins_mail(line) {
            piece(start..at, quoted);
            (start, quoted, mbox) = (at, false, true);
        }
        quoted |= mbox && is_quoted(line);
        at += line.len();
    }
    piece(start..at, quoted);
    pieces
}

/// Whether a line is `From somebody Mon Sep 17 00:00:00 2001`: git's own rule, since a message may well have a line that begins
/// with `From `.
fn begins_mail(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let rest = String::from_utf8_lossy(rest);
    let mut words = rest.split_whitespace();
    let digits = |text: &str| !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let time = |word: &str| word.split(':').count() == 3 && word.split(':').all(digits);
    let year = |word: &str| word.len() == 4 && word.parse::<u16>().is_ok_and(|year| year > 1900);
    words.any(time) && words.any(year)
}

fn is_quoted(line: &[u8]) -> bool {
    let text = line.iter().position(|byte| *byte != b'>').and_then(|at| line.get(at..));
    line.starts_with(b">") && text.is_some_and(|text| text.starts_with(b"From "))
}

fn unquoted(piece: &[u8]) -> Vec<u8> {
    let lines = piece.split_inclusive(|byte| *byte == b'\n');
    lines.flat_map(|line| if is_quoted(line) { line.get(1..).unwrap_or_default() } else { line }).copied().collect()
}

/// The files of a folder with mails or patches in them, by name, and what else is there.
fn files_of(folder: &Path) -> io::Result<(Vec<PathBuf>, Vec<LeftOut>)> {
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    let maildir = folder.join("cur").is_dir();
    let folders = if maildir { vec![folder.join("cur"), folder.join("new")] } else { vec![folder.to_owned()] };
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            // Behind the last comma a Maildir has flags; T is for one that was thrown away.
            let thrown_away = maildir && name.rsplit_once(',').is_some_and(|(_, flags)| flags.contains('T'));
            let plain = name.strip_suffix(".gz").unwrap_or(&name);
            // A folder of MH has numbers for names.
            let known = maildir
                || plain.bytes().all(|byte| byte.is_ascii_digit())
                || EXTENSIONS.iter().any(|it| Path::new(plain).extension().is_some_and(|e| e.eq_ignore_ascii_case(it)));
            let why = if path.is_dir() {
                "it is a folder"
            } else if thrown_away {
                "it was thrown away"
            } else if !known {
                "by its name it is neither a mail nor a patch"
            } else {
                files.push(path);
                continue;
            };
            left_out.push(LeftOut { what: name, why: why.to_owned() });
        }
    }
    files.sort();
    left_out.sort_by(|a, b| a.what.cmp(&b.what));
    Ok((files, left_out))
}

/// Quilt's list of patches, if that is what is meant: the file, or the folder that it is in.
fn quilt_series(from: &Path) -> Option<PathBuf> {
    let series = if from.is_dir() { from.join("series") } else { from.to_owned() };
    (series.file_name().is_some_and(|name| name == "series") && series.is_file()).then_some(series)
}

/// The patches that quilt's list names, in its order.
fn quilt(series: &Path) -> Result<Chosen, KernelError> {
    let folder = series.parent().unwrap_or(Path::new("."));
    let list = bytes(series)?;
    let mut reader = Reader { from: series, left: MOST_BYTES, mails: Vec::new() };
    let mut listed = Vec::new();
    for (number, line) in (1..).zip(String::from_utf8_lossy(&list).lines()) {
        let line = line
            .split_once('#')
            .filter(|(before, _)| before.is_empty() || before.ends_with(char::is_whitespace))
            .map_or(line, |(before, _)| before);
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let refused = |cause: &str| KernelError::series(series, &format!("line {number}, `{}`: {cause}", line.trim()));
        if let Some(option) = words.find(|option| *option != "-p1") {
            return Err(refused(&format!("patches are applied with -p1 alone, not with {option}")));
        }
        let path = folder.join(name);
        if !path.is_file() {
            return Err(refused("there is no such file"));
        }
        let before = reader.mails.len();
        reader.file(&path, Some(name))?;
        if reader.mails.len() != before + 1 {
            return Err(refused("a patch has one file; this is a mailbox"));
        }
        listed.push(path);
    }
    let refused = |refusal| KernelError::refused(series, refusal);
    let mut chosen = thread::in_order(reader.mails).map_err(refused)?;
    let (files, others) = files_of(folder).map_err(|cause| KernelError::series(folder, &cause.to_string()))?;
    let unlisted = files.into_iter().filter(|file| !listed.contains(file));
    chosen.left_out.extend(unlisted.map(|file| LeftOut {
        what: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        why: "the file `series` does not list it".to_owned(),
    }));
    chosen.left_out.extend(others.into_iter().filter(|left| left.what != "series"));
    Ok(chosen)
}

#[cfg(test)]
mod tests;
