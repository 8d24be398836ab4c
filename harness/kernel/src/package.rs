//! Source packages: from where they are installed, or from a suite of the distribution's archive.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use serde::Deserialize;

use super::files::is_plain_name;
use super::process::{ask, program, run_quiet};
use super::{BuildEvent, Canceller, KernelError, files};

/// Where an installed source package leaves its tarball.
const INSTALLED: &str = "/usr/src";

/// The keys that sign the archive's suites, where the distribution keeps them.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// `NAME`, which is to be installed, or `NAME/SUITE`, which is fetched when it is needed: a suite of the archive which this
/// machine's own packages come from, but need not be one that it takes packages of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Package {
    /// E.g. `linux-source-7.2`.
    pub name: String,
    /// E.g. `sid`.
    pub suite: Option<String>,
}

impl FromStr for Package {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, suite) = match text.split_once('/') {
            Some((name, suite)) => (name, Some(suite)),
            None => (text, None),
        };
        // They become parts of paths, and of a file that apt reads.
        if !is_plain_name(name) || !suite.is_none_or(is_plain_name) {
            return Err(format!("`{}` is no package, or package/suite", text.escape_debug()));
        }
        Ok(Self { name: name.to_owned(), suite: suite.map(str::to_owned) })
    }
}

impl TryFrom<String> for Package {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.suite.as_ref().map_or(Ok(()), |suite| write!(f, "/{suite}"))
    }
}

impl Package {
    /// Where its tarball is. What was fetched once stays as it is, however the suite goes on.
    pub(super) fn tarball(
        &self,
        cache: &Path,
        canceller: &Canceller,
        report: &mut dyn FnMut(BuildEvent),
    ) -> Result<PathBuf, KernelError> {
        let Some(suite) = &self.suite else {
            return tarball_in(Path::new(INSTALLED), &self.name)
                .ok_or_else(|| KernelError::PackageMissing { package: self.name.clone() });
        };
        let folder = cache.join("packages").join(suite);
        if let Some(path) = tarball_in(&folder, &self.name) {
            return Ok(path);
        }
        report(BuildEvent::Fetching);
        self.fetch_from(&sites(canceller)?, &format!("{suite} main"), &folder, canceller)
    }

    /// Downloads it by an apt that knows of this suite alone, has its own lists, and installs nothing; so it needs no rights, and
    /// the machine's own apt does not hear of it.
    fn fetch_from(
        &self,
        sites: &[String],
        suite: &str,
        folder: &Path,
        canceller: &Canceller,
    ) -> Result<PathBuf, KernelError> {
        let fail = KernelError::io(format!("fetching {self} to"), folder);
        fs::create_dir_all(folder).map_err(&fail)?;
        let scratch = tempfile::Builder::new().prefix("fetch-").tempdir_in(folder).map_err(&fail)?;
        let mut said = "apt has no archive of Debian's here".to_owned();
        for site in sites {
            let apt = PrivateApt::new(scratch.path(), site, suite).map_err(&fail)?;
            let failed = match apt.run(&["update", "--error-on=any"], canceller)? {
                None => apt.run(&["download", &self.name], canceller)?,
                failed => failed,
            };
            match failed {
                None => return self.unpack(scratch.path(), folder, canceller),
                Some(complaint) => said = complaint,
            }
        }
        Err(self.not_fetched(said))
    }

    fn not_fetched(&self, said: String) -> KernelError {
        KernelError::PackageNotFetched { package: self.to_string(), said }
    }

    /// Takes the tarball out of the package that lies in `scratch`.
    fn unpack(&self, scratch: &Path, folder: &Path, canceller: &Canceller) -> Result<PathBuf, KernelError> {
        let fail = KernelError::io(format!("unpacking {self} in"), scratch);
        let broken = |said: String| self.not_fetched(said);
        let is_package = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "deb");
        let mut entries = fs::read_dir(scratch).map_err(&fail)?.filter_map(|entry| Some(entry.ok()?.path()));
        let package = entries.find(is_package).ok_or_else(|| broken("apt has left no package".to_owned()))?;
        let files = scratch.join("files");
        let mut dpkg = program("dpkg-deb");
        dpkg.arg("--extract").arg(&package).arg(&files);
        let (status, said) = run_quiet(&mut dpkg, canceller, "unpacking a source package")?;
        if !status.success() {
            return Err(broken(said));
        }
        let tarball = tarball_in(&files.join("usr/src"), &self.name)
            .ok_or_else(|| broken(format!("the package has no usr/src/{}.tar.*", self.name)))?;
        let kept = folder.join(tarball.file_name().unwrap_or_default());
        fs::rename(&tarball, &kept).map_err(&fail)?;
        Ok(kept)
    }
}

/// An apt with everything of its own below a folder.
struct PrivateApt<'a> {
    folder: &'a Path,
}

impl<'a> PrivateApt<'a> {
    fn new(folder: &'a Path, archive: &str, suite: &str) -> std::io::Result<Self> {
        fs::create_dir_all(folder.join("lists/partial"))?;
        fs::create_dir_all(folder.join("archives/partial"))?;
        files::replace(&folder.join("sources.list"), format!("deb {archive} {suite}\n").as_bytes())?;
        files::replace(&folder.join("status"), b"")?;
        Ok(Self { folder })
    }

    /// What it complains of; `None` if all went well.
    fn run(&self, words: &[&str], canceller: &Canceller) -> Result<Option<String>, KernelError> {
        let mut apt = online("apt-get");
        for (setting, name) in [
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::State::lists", "lists"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", ""),
            ("Dir::Cache::archives", "archives"),
        ] {
            let mut word = OsString::from(format!("{setting}="));
            word.push(self.folder.join(name));
            apt.arg("-o").arg(word);
        }
        // What root downloads is written by root: the folder is nobody else's.
        for setting in ["Dir::Etc::sourceparts=-", "Acquire::Languages=none", "APT::Sandbox::User=root"] {
            apt.args(["-o", setting]);
        }
        apt.args(["-qq"]).args(words).current_dir(self.folder);
        let (status, said) = run_quiet(&mut apt, canceller, "fetching a source package")?;
        Ok((!status.success()).then(|| complaint(&said)))
    }
}

/// Where the archives are that this machine's own packages come from.
fn sites(canceller: &Canceller) -> Result<Vec<String>, KernelError> {
    let mut apt = online("apt-get");
    apt.args(["indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(SITE)"]);
    let told = ask(&mut apt, canceller, "asking apt where it gets packages")?;
    let signed = if Path::new(KEYRING).is_file() { format!("[signed-by={KEYRING}] ") } else { String::new() };
    let site = |line: &str| Some(format!("{signed}{}", line.strip_prefix("Debian|Debian|")?));
    let mut sites: Vec<String> = told.lines.iter().filter_map(|line| site(line)).collect();
    sites.sort();
    sites.dedup();
    Ok(sites)
}

/// A program that may have to be told how to reach the network.
fn online(name: &str) -> Command {
    let mut command = program(name);
    for name in ["http_proxy", "https_proxy", "no_proxy", "APT_CONFIG"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command
}

/// Of what apt said, the first error: the others follow from it.
fn complaint(said: &str) -> String {
    said.lines().find_map(|line| line.strip_prefix("E: ")).unwrap_or(said).trim().to_owned()
}

/// Debian leaves `/usr/src/<package>.tar.xz`; Ubuntu a folder of the package's name with a `.tar.bz2` in it.
fn tarball_in(sources: &Path, package: &str) -> Option<PathBuf> {
    let folders = [sources.to_owned(), sources.join(package)];
    let names = ["xz", "zst", "bz2", "gz"].map(|suffix| format!("{package}.tar.{suffix}"));
    folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name))).find(|path| path.is_file())
}

#[cfg(test)]
mod tests;
