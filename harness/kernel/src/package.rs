//! Source packages: from where they are installed, or from a suite of the distribution's archive.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

use super::files::is_plain_name;
use super::process::{program, run_quiet};
use super::{BuildEvent, Canceller, KernelError, archive};

/// Where an installed source package leaves its tarball.
const INSTALLED: &str = "/usr/src";

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
        self.fetch_from(&archive::sites(canceller)?, &format!("{suite} main"), &folder, canceller)
    }

    /// Downloads it, and takes its tarball to `folder`.
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
        match archive::download_from(sites, suite, &[&self.name], scratch.path(), canceller)? {
            None => self.unpack(scratch.path(), folder, canceller),
            Some(complaint) => Err(self.not_fetched(complaint)),
        }
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

/// Debian leaves `/usr/src/<package>.tar.xz`; Ubuntu a folder of the package's name with a `.tar.bz2` in it.
fn tarball_in(sources: &Path, package: &str) -> Option<PathBuf> {
    let folders = [sources.to_owned(), sources.join(package)];
    let names = ["xz", "zst", "bz2", "gz"].map(|suffix| format!("{package}.tar.{suffix}"));
    folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name))).find(|path| path.is_file())
}

#[cfg(test)]
mod tests;
