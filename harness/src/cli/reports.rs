//! How reports of a run are written, on the command line.

use std::path::PathBuf;
use std::str::FromStr;

use super::{Failure, Global, outcome, print};
use crate::known::KnownList;
use crate::report::{JunitForm, KnownAs, MARKDOWN_BYTES, run_markdown, within};
use crate::session::{Recorded, ReportOptions, RunOutcome};
use crate::yaml::Problems;

/// How reports of a run are written.
#[derive(Debug, Clone, clap::Args)]
pub struct ReportArguments {
    /// For whom junit.xml is written [default: GitLab or Jenkins where one of them runs this, else plain]
    #[arg(long, value_enum, value_name = "READER")]
    junit_form: Option<JunitForm>,
    /// The most that junit.xml may have. Beyond it the ends of consoles are shortened, in all cases alike [default: 25MiB]
    #[arg(long, value_name = "SIZE")]
    junit_limit: Option<Size>,
    #[command(flatten)]
    known: KnownArguments,
    /// What becomes of failures in that file in junit.xml
    #[arg(long, value_enum, value_name = "STATUS", default_value_t, requires = "known")]
    known_as: KnownAs,
    #[command(flatten)]
    markdown: MarkdownArguments,
}

/// Failures that are known.
#[derive(Debug, Clone, clap::Args)]
pub struct KnownArguments {
    /// A list of failures that are known: they do not count as failures, unless they are worse than they were recorded.
    /// `harness known` writes and checks it
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
}

impl KnownArguments {
    /// The list, if there is one.
    pub fn list(&self) -> Result<Option<KnownList>, Failure> {
        Ok(self.known.as_deref().map(KnownList::load).transpose().map_err(Problems::into_first)?)
    }
}

/// Markdown beside what is shown.
#[derive(Debug, Clone, clap::Args)]
pub struct MarkdownArguments {
    /// Write what came of it as Markdown too; with `-` to standard output, in place of what is shown there. At most 60,000
    /// bytes, for the summary of a CI job: beyond that rows are left out, and counted
    #[arg(long, value_name = "FILE|-")]
    markdown: Option<PathBuf>,
}

impl ReportArguments {
    /// The options: what is not named is as the environment says.
    pub fn options(&self) -> Result<ReportOptions, Failure> {
        let here = ReportOptions::here(|name| std::env::var(name).ok());
        Ok(ReportOptions {
            form: self.junit_form.unwrap_or(here.form),
            limit: self.junit_limit.map_or(here.limit, |Size(bytes)| bytes),
            known: self.known.list()?,
            known_as: self.known_as,
            ..here
        })
    }
}

impl ReportArguments {
    /// Failures that are known.
    pub fn known(&self) -> Result<Option<KnownList>, Failure> {
        self.known.list()
    }

    /// Says what came of a run, as `global` says and as Markdown where that is asked for.
    pub fn tell(&self, outcome: &RunOutcome, global: &Global) -> Result<(), Failure> {
        let text = || Ok(run_markdown(&Recorded::read(outcome.run.clone(), self.known.list()?)?.reported()));
        if self.markdown.write(text)? { Ok(()) } else { outcome::print(outcome, global) }
    }
}

impl MarkdownArguments {
    /// Writes the text where it is asked for. Whether that is standard output.
    pub fn write(&self, text: impl FnOnce() -> Result<String, Failure>) -> Result<bool, Failure> {
        let Some(path) = &self.markdown else { return Ok(false) };
        let text = within(&text()?, MARKDOWN_BYTES);
        if path.as_os_str() == "-" {
            return print(&text).map(|()| true);
        }
        let failed = |error| Failure::host(format!("write Markdown to {}: {error}", path.display()));
        std::fs::write(path, text).map_err(failed).map(|()| false)
    }
}

/// A number of bytes: `25MiB`, `900KiB`, `30MB`, `1000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size(usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = match unit.trim_start() {
            "" | "B" => 1,
            "kB" | "KB" => 1000,
            "KiB" => 1 << 10,
            "MB" => 1_000_000,
            "MiB" => 1 << 20,
            _ => return Err("it is written as in 25MiB, 900KiB, 30MB".to_owned()),
        };
        let number: usize = number.parse().map_err(|_| "it begins with a whole number".to_owned())?;
        number.checked_mul(unit).map(Self).ok_or_else(|| "it is more than can be".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let size = |text: &str| text.parse::<Size>().map(|Size(bytes)| bytes);
        assert_eq!(
            ["25MiB", "1 KiB", "30MB", "7", "2kB"].map(|text| size(text).unwrap()),
            [25 << 20, 1 << 10, 30_000_000, 7, 2000]
        );
        for wrong in ["", "MiB", "1GiB", "-1", "99999999999999999999", "18446744073709551615MiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
