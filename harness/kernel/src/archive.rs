//! Packages of the distribution's archive, downloaded by an apt that knows of one suite alone, has its own lists, and
//! installs nothing: it needs no rights, and the machine's own apt does not hear of it.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::process::{ask, program, run_quiet};
use super::{Canceller, KernelError, files};

/// The keys that sign the archive's suites, where the distribution keeps them.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Downloads packages of a suite, e.g. `sid`, to `folder`, which is empty and nobody else's. What apt complained of;
/// `None` if all went well.
pub fn download_packages(
    names: &[&str],
    suite: &str,
    folder: &Path,
    canceller: &Canceller,
) -> Result<Option<String>, KernelError> {
    download_from(&sites(canceller)?, &format!("{suite} main"), names, folder, canceller)
}

/// Downloads them from the first of the archives at `sites` that has all of them.
pub(super) fn download_from(
    sites: &[String],
    suite: &str,
    names: &[&str],
    folder: &Path,
    canceller: &Canceller,
) -> Result<Option<String>, KernelError> {
    let mut said = Some("apt has no archive of Debian's here".to_owned());
    for site in sites {
        let apt = PrivateApt::new(folder, site, suite).map_err(KernelError::io("preparing an apt in", folder))?;
        said = match apt.run(&["update", "--error-on=any"], canceller)? {
            None => apt.run(&[&["download"], names].concat(), canceller)?,
            complaint => complaint,
        };
        if said.is_none() {
            break;
        }
    }
    Ok(said)
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
        let (status, said) = run_quiet(&mut apt, canceller, "fetching packages")?;
        Ok((!status.success()).then(|| complaint(&said)))
    }
}

/// Where the archives are that this machine's own packages come from.
pub(super) fn sites(canceller: &Canceller) -> Result<Vec<String>, KernelError> {
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

/// The first error that apt reported: the others follow from it.
fn complaint(said: &str) -> String {
    said.lines().find_map(|line| line.strip_prefix("E: ")).unwrap_or(said).trim().to_owned()
}
