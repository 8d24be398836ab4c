//! Whether guests can be traced on this machine, and with what: the build of the tracer that its QEMU loads.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use thiserror::Error;
use tokio::process::Command;
use tokio::time::timeout;

use crate::guest::{Machine, die_with_parent, doubled_commas};
use crate::parts::{self, Part, PartError};
use crate::preflight::{Finding, Status};
use crate::probes::ProbeSet;
use crate::project::Project;
use crate::yaml::InputError;

/// How long QEMU may take to load a plugin.
const PATIENCE: Duration = Duration::from_secs(20);

/// What guests are traced with.
#[derive(Debug, Clone)]
pub struct Tracer {
    /// The plugin, built for the QEMU in use.
    pub plugin: PathBuf,
    /// What it looks for.
    pub set: ProbeSet,
}

/// Why guests cannot be traced.
#[derive(Debug, Error)]
pub enum NoTracer {
    /// QEMU loads no build of it.
    #[error("{} loads no plugin: {said}", qemu.display())]
    Refused {
        /// The QEMU.
        qemu: PathBuf,
        /// What it said.
        said: String,
    },
    /// It could not be built.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The probe set is not in order.
    #[error(transparent)]
    Set(#[from] InputError),
    /// The thread that built it died.
    #[error("the thread that built the tracer died")]
    Thread,
}

impl Tracer {
    /// Finds the build that the machine's QEMU loads: by trying, since only QEMU knows.
    pub async fn find(project: &Project, cache: &Path, machine: &Machine) -> Result<Self, NoTracer> {
        let set = ProbeSet::load(&project.guest_kernel().join(format!("probes/{}.yaml", machine.arch.spec().probes)))?;
        let mut said = String::new();
        for part in [parts::TRACER_1, parts::TRACER_2, parts::TRACER_7] {
            let plugin = built(project, cache, part).await?;
            match load(&machine.qemu, &plugin).await {
                Ok(()) => return Ok(Self { plugin, set }),
                Err(why) => said = why,
            }
        }
        Err(NoTracer::Refused { qemu: machine.qemu.clone(), said })
    }
}

/// Whether guests can be traced, for doctor's report. If not, that is only a warning: trials are run without timelines.
pub fn finding(found: &Result<Tracer, NoTracer>) -> Finding {
    let (status, detail) = match found {
        Ok(tracer) => (Status::Ok, format!("QEMU loads the tracer; {} steps are looked for", tracer.set.steps.len())),
        Err(why) => (Status::Warn, format!("there will be no timelines: {why}")),
    };
    Finding { id: "tracing".to_owned(), title: "tracing".to_owned(), status, detail, mend: None, packages: Vec::new() }
}

async fn built(project: &Project, cache: &Path, part: Part) -> Result<PathBuf, NoTracer> {
    let (project, cache) = (project.clone(), cache.to_owned());
    let built = tokio::task::spawn_blocking(move || parts::build(&project, &cache, &part)).await;
    Ok(built.map_err(|_| NoTracer::Thread)??)
}

/// Whether QEMU loads this build. Asked for a `trial`, the plugin says so and declines, which ends QEMU.
async fn load(qemu: &Path, plugin: &Path) -> Result<(), String> {
    let mut file = std::ffi::OsString::from("file=");
    file.push(doubled_commas(plugin));
    file.push(",trial=on");
    let mut command = Command::new(qemu);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-machine", "none", "-accel", "tcg"]);
    command.arg("-plugin").arg(file).env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    die_with_parent(command.as_std_mut());
    let ended = timeout(PATIENCE, command.output()).await.map_err(|_| format!("no answer within {PATIENCE:?}"))?;
    let said = ended.map_err(|error| error.to_string())?.stderr;
    let said = String::from_utf8_lossy(&said);
    if said.lines().any(|line| line == harness_trace::LOADED) {
        return Ok(());
    }
    Err(said.lines().next().unwrap_or("it said nothing").to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[tokio::test]
    async fn a_plugin_in_a_folder_with_a_comma_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        // It loads nothing but a plugin whose file is named as QEMU's option lists want it.
        let qemu = folder.path().join("qemu");
        let script = format!(
            "#!/bin/sh\nfor word; do [ \"$word\" = 'file=/a,,b/tracer.so,trial=on' ] && echo '{}' >&2; done\n",
            harness_trace::LOADED
        );
        std::fs::write(&qemu, script).unwrap();
        std::fs::set_permissions(&qemu, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(load(&qemu, Path::new("/a,b/tracer.so")).await, Ok(()));
    }
}
