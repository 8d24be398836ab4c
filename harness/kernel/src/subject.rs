//! What a mail's subject says in brackets before its text: `[PATCH v2 3/7]`.

/// A subject, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Subject {
    /// It begins with `Re:` or the like.
    pub reply: bool,
    /// `3` of `3/7`; 0 is the cover letter.
    pub number: Option<u32>,
    /// `7` of that.
    pub of: Option<u32>,
    /// Which of several versions it is.
    pub version: SeriesVersion,
    /// What is behind the brackets.
    pub text: String,
}

/// Versions in the order in which they are sent. A request for comments comes before what it becomes, whose versions begin
/// anew; what is sent again comes after what it repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeriesVersion {
    /// It is no longer a request for comments.
    pub proposed: bool,
    /// `2` of `v2`; 1 where it says nothing.
    pub major: u32,
    /// `1` of `v2.1`.
    pub minor: u32,
    /// `RESEND`.
    pub again: bool,
}

impl Default for SeriesVersion {
    fn default() -> Self {
        Self { proposed: true, major: 1, minor: 0, again: false }
    }
}

impl std::fmt::Display for SeriesVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (rfc, again) = (if self.proposed { "" } else { "RFC " }, if self.again { ", sent again" } else { "" });
        write!(f, "{rfc}v{}", self.major)?;
        if self.minor > 0 {
            write!(f, ".{}", self.minor)?;
        }
        f.write_str(again)
    }
}

impl Subject {
    /// Takes a subject apart. Everything in brackets at its beginning goes, as with `git am`.
    pub fn parse(subject: &str) -> Self {
        let mut found = Self::default();
        let mut rest = subject.trim();
        loop {
            let reply = ["re:", "aw:", "fwd:", "fw:", "sv:", "antw:"]
                .iter()
                .find(|it| rest.get(..it.len()).is_some_and(|a| a.eq_ignore_ascii_case(it)));
            if let Some(reply) = reply {
                found.reply = true;
                rest = rest.get(reply.len()..).unwrap_or_default().trim_start();
            } else if let Some((inside, behind)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
                // Patchwork puts commas between the words.
                for word in inside.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()) {
                    found.word(&word.to_ascii_lowercase());
                }
                rest = behind.trim_start();
            } else {
                found.text = rest.split_whitespace().collect::<Vec<_>>().join(" ");
                return found;
            }
        }
    }

    fn word(&mut self, word: &str) {
        if let Some((number, of)) = word.split_once('/')
            && let (Ok(number), Ok(of)) = (number.parse(), of.parse())
        {
            (self.number, self.of) = (Some(number), Some(of));
            return;
        }
        let rfc = |piece: &str| piece == "rfc" || piece.starts_with("rfcv");
        self.version.proposed &= !word.split(['/', '-']).any(rfc);
        self.version.again |= word.contains("resend") || word.contains("repost");
        // `v2`, `-v2`, `PATCHv2`, `RFC-v2`.
        let behind = ["patch", "rfc"].iter().fold(word, |word, before| word.strip_prefix(before).unwrap_or(word));
        let Some(version) = behind.trim_start_matches('-').strip_prefix('v') else { return };
        let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
        // `v6.1` says which kernel a backport is for: no series of patches has a version like a kernel's.
        let kernel = |major: u32| version.contains('.') && major > 2;
        if let (Ok(major), Ok(minor)) = (major.parse(), minor.parse())
            && !kernel(major)
        {
            (self.version.major, self.version.minor) = (major, minor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_say_which_patch_it_is() {
        let of = |text: &str| {
            let Subject { reply, number, of, version, text } = Subject::parse(text);
            (reply, number.zip(of), version.to_string(), text)
        };
        let table = [
            ("[PATCH] panic: x", false, None, "v1", "panic: x"),
            ("[RFC][PATCH v4 -next 1/4] Move it", false, Some((1, 4)), "RFC v4", "Move it"),
            ("[PATCH 00/30] The refactor", false, Some((0, 30)), "v1", "The refactor"),
            ("Re: [PATCH V2 03/13] x86: [y] z", true, Some((3, 13)), "v2", "x86: [y] z"),
            ("[ext] AW: [PATCH 1/2] x", true, Some((1, 2)), "v1", "x"),
            ("[v2,2/2] x", false, Some((2, 2)), "v2", "x"),
            ("[net-next,v3,02/14] x", false, Some((2, 14)), "v3", "x"),
            ("[PATCHv2 1/2] x", false, Some((1, 2)), "v2", "x"),
            ("[PATCHv2,1/2] x", false, Some((1, 2)), "v2", "x"),
            ("[PATCH -v3] x", false, None, "v3", "x"),
            ("[RFC-v2 PATCH] x", false, None, "RFC v2", "x"),
            ("[PATCH/RFC 1/2] x", false, Some((1, 2)), "RFC v1", "x"),
            ("[PATCH AUTOSEL 6.6 07/35] x", false, Some((7, 35)), "v1", "x"),
            ("[PATCH v2 net-next 3/4] x", false, Some((3, 4)), "v2", "x"),
            ("[PATCH net/mptcp 3/4] x", false, Some((3, 4)), "v1", "x"),
            ("[PATCH RESEND v3 1/2] x", false, Some((1, 2)), "v3, sent again", "x"),
            ("[PATCH v2.1 3/5] x", false, Some((3, 5)), "v2.1", "x"),
            ("[PATCH v6.1 3/5] x", false, Some((3, 5)), "v1", "x"),
            ("[PATCH v5.15.y v2] x", false, None, "v2", "x"),
            ("[unclosed", false, None, "v1", "[unclosed"),
            ("\u{e9}\u{e9}", false, None, "v1", "\u{e9}\u{e9}"),
            ("[PATCH]  a \t b", false, None, "v1", "a b"),
        ];
        for (subject, reply, number, version, text) in table {
            assert_eq!(of(subject), (reply, number, version.to_owned(), text.to_owned()), "{subject}");
        }
    }

    #[test]
    fn versions_are_in_the_order_in_which_they_are_sent() {
        let subjects = ["[RFC PATCH v3] x", "[PATCH] x", "[PATCH RESEND] x", "[PATCH v2] x", "[PATCH v2.1] x"];
        let versions = subjects.map(|subject| Subject::parse(subject).version);
        assert!(versions.is_sorted(), "{versions:?}");
    }
}
