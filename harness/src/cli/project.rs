//! What the global options name: the project, its results, and a session in it.

use std::path::PathBuf;

use super::{Failure, Global};
use crate::kernel::{self, Origin};
use crate::preflight::{self, Options, Report};
use crate::project::Project;
use crate::reporter::StandardError;
use crate::session::{Cancellation, Catalogue, Events, QemuRig, Session, TrialOptions, harness_info};

/// The project, as `--project` says or as it is found from here.
pub fn project(global: &Global) -> Result<Project, Failure> {
    if let Some(root) = &global.project {
        if !Project::is_at(root) {
            return Err(Failure::input(format!(
                "no project in {}: no guest-kernel/bases.yaml there\n\nhint: name the root of a checkout",
                root.display()
            )));
        }
        return Ok(Project::at(root));
    }
    let here = std::env::current_dir().map_err(|e| Failure::host(format!("find the current folder: {e}")))?;
    Project::find(&here).ok_or_else(|| {
        Failure::input(format!(
            "no project at or above {}: no guest-kernel/bases.yaml there\n\nhint: name one with --project DIR",
            here.display()
        ))
    })
}

/// Where runs are kept.
pub fn results(global: &Global, project: &Project) -> PathBuf {
    global.results.clone().unwrap_or_else(|| project.results())
}

/// The project's files.
pub fn catalogue(global: &Global) -> Result<Catalogue, Failure> {
    Catalogue::load(project(global)?)
}

/// Events that are shown on standard error.
pub fn events() -> Events {
    Events::to(StandardError::default())
}

/// A session on this machine, which is looked at first.
pub async fn session(
    global: &Global,
    catalogue: Catalogue,
    options: TrialOptions,
) -> Result<Session<QemuRig>, Failure> {
    let report = preflight::check(&host_options(global)?).await;
    session_on(global, catalogue, options, &report).await
}

/// A session on a machine that was looked at already.
pub async fn session_on(
    global: &Global,
    catalogue: Catalogue,
    options: TrialOptions,
    report: &Report,
) -> Result<Session<QemuRig>, Failure> {
    let (events, cancellation) = (events(), Cancellation::listen()?);
    let rig = QemuRig::new(&catalogue.project, report, &options, &events, &cancellation).await?;
    let results = results(global, &catalogue.project);
    let harness = harness_info(&catalogue.project);
    Ok(Session { catalogue, results, options, rig, events, cancellation, harness })
}

/// What to look at: this machine, for the project's bases.
pub fn host_options(global: &Global) -> Result<Options, Failure> {
    let project = project(global)?;
    let mut options = Options::new(project.cache().to_owned(), results(global, &project), 1);
    options.qemu = global.qemu.clone().or(options.qemu);
    options.source_packages = kernel::list_bases(&project)
        .good
        .into_iter()
        .filter_map(|base| match base.origin {
            // One of a suite is fetched by who needs it.
            Origin::Package(package) if package.suite.is_none() => Some(package.name),
            Origin::Package(_) | Origin::Tarball(_) | Origin::Git(_) => None,
        })
        .collect();
    Ok(options)
}
