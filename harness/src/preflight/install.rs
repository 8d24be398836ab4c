//! Installs Debian packages with apt.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::time::timeout;

use super::consent::Consent;
use super::finding::Report;
use super::host::Host;
use super::run::{RunError, run};

/// How long apt may look for packages that it has heard of.
const SIMULATE: Duration = Duration::from_secs(60);

/// How long apt may take to fetch and install: some 200 MB on a slow line.
const INSTALL: Duration = Duration::from_secs(30 * 60);

/// What will be run to install packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallPlan {
    packages: Vec<String>,
    /// Root's rights come from sudo.
    sudo: bool,
}

/// Why packages were not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Nothing of what is not as it should be is a matter of packages that apt could bring.
    #[error("nothing that failed can be fixed with apt")]
    NothingToInstall,
    /// Nobody agreed.
    #[error("not installed without consent\n\nhint: run `{command}`, or give --yes")]
    Withheld {
        /// What would have been run.
        command: String,
    },
    /// The answer was no.
    #[error("not installed, as answered\n\nhint: run `{command}`")]
    Declined {
        /// What would have been run.
        command: String,
    },
    /// Neither root nor sudo.
    #[error("installing packages needs root, and there is no sudo\n\nhint: run `{command}` as root")]
    NotRoot {
        /// What to run.
        command: String,
    },
    /// The question could not be asked.
    #[error("asking for consent: {0}")]
    Asking(#[source] io::Error),
    /// Apt ended with an error, which it has written to standard error.
    #[error("`{command}` failed: {why}")]
    Apt {
        /// What was run.
        command: String,
        /// How it ended.
        why: String,
    },
}

/// What installs the packages of everything that is not as it should be; `None` if that is not a matter of packages, or the host has no
/// apt.
pub fn plan(host: &Host, report: &Report) -> Option<InstallPlan> {
    let packages: Vec<String> = report.missing_packages().into_iter().map(str::to_owned).collect();
    plan_for(host, &packages)
}

pub(super) fn plan_for(host: &Host, packages: &[String]) -> Option<InstallPlan> {
    host.find("apt-get")?;
    (!packages.is_empty()).then(|| InstallPlan { packages: packages.to_vec(), sudo: !host.root })
}

impl InstallPlan {
    /// The packages.
    pub fn packages(&self) -> &[String] {
        &self.packages
    }

    fn install_command(&self) -> Vec<&str> {
        let fixed = ["apt-get", "install", "-y", "--no-install-recommends"];
        fixed.into_iter().chain(self.packages.iter().map(String::as_str)).collect()
    }

    fn with_rights(&self, command: &[&str]) -> Vec<String> {
        // Questions that packages would ask have nobody to answer them. Sudo passes on no environment.
        let before: &[&str] = if self.sudo { &["sudo", "env"] } else { &["env"] };
        [before, &["DEBIAN_FRONTEND=noninteractive"], command].concat().into_iter().map(str::to_owned).collect()
    }
}

impl fmt::Display for InstallPlan {
    /// The command as one would type it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.sudo { "sudo " } else { "" })?;
        f.write_str(&self.install_command().join(" "))
    }
}

/// Installs what is missing, if there is consent. `ask` is called only for [`Consent::Ask`]. Apt speaks on standard
/// error.
///
/// The package lists are updated when apt does not know the packages, or cannot fetch what it knows of.
pub async fn install(
    host: &Host,
    report: &Report,
    consent: Consent,
    ask: impl FnOnce(&InstallPlan) -> io::Result<bool>,
) -> Result<InstallPlan, InstallError> {
    let plan = plan(host, report).ok_or(InstallError::NothingToInstall)?;
    let command = plan.to_string();
    match consent {
        Consent::Given => {}
        Consent::Ask if ask(&plan).map_err(InstallError::Asking)? => {}
        Consent::Ask => return Err(InstallError::Declined { command }),
        Consent::Withheld => return Err(InstallError::Withheld { command }),
    }
    if plan.sudo && host.find("sudo").is_none() {
        let command = plan.install_command().join(" ");
        return Err(InstallError::NotRoot { command });
    }
    let known = simulate(host, &plan).await;
    if known.is_ok() && speak(host, &plan, &plan.install_command()).await.is_ok() {
        return Ok(plan);
    }
    speak(host, &plan, &["apt-get", "update"]).await?;
    simulate(host, &plan).await?;
    speak(host, &plan, &plan.install_command()).await?;
    Ok(plan)
}

/// Whether apt would install the packages, as far as its lists tell. Needs no rights.
async fn simulate(host: &Host, plan: &InstallPlan) -> Result<(), InstallError> {
    let mut command = host.command("apt-get");
    command.args(["install", "--simulate", "--no-install-recommends"]).args(&plan.packages);
    let failed = |why| InstallError::Apt { command: plan.to_string(), why };
    match run(command, SIMULATE).await {
        Ok(answer) if answer.status.success() => Ok(()),
        Ok(answer) => {
            let error = answer.stderr.lines().find_map(|line| line.strip_prefix("E: "));
            Err(failed(error.map_or_else(|| answer.complaint(), super::run::shown)))
        }
        Err(why) => Err(failed(why.to_string())),
    }
}

/// Runs a command of apt's with root's rights and lets it speak.
async fn speak(host: &Host, plan: &InstallPlan, words: &[&str]) -> Result<(), InstallError> {
    let shown = words.join(" ");
    let failed = |why: String| InstallError::Apt { command: shown.clone(), why };
    let words = plan.with_rights(words);
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(|e| failed(e.to_string()))?;
    // Unlike all others it stays in our process group, where sudo can ask for a password and a Ctrl-C reaches apt; and
    // it is not killed when we go, since dpkg must finish what it is doing.
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", &host.path).stdout(Stdio::from(stderr));
    let mut child = command.spawn().map_err(|e| failed(RunError::NotStarted(e).to_string()))?;
    let Ok(status) = timeout(INSTALL, child.wait()).await else {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // It may have ended just now, or be root's; then there is nothing more to be done.
        let _ = id.map(|id| kill_process(id, Signal::TERM));
        return Err(failed(RunError::Late(INSTALL).to_string()));
    };
    let status = status.map_err(|e| failed(e.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(status.to_string())) }
}

#[cfg(test)]
mod tests;
