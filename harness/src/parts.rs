//! Programs of the project's own that are built when they are needed, by cargo, and cached by the content they are
//! built from: what runs in the guest, and what QEMU loads.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::model::Arch;
use crate::project::{PREBUILT, Project};

/// The target of what QEMU loads: x86-64 with the C library of the host, which needs no other toolchain.
const HOST: &str = "x86_64-unknown-linux-gnu";

/// Something to build.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// What it is, for errors: `the guest's agent`.
    what: &'static str,
    /// Its package, and the profile to build it with.
    package: &'static str,
    profile: &'static str,
    features: &'static str,
    /// What it is compiled for.
    target: &'static str,
    /// For rustc.
    flags: &'static str,
    /// Folders of crates whose sources it is made from.
    crates: &'static [&'static str],
    /// What cargo calls it.
    file: &'static str,
    /// The folder of the cache that keeps it.
    kept_in: &'static str,
}

/// The guest's PID 1, static.
pub const AGENT: Part = Part {
    what: "the guest's agent",
    package: "agent",
    profile: "guest",
    features: "",
    target: Arch::X86_64.spec().agent_target,
    flags: "-Ctarget-feature=+crt-static",
    crates: &["images/agent", "harness/protocol"],
    file: "agent",
    kept_in: "agents",
};

/// The tracer, for QEMUs that know the first version of the plugin interface.
pub const TRACER_1: Part = Part {
    what: "the tracer",
    package: "harness-tracer",
    profile: "tracer",
    features: "",
    target: HOST,
    flags: "",
    crates: &["harness/trace", "harness/tracer"],
    file: "libharness_tracer.so",
    kept_in: "tracers",
};

/// For those that know the second, but not the seventh.
pub const TRACER_2: Part = Part { features: "api-2", ..TRACER_1 };

/// For those that know the seventh.
pub const TRACER_7: Part = Part { features: "api-7", ..TRACER_1 };

/// Why a part is unavailable.
#[derive(Debug, Error)]
pub enum PartError {
    /// A file of its own, or of the cache, could not be read or written.
    #[error("build {part}: {what} {path}: {source}")]
    Io {
        /// The part.
        part: &'static str,
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// cargo could not be started.
    #[error("build {part}: start cargo: {source}\nhint: the harness builds it itself; is cargo in PATH?")]
    NoCargo {
        /// The part.
        part: &'static str,
        /// Why.
        source: io::Error,
    },
    /// cargo said no.
    #[error("build {part}: cargo failed ({status}):\n{output}\nhint: `harness doctor` checks the toolchain")]
    Cargo {
        /// The part.
        part: &'static str,
        /// How cargo ended.
        status: std::process::ExitStatus,
        /// The end of what it printed.
        output: String,
    },
}

impl Part {
    /// Where it lies below a folder of parts.
    fn below(&self, folder: &Path) -> PathBuf {
        folder.join(self.features).join(self.file)
    }
}

/// Puts all of them into a folder that is to be a project's [`PREBUILT`].
pub fn build_all(project: &Project, cache: &Path, folder: &Path) -> Result<(), PartError> {
    for part in [AGENT, TRACER_1, TRACER_2, TRACER_7] {
        let (from, to) = (build(project, cache, &part)?, part.below(folder));
        let parent = to.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).map_err(failed(&part, "create", parent))?;
        std::fs::copy(&from, &to).map_err(failed(&part, "copy", &from))?;
    }
    Ok(())
}

/// Builds a part, unless it is there already: with the project, or in the cache when nothing that goes into it has changed.
///
/// Returns its path.
pub fn build(project: &Project, cache: &Path, part: &Part) -> Result<PathBuf, PartError> {
    let there = part.below(&project.parts().join(PREBUILT));
    if there.is_file() {
        return Ok(there);
    }
    let kept = cache.join(part.kept_in);
    let key = digest(project, part)?;
    let built = kept.join(&key);
    if built.is_file() {
        return Ok(built);
    }
    let target_dir = kept.join("target").join(checkout(project, part)?);
    let mut command = Command::new("cargo");
    command
        .current_dir(project.parts())
        .args(["build", "--quiet", "--locked", "--package", part.package, "--profile", part.profile])
        .args(["--target", part.target, "--features", part.features])
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", part.flags)
        .stdin(Stdio::null());
    let output = command.output().map_err(|source| PartError::NoCargo { part: part.what, source })?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let tail = text.lines().rev().take(30).collect::<Vec<_>>();
        let output_tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        return Err(PartError::Cargo { part: part.what, status: output.status, output: output_tail });
    }
    let fresh = target_dir.join(part.target).join(part.profile).join(part.file);
    let staged = kept.join(format!("{key}.{}", std::process::id()));
    std::fs::copy(&fresh, &staged).map_err(failed(part, "copy", &fresh))?;
    std::fs::rename(&staged, &built).map_err(failed(part, "rename to", &built))?;
    Ok(built)
}

/// Names the folder that the crate is in. cargo tells by the files' times whether what it has built is fresh, and of two
/// checkouts that have one target folder it may take the other's for it.
fn checkout(project: &Project, part: &Part) -> Result<String, PartError> {
    let folder = project.parts().join(part.crates.first().copied().unwrap_or_default());
    let folder = folder.canonicalize().map_err(failed(part, "find", &folder))?;
    let digest = format!("{:x}", Sha256::digest(folder.as_os_str().as_encoded_bytes()));
    Ok(digest.chars().take(12).collect())
}

/// What was being done to which file when it failed.
fn failed(part: &Part, what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PartError {
    let (part, path) = (part.what, path.to_owned());
    move |source| PartError::Io { part, what, path, source }
}

/// Everything a part is made from: its sources, its manifests, the lock file that pins what it depends on, and its
/// options.
fn digest(project: &Project, part: &Part) -> Result<String, PartError> {
    let root = project.parts();
    let mut files = vec![root.join("Cargo.toml"), root.join("Cargo.lock")];
    for folder in part.crates {
        files.push(root.join(folder).join("Cargo.toml"));
        let src = root.join(folder).join("src");
        for entry in std::fs::read_dir(&src).map_err(failed(part, "list", &src))? {
            files.push(entry.map_err(failed(part, "list", &src))?.path());
        }
    }
    files.sort();
    let mut hash = Sha256::new();
    hash.update([part.package, part.profile, part.features, part.flags].join("\n"));
    for file in &files {
        let bytes = std::fs::read(file).map_err(failed(part, "read", file))?;
        hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(&bytes);
    }
    Ok(format!("{:x}", hash.finalize()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn checkout() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
    }

    /// The crates that a crate of ours is made from, itself among them, by the paths in their manifests.
    fn made_from(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        if !found.insert(folder.to_owned()) {
            return;
        }
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let built = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for path in built.split("path = \"").skip(1).filter_map(|rest| rest.split('"').next()) {
            made_from(&folder.join(path).canonicalize().unwrap(), found);
        }
    }

    #[test]
    fn a_part_is_known_by_every_crate_of_ours_that_it_is_made_from() {
        for part in [AGENT, TRACER_1] {
            let known: BTreeSet<PathBuf> = part.crates.iter().map(|folder| checkout().join(folder)).collect();
            let own = known.iter().find(|folder| {
                std::fs::read_to_string(folder.join("Cargo.toml"))
                    .is_ok_and(|text| text.contains(&format!("name = \"{}\"\n", part.package)))
            });
            let mut found = BTreeSet::new();
            made_from(own.unwrap(), &mut found);
            assert_eq!(found, known, "{}", part.what);
        }
    }

    #[test]
    fn a_change_of_the_protocol_is_another_agent() {
        let copy = tempfile::tempdir().unwrap();
        for file in ["Cargo.toml", "Cargo.lock"] {
            std::fs::copy(checkout().join(file), copy.path().join(file)).unwrap();
        }
        for folder in AGENT.crates {
            let (from, to) = (checkout().join(folder), copy.path().join(folder));
            std::fs::create_dir_all(to.join("src")).unwrap();
            std::fs::copy(from.join("Cargo.toml"), to.join("Cargo.toml")).unwrap();
            for entry in std::fs::read_dir(from.join("src")).unwrap() {
                let entry = entry.unwrap();
                std::fs::copy(entry.path(), to.join("src").join(entry.file_name())).unwrap();
            }
        }
        let project = Project::at(copy.path());
        let before = digest(&project, &AGENT).unwrap();
        assert_eq!(digest(&project, &AGENT).unwrap(), before);
        let changed = copy.path().join("harness/protocol/src/directive.rs");
        let text = std::fs::read_to_string(&changed).unwrap();
        std::fs::write(&changed, text + "// changed\n").unwrap();
        assert_ne!(digest(&project, &AGENT).unwrap(), before);
    }
}
