//! What the global options name: the project, its results, and a session in it.

use std::path::PathBuf;

use super::{Failure, Global};
use crate::place::{Place, preflight_options};
use crate::preflight::{self, Options, Report};
use crate::project::Project;
use crate::reporter::StandardError;
use crate::session::{Cancellation, Catalogue, Events, QemuRig, ReportOptions, Session, TrialOptions, harness_info};

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
    let reports = ReportOptions::here(|name| std::env::var(name).ok());
    Ok(Session { catalogue, results, options, rig, events, cancellation, harness, reports })
}

/// What to look at: this machine, for what the project has built.
pub fn host_options(global: &Global, project: &Project) -> Options {
    preflight_options(project, results(global, project), global.qemu.clone())
}
