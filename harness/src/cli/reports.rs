//! How reports of a run are written, on the command line.

use std::str::FromStr;

use crate::report::JunitForm;
use crate::session::ReportOptions;

/// How reports of a run are written.
#[derive(Debug, Clone, clap::Args)]
pub struct ReportArguments {
    /// For whom junit.xml is written [default: GitLab or Jenkins where one of them runs this, else plain]
    #[arg(long, value_enum, value_name = "READER")]
    junit_form: Option<JunitForm>,
    /// The most that junit.xml may have. Beyond it the ends of consoles are shortened, in all cases alike [default: 25MiB]
    #[arg(long, value_name = "SIZE")]
    junit_limit: Option<Size>,
}

impl ReportArguments {
    /// The options: what is not named is as the environment says.
    pub fn options(&self) -> ReportOptions {
        let here = ReportOptions::here(|name| std::env::var(name).ok());
        ReportOptions {
            form: self.junit_form.unwrap_or(here.form),
            limit: self.junit_limit.map_or(here.limit, |Size(bytes)| bytes),
            ..here
        }
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
