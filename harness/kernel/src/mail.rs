//! One mail, a file of `git format-patch`, or a diff alone: what it says, and the patch in it.
//!
//! Transfer encodings, character sets and parts are undone by the crate mailparse. What is done with the text is what git
//! does with it, as in `git mailinfo`: lines of `format=flowed` are joined, and `From:`, `Date:` and `Subject:` at the
//! beginning of the text take the place of the mail's own.

use std::path::{Path, PathBuf};

use mailparse::body::Body;
use mailparse::{DispositionType, MailAddr, MailHeaderMap as _, ParsedMail};

use super::subject::Subject;

/// A mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mail {
    /// Where it is, for people: `mail 3`, or its file's name.
    pub place: String,
    /// Its subject as it came; its file's name, if it has none.
    pub title: String,
    /// What that says.
    pub subject: Subject,
    /// Its `Message-ID`. A file that was never sent has none.
    pub id: Option<String>,
    /// The mails that it answers, the nearest first.
    pub answers: Vec<String>,
    /// Who sent it.
    pub sender: Sender,
    /// When it says it was sent, in seconds since 1970.
    pub date: Option<i64>,
    /// The patch in it.
    pub content: Content,
    /// What is attached to it and is no patch.
    pub attached: Vec<String>,
}

/// Who sent a mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sender {
    /// As the mail has it.
    pub shown: String,
    name: String,
    address: String,
}

/// What is in a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// A patch: author, date, subject, message and diff, as `git format-patch` would write them.
    Patch {
        /// All of it.
        text: Vec<u8>,
        /// Where the diff begins.
        diff: usize,
    },
    /// No diff.
    Words,
    /// There may be a patch, but it cannot be read, for this reason.
    Unreadable(String),
}

impl Sender {
    fn parse(value: &str) -> Self {
        let single = mailparse::addrparse(value).ok().and_then(|list| {
            list.iter().find_map(|address| match address {
                MailAddr::Single(single) => Some(single.clone()),
                MailAddr::Group(_) => None,
            })
        });
        let (name, address) = single.map(|it| (it.display_name.unwrap_or_default(), it.addr)).unwrap_or_default();
        Self { shown: value.to_owned(), name: name.to_lowercase(), address: address.to_lowercase() }
    }

    /// Whether they are the same person, who may write from several addresses.
    pub fn is(&self, other: &Self) -> bool {
        let same = |a: &str, b: &str| !a.is_empty() && a == b;
        same(&self.address, &other.address) || same(&self.name, &other.name)
    }
}

impl Mail {
    /// Whether it is a cover letter.
    pub fn is_cover(&self) -> bool {
        self.subject.number == Some(0)
    }

    /// The patch as a file; nothing, if there is none.
    pub fn patch(&self) -> &[u8] {
        match &self.content {
            Content::Patch { text, .. } => text,
            Content::Words | Content::Unreadable(_) => &[],
        }
    }

    /// The diff, from its first line on; nothing, if there is none.
    pub fn diff(&self) -> &[u8] {
        match &self.content {
            Content::Patch { text, diff } => text.get(*diff..).unwrap_or_default(),
            Content::Words | Content::Unreadable(_) => &[],
        }
    }
}

/// What there is to read in a mail.
#[derive(Default)]
struct Parts {
    /// The text.
    text: Vec<u8>,
    /// Attached patches: what they are called, and their bytes.
    patches: Vec<(String, Vec<u8>)>,
    /// What else is attached.
    others: Vec<String>,
    /// Why something could not be decoded.
    fault: Option<String>,
    /// There is text as HTML.
    html: bool,
}

/// Reads a mail, or a diff alone: then `name` is all that tells what it is. It is one mail, but for one that has several others
/// of `git format-patch` attached.
pub(super) fn read(raw: &[u8], place: &str, name: &str) -> Vec<Mail> {
    let raw = without_envelope(raw);
    if !is_mail(raw) {
        return vec![bare(with_line_feeds(raw.to_vec()), place, name)];
    }
    let parsed = match mailparse::parse_mail(raw) {
        Ok(parsed) => parsed,
        Err(cause) => {
            let content = Content::Unreadable(format!("it is no mail that can be read: {cause}"));
            return vec![Mail { content, ..bare(Vec::new(), place, name) }];
        }
    };
    let mut parts = Parts::default();
    parts.gather(&parsed);
    let outer = Mail { attached: parts.others.clone(), ..head(&parsed, place, name) };
    parts.into_mails(&parsed, outer)
}

/// A diff without a mail around it.
fn bare(text: Vec<u8>, place: &str, name: &str) -> Mail {
    let content = diff_start(&text).map_or(Content::Words, |diff| Content::Patch { text, diff });
    let subject = Subject { text: name.to_owned(), ..Subject::default() };
    Mail {
        place: place.to_owned(),
        title: name.to_owned(),
        subject,
        id: None,
        answers: Vec::new(),
        sender: Sender::default(),
        date: None,
        content,
        attached: Vec::new(),
    }
}

/// What a mail's header says.
fn head(parsed: &ParsedMail<'_>, place: &str, name: &str) -> Mail {
    let title = header(parsed, "Subject").filter(|subject| !subject.is_empty());
    let mut answers = ids(&header(parsed, "In-Reply-To").unwrap_or_default());
    let references = ids(&header(parsed, "References").unwrap_or_default());
    answers.extend(references.into_iter().rev());
    let title = title.unwrap_or_else(|| name.to_owned());
    Mail {
        subject: Subject::parse(&title),
        title,
        id: header(parsed, "Message-ID").and_then(|value| ids(&value).into_iter().next()),
        answers,
        sender: header(parsed, "From").map(|value| Sender::parse(&value)).unwrap_or_default(),
        date: header(parsed, "Date").and_then(|value| mailparse::dateparse(&value).ok()),
        ..bare(Vec::new(), place, name)
    }
}

/// A header's value, decoded, on one line.
fn header(parsed: &ParsedMail<'_>, key: &str) -> Option<String> {
    let value = parsed.headers.get_first_value(key)?;
    Some(value.split(char::is_control).map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned())
}

/// Every `<…>`.
fn ids(value: &str) -> Vec<String> {
    let inside = |piece: &str| piece.split_once('>').map(|(id, _)| id.trim().to_owned());
    value.split('<').skip(1).filter_map(inside).filter(|id| !id.is_empty()).collect()
}

impl Parts {
    fn gather(&mut self, part: &ParsedMail<'_>) {
        let kind = part.ctype.mimetype.as_str();
        if kind == "multipart/alternative" {
            let plain = part.subparts.iter().find(|part| part.ctype.mimetype != "text/html");
            if let Some(best) = plain.or(part.subparts.first()) {
                self.gather(best);
            }
            return;
        }
        if kind.starts_with("multipart/") && !part.subparts.is_empty() {
            for part in &part.subparts {
                self.gather(part);
            }
            return;
        }
        let disposition = part.get_content_disposition();
        let name = disposition.params.get("filename").or(part.ctype.params.get("name")).cloned();
        let attached = disposition.disposition == DispositionType::Attachment || name.is_some();
        let called = |name: &str| {
            let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
            extension.is_some_and(|it| ["patch", "diff"].iter().any(|patch| it.eq_ignore_ascii_case(patch)))
        };
        match (kind, name) {
            ("application/pgp-signature" | "application/pkcs7-signature" | "application/pgp-keys", _) => {}
            ("text/html", None) => self.html = true,
            (_, name) if (kind.starts_with("text/") && kind != "text/html") || name.as_deref().is_some_and(called) => {
                let name = name.unwrap_or_else(|| "its text".to_owned());
                match decoded(part) {
                    Ok(bytes) if attached && diff_start(&bytes).is_some() => self.patches.push((name, bytes)),
                    Ok(_) if attached => self.others.push(name),
                    Ok(bytes) => self.text.extend(bytes),
                    Err(cause) => self.fault = self.fault.take().or(Some(format!("{name}: {cause}"))),
                }
            }
            (kind, name) => self.others.push(name.unwrap_or_else(|| format!("something that is {kind}"))),
        }
    }

    fn into_mails(mut self, parsed: &ParsedMail<'_>, outer: Mail) -> Vec<Mail> {
        let unreadable = |cause: String| vec![Mail { content: Content::Unreadable(cause), ..outer.clone() }];
        if let Some(fault) = self.fault.take() {
            return unreadable(fault);
        }
        let inline = diff_start(&self.text);
        // Some have the same patch in the text and attached.
        if let Some(inline) = inline.and_then(|at| self.text.get(at..)) {
            let diff = |bytes: &[u8]| diff_start(bytes).map(|at| bytes.get(at..).unwrap_or_default().to_vec());
            self.patches.retain(|(_, bytes)| diff(bytes).is_none_or(|diff| diff.trim_ascii() != inline.trim_ascii()));
        }
        let names = || self.patches.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        match (inline, self.patches.as_slice()) {
            (None, []) if self.html && self.text.trim_ascii().is_empty() => {
                unreadable("it has its text as HTML only".to_owned())
            }
            (_, []) => vec![outer.with(parsed, &self.text)],
            (Some(_), _) => unreadable(format!("it has a patch in its text and others attached, {}", names())),
            (None, [(_, patch)]) if !is_mail(without_envelope(patch)) => {
                let words = self.text.trim_ascii_end();
                let between: &[u8] = if words.is_empty() { b"" } else { b"\n---\n" };
                vec![outer.with(parsed, &[words, between, patch].concat())]
            }
            (None, patches) if patches.iter().all(|(_, patch)| is_mail(without_envelope(patch))) => {
                let alone = patches.len() == 1;
                let inner = |(name, patch): &(String, Vec<u8>)| outer.around(patch, name, alone);
                patches.iter().flat_map(inner).collect()
            }
            (None, _) => unreadable(format!("it has several patches attached, {}", names())),
        }
    }
}

impl Mail {
    /// With what its text says.
    fn with(self, parsed: &ParsedMail<'_>, text: &[u8]) -> Self {
        let InBody { from, date, subject, rest } = InBody::parse(text);
        let Some(_) = diff_start(rest) else { return Self { content: Content::Words, ..self } };
        let mut head = String::new();
        let own = |key: &str| header(parsed, key).filter(|value| !value.is_empty());
        for (key, value) in [("From", from.or_else(|| own("From"))), ("Date", date.or_else(|| own("Date")))] {
            if let Some(value) = value {
                head.extend([key, ": ", &value, "\n"]);
            }
        }
        let said = subject.map_or_else(|| self.subject.text.clone(), |subject| Subject::parse(&subject).text);
        head.extend(["Subject: [PATCH] ", &said, "\n\n"]);
        let text = [head.as_bytes(), rest].concat();
        // In the head there is none.
        let diff = diff_start(rest).map_or(text.len(), |at| head.len() + at);
        let subject = Subject { text: said, ..self.subject };
        Self { subject, content: Content::Patch { text, diff }, ..self }
    }

    /// What a file of `git format-patch` says that is attached to this mail. Where it is in a thread the mail tells; which of
    /// a series it is tells the mail as well, if it has only the one.
    fn around(&self, patch: &[u8], name: &str, alone: bool) -> Vec<Self> {
        let place = if alone { self.place.clone() } else { format!("{}, `{name}`", self.place) };
        let inner = read(patch, &place, &stem(Path::new(name)));
        let mut mails = Vec::new();
        for inner in inner {
            let own = self.subject.number.is_some() || (alone && self.subject.reply);
            let (title, subject) =
                if alone && own { (&self.title, &self.subject) } else { (&inner.title, &inner.subject) };
            let subject = Subject { reply: self.subject.reply, ..subject.clone() };
            mails.push(Self {
                title: title.clone(),
                subject,
                // A second mail of the same name would be taken for the same mail.
                id: self.id.clone().filter(|_| alone),
                place: inner.place,
                content: inner.content,
                ..self.clone()
            });
        }
        mails
    }
}

/// A part's text, with its transfer encoding undone. What is neither ASCII nor UTF-8 is made UTF-8, as the kernel's source is.
fn decoded(part: &ParsedMail<'_>) -> Result<Vec<u8>, String> {
    if let Body::QuotedPrintable(body) = part.get_body_encoded() {
        // They would be left out in silence.
        let odd = |byte: &&u8| !matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~');
        if let Some(odd) = body.get_raw().iter().find(odd) {
            return Err(format!("the byte 0x{odd:02x} cannot be in quoted-printable text"));
        }
    }
    let raw = part.get_body_raw().map_err(|cause| cause.to_string())?;
    let charset = part.ctype.charset.to_ascii_lowercase();
    let as_it_is = ["utf-8", "utf8", "us-ascii", "ascii", ""].contains(&charset.as_str());
    let text = if as_it_is { None } else { part.get_body().ok().filter(|text| !text.contains('\u{fffd}')) };
    let bytes = with_line_feeds(text.map_or(raw, String::into_bytes));
    let parameter = |name: &str| part.ctype.params.get(name).map(|value| value.to_ascii_lowercase());
    let flowed = parameter("format").as_deref() == Some("flowed");
    Ok(if flowed { unflowed(&bytes, parameter("delsp").as_deref() == Some("yes")) } else { bytes })
}

/// Lines that end in line feeds alone, if all of them end in carriage returns and line feeds; and the last one ends.
fn with_line_feeds(mut bytes: Vec<u8>) -> Vec<u8> {
    if ends_in_crlf(&bytes) {
        bytes = bytes.split_inclusive(|byte| *byte == b'\n').flat_map(|line| [trimmed(line), b"\n"].concat()).collect();
    } else if bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(b'\n');
    }
    bytes
}

/// Whether every line feed follows a carriage return, and there is one.
fn ends_in_crlf(bytes: &[u8]) -> bool {
    let mut before = 0;
    let mut some = false;
    for byte in bytes {
        if *byte == b'\n' {
            if before != b'\r' {
                return false;
            }
            some = true;
        }
        before = *byte;
    }
    some
}

/// A line without its end.
fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Joins the lines of `format=flowed` (RFC 3676).
fn unflowed(bytes: &[u8], delete_space: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n').map(trimmed) {
        if line == b"-- " {
            text.extend(b"-- \n");
            continue;
        }
        let line = line.strip_prefix(b" ").unwrap_or(line);
        if line.ends_with(b" ") {
            text.extend(if delete_space { line.get(..line.len() - 1).unwrap_or_default() } else { line });
        } else {
            text.extend(line);
            text.push(b'\n');
        }
    }
    text
}

/// `From:`, `Date:` and `Subject:` at the beginning of a text, which are those of the patch where another one sent it.
struct InBody<'a> {
    from: Option<String>,
    date: Option<String>,
    subject: Option<String>,
    rest: &'a [u8],
}

impl<'a> InBody<'a> {
    fn parse(text: &'a [u8]) -> Self {
        let mut found = Self { from: None, date: None, subject: None, rest: text };
        let mut headers = false;
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let shown = String::from_utf8_lossy(line);
            let value = |key: &str| {
                let head = shown.get(..key.len()).filter(|head| head.eq_ignore_ascii_case(key));
                head.and_then(|_| shown.get(key.len()..)).map(|value| value.trim().to_owned())
            };
            let blank = line.trim_ascii().is_empty();
            if let Some(from) = value("From:") {
                found.from.get_or_insert(from);
            } else if let Some(date) = value("Date:") {
                found.date.get_or_insert(date);
            } else if let Some(subject) = value("Subject:") {
                found.subject.get_or_insert(subject);
            } else if !blank {
                break;
            }
            headers |= !blank;
            found.rest = found.rest.get(line.len()..).unwrap_or_default();
            if headers && blank {
                break;
            }
        }
        found
    }
}

/// Whether it is a mail rather than a diff alone: a header, and in it a sender or a subject.
fn is_mail(raw: &[u8]) -> bool {
    let mut known = false;
    for line in raw.split(|byte| *byte == b'\n').map(trimmed).take_while(|line| !line.is_empty()) {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        let field = name.len() < line.len() && name.iter().all(u8::is_ascii_graphic);
        // What mail programs of old put among the fields.
        if !field && !folded && !line.starts_with(b">From ") {
            return false;
        }
        known |= [b"from".as_slice(), b"subject"].iter().any(|known| name.eq_ignore_ascii_case(known));
    }
    known
}

/// A mail without the line that a mailbox has before it.
fn without_envelope(raw: &[u8]) -> &[u8] {
    match raw.iter().position(|byte| *byte == b'\n') {
        Some(end) if raw.starts_with(b"From ") => raw.get(end + 1..).unwrap_or_default(),
        _ => raw,
    }
}

/// Where a diff begins.
fn diff_start(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let old = line.starts_with(b"--- ") && lines.peek().is_some_and(|next| next.starts_with(b"+++ "));
        if old || line.starts_with(b"diff --git ") {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// A file's name without what says that it is a patch.
pub(super) fn stem(path: &Path) -> String {
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    if packed { name(Path::new(&name(path))) } else { name(path) }
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
