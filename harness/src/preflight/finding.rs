//! What a check found, and all findings as a report.

use std::fmt;
use std::path::PathBuf;

use serde::{Serialize, Serializer};

use crate::guest::Accelerator;

/// How a check came out, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// The harness works, but slower or with less room than it should.
    Warn,
    /// The harness cannot work until this is mended.
    Fail,
}

impl Status {
    /// The name used in text and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable name, for scripts: `qemu`, `tool-gcc`, `accelerator-kvm`.
    pub id: String,
    /// What was checked, for people.
    pub title: String,
    /// How it came out.
    pub status: Status,
    /// What was seen, and if it is not as it should be, why.
    pub detail: String,
    /// The command that mends it; `None` if nothing is to be mended, or no single command does it here.
    pub mend: Option<String>,
    /// The Debian packages that mend it; empty if it is not a matter of packages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
}

impl Finding {
    pub(super) fn new(id: impl Into<String>, title: impl Into<String>, status: Status, detail: String) -> Self {
        Self { id: id.into(), title: title.into(), status, detail, mend: None, packages: Vec::new() }
    }

    /// The stable name of what is found of an accelerator.
    pub fn id_of(accelerator: Accelerator) -> String {
        format!("accelerator-{accelerator}")
    }

    pub(super) fn fixed_by(mut self, command: impl Into<String>) -> Self {
        self.mend = Some(command.into());
        self
    }

    pub(super) fn in_packages(mut self, packages: &[&str]) -> Self {
        self.packages = packages.iter().map(|&name| name.to_owned()).collect();
        self
    }
}

/// The QEMU that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QemuInfo {
    /// The program.
    pub path: PathBuf,
    /// What it says it is.
    pub version: QemuVersion,
}

/// All findings, and what the harness will use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Every check's finding, always in the same order.
    pub findings: Vec<Finding>,
    /// What guests run under unless something else is asked for, of what ran the probe guest: TCG before KVM, because its
    /// guests can be traced. `None` if nothing did.
    pub accelerator: Option<Accelerator>,
    /// The QEMU to use; `None` if there is none, or it is too old.
    pub qemu: Option<QemuInfo>,
}

impl Report {
    /// The worst status of all findings.
    pub fn status(&self) -> Status {
        self.findings.iter().map(|finding| finding.status).max().unwrap_or(Status::Ok)
    }

    /// The Debian packages that mend what is not as it should be, each once, in the order of the findings.
    pub fn missing_packages(&self) -> Vec<&str> {
        let mut missing: Vec<&str> = Vec::new();
        let wrong = self.findings.iter().filter(|finding| finding.status != Status::Ok);
        for package in wrong.flat_map(|finding| &finding.packages) {
            if !missing.contains(&package.as_str()) {
                missing.push(package);
            }
        }
        missing
    }

    /// What is wrong with an accelerator; `None` if it ran the probe guest, or was not tried.
    pub fn fault_of(&self, accelerator: Accelerator) -> Option<&Finding> {
        let id = Finding::id_of(accelerator);
        self.findings.iter().find(|finding| finding.id == id && finding.status != Status::Ok)
    }

    /// The findings that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.status == Status::Fail)
    }

    fn count(&self, status: Status) -> usize {
        self.findings.iter().filter(|finding| finding.status == status).count()
    }
}

impl fmt::Display for Report {
    /// The report for a terminal, without colour.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.findings.iter().map(|finding| finding.title.chars().count()).max().unwrap_or(0);
        for finding in &self.findings {
            writeln!(f, "{:4}  {:width$}  {}", finding.status, finding.title, finding.detail)?;
            if let Some(mend) = &finding.mend {
                writeln!(f, "      {:width$}  hint: {mend}", "")?;
            }
        }
        writeln!(f)?;
        match self.accelerator {
            Some(Accelerator::Tcg) if self.fault_of(Accelerator::Kvm).is_none() => {
                writeln!(f, "guests run under tcg, or with --accel kvm under kvm, faster and without timelines")?;
            }
            Some(accelerator) => writeln!(f, "guests run under {accelerator}")?,
            None => writeln!(f, "guests cannot run")?,
        }
        let (checks, failed, warned) = (self.findings.len(), self.count(Status::Fail), self.count(Status::Warn));
        write!(f, "{failed} of {checks} checks failed, {warned} warned")?;
        if self.findings.iter().any(|finding| !finding.packages.is_empty() && finding.mend.is_some()) {
            write!(f, "\n\nhint: `harness doctor --install` installs what is missing")?;
        }
        Ok(())
    }
}

/// A version of QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QemuVersion {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number, of a stable update.
    pub micro: u32,
}

impl QemuVersion {
    /// Reads what `--version` says: `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`.
    pub(super) fn parse(said: &str) -> Option<Self> {
        let (_, rest) = said.split_once("QEMU emulator version ")?;
        let number = rest.split(|c: char| c != '.' && !c.is_ascii_digit()).next()?;
        let mut parts = number.split('.').map(|part| part.parse().ok());
        let mut next = || parts.next().unwrap_or(Some(0));
        Some(Self { major: next()?, minor: next()?, micro: next()? })
    }
}

impl fmt::Display for QemuVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.micro)
    }
}

impl Serialize for QemuVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
