//! What the global options name: the project, its results, and a session in it.

use std::path::PathBuf;

use super::{Failure, Global};
use crate::kernel::{self, Origin};
use crate::preflight::{self, Options, Report};
use crate::place::Place;
use crate::project::Project;
use crate::reporter::StandardError;
use crate::session::{Cancellation, Catalogue, Events, QemuRig, Session, TrialOptions, harness_info};

/// The project, as `--pack` or `--project` say or as it is found from here.
pub fn project(global: &Global) -> Result<Project, Failure> {
    let Global { pack, project, embedded, .. } = global;
    Place { pack: pack.as_deref(), named: project.as_deref(), embedded: embedded.as_ref() }.project()
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
    let report = preflight::check(&host_options(global, &catalogue.project)).await;
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
pub fn host_options(global: &Global, project: &Project) -> Options {
    let mut options = Options::new(project.cache().to_owned(), results(global, project), 1);
    options.qemu = global.qemu.clone().or(options.qemu);
    options.source_packages = kernel::list_bases(project)
        .good
        .into_iter()
        .filter_map(|base| match base.origin {
            // One of a suite is fetched by who needs it.
            Origin::Package(package) if package.suite.is_none() => Some(package.name),
            Origin::Package(_) | Origin::Tarball(_) | Origin::Git(_) => None,
        })
        .collect();
    options
}
