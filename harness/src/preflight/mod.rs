//! Preflight: can this machine build kernels and crash guests, and if not, what mends it.
//!
//! ```text
//!             ┌─> qemu ──> accelerator (boots the probe guest, rom) ─┐
//! Options ────┼─> toolchain (runs, compiles) ────────────────────────┼─> Report ─> InstallPlan ─> install
//!             └─> firmware, source, resources ───────────────────────┘
//! ```
//!
//! Whatever can be run is run: a program that is there may not start, a header may not compile, and a `/dev/kvm` that
//! opens may not boot a guest.

mod accelerator;
mod consent;
#[cfg(test)]
mod fake;
mod finding;
mod firmware;
mod host;
mod install;
mod qemu;
mod resources;
mod rom;
mod run;
mod source;
mod toolchain;

pub use self::consent::{Consent, Situation};
pub use self::finding::{Finding, QemuInfo, QemuVersion, Report, Status};
pub use self::host::{Host, Options, Patience};
pub use self::install::{InstallError, InstallPlan};

use self::consent::ask_at_terminal;
use self::install::{install, plan};

use crate::guest::Accelerator;

/// Runs all checks, those that wait at the same time. Nothing it starts outlives it.
///
/// It fails in no way of its own: what cannot be checked is a finding.
pub async fn check(options: &Options) -> Report {
    let (guests, tools) = tokio::join!(guests(options), toolchain::check(options));
    let (qemu, accelerator, mut findings) = guests;
    findings.extend(options.looks_for_firmware.then(|| firmware::check(options)));
    findings.extend(tools);
    findings.extend(options.source_packages.iter().map(|package| source::check(&options.host, package)));
    findings.extend(resources::check(options));
    for finding in &mut findings {
        if let (None, Some(plan)) = (&finding.mend, install::plan_for(&options.host, &finding.packages)) {
            finding.mend = Some(plan.to_string());
        }
    }
    Report { findings, accelerator, qemu }
}

/// Installs what is not as it should be because a package is missing, after asking where somebody can be asked, and checks again. What
/// packages do not mend stays in the report.
pub async fn mended(options: &Options, report: Report, yes: bool) -> Result<Report, InstallError> {
    let consent = Situation::of_this_process(yes).consent();
    if consent == Consent::Given
        && let Some(plan) = plan(&options.host, &report)
    {
        eprintln!("installing what is missing:\n  {plan}");
    }
    match install(&options.host, &report, consent, ask_at_terminal).await {
        Ok(_) => Ok(check(options).await),
        Err(InstallError::NothingToInstall) => Ok(report),
        Err(error) => Err(error),
    }
}

async fn guests(options: &Options) -> (Option<QemuInfo>, Option<Accelerator>, Vec<Finding>) {
    let mut qemu = qemu::check(options).await;
    let (accelerator, probed) = accelerator::check(options, &qemu).await;
    qemu.findings.extend(probed);
    (qemu.info, accelerator, qemu.findings)
}

#[cfg(test)]
mod tests;
