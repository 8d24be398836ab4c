//! Kernel versions, as far as variants care about them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kernel's version. Only major and minor decide where a variant applies; the whole is kept for the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// `6` of `6.12.117`.
    pub major: u32,
    /// `12` of `6.12.117`.
    pub minor: u32,
    /// All of it, e.g. `6.12.117` or `6.13.0-rc1`.
    pub full: String,
}

impl Version {
    /// What a kernel's top `Makefile` says it is; `None` if that is no kernel's `Makefile`.
    pub(super) fn of_makefile(text: &str) -> Option<Self> {
        let value = |name: &str| {
            text.lines()
                .take(20)
                .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix('='))
                .map(str::trim)
        };
        let (major, minor) = (value("VERSION")?, value("PATCHLEVEL")?);
        let sublevel = value("SUBLEVEL").filter(|s| !s.is_empty()).unwrap_or("0");
        let extra = value("EXTRAVERSION").unwrap_or_default();
        format!("{major}.{minor}.{sublevel}{extra}").parse().ok()
    }

    /// Whether it is one of those from the first to the last, both included, as far as they are given.
    pub fn is_within(&self, since: Option<&Self>, until: Option<&Self>) -> bool {
        since.is_none_or(|since| since.line() <= self.line()) && until.is_none_or(|until| self.line() <= until.line())
    }

    /// What orders versions here.
    pub(super) fn line(&self) -> (u32, u32) {
        (self.major, self.minor)
    }

    /// [`line`](Self::line) as text, e.g. `6.12`.
    pub(super) fn line_text(&self) -> String {
        format!("{}.{}", self.major, self.minor)
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{}` is not a kernel version such as 6.12", text.escape_debug());
        let mut parts = text.splitn(3, '.');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or_else(wrong);
        let (major, minor) = (number()?, number()?);
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || ".-+_~".contains(c));
        if plain { Ok(Self { major, minor, full: text.to_owned() }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_makefile_says_its_version() {
        let text = "# SPDX\nVERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\nNAME = Baby Opossum Posse\n";
        let version = Version::of_makefile(text).unwrap();
        assert_eq!((version.line(), version.full.as_str()), ((6, 12), "6.12.117"));
        let rc = text.replace("117", "0").replace("EXTRAVERSION =", "EXTRAVERSION = -rc3");
        assert_eq!(Version::of_makefile(&rc).unwrap().full, "6.12.0-rc3");
    }

    #[test]
    fn another_programs_makefile_does_not() {
        assert_eq!(Version::of_makefile("VERSION = 1.2\nall:\n\tcc\n"), None);
        assert_eq!(Version::of_makefile("VERSION = six\nPATCHLEVEL = 12\n"), None);
    }

    #[test]
    fn text_that_is_no_version_is_refused() {
        for text in ["", "6", "6.", "6.x", "6.12/..", "six.twelve", "6.12 "] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
        assert_eq!("6.12".parse::<Version>().unwrap().line(), (6, 12));
    }
}
