//! The guest's PID 1: the crate `images/agent`, built static by cargo, cached by the content it is built from.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::project::Project;

/// Guests are x86-64 with the C library of the host: the only target that needs no other toolchain.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Why there is no agent.
#[derive(Debug, Error)]
pub enum AgentError {
    /// A file of the agent's, or of its cache, could not be read or written.
    #[error("build the guest's agent: {what} {path}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// cargo could not be started.
    #[error("build the guest's agent: start cargo: {0}\nhint: the harness builds the agent itself; is cargo in PATH?")]
    NoCargo(io::Error),
    /// cargo said no.
    #[error("build the guest's agent: cargo failed ({status}):\n{output}\nhint: `harness doctor` checks the toolchain")]
    Cargo {
        /// How cargo ended.
        status: std::process::ExitStatus,
        /// The end of what it printed.
        output: String,
    },
}

/// Builds the agent, or takes it from the cache when nothing that goes into it has changed.
///
/// Returns the path of the executable, below `cache`.
pub fn build_agent(project: &Project, cache: &Path) -> Result<PathBuf, AgentError> {
    let sources = project.root().join("images/agent");
    let key = digest(project, &sources)?;
    let built = cache.join("agents").join(&key);
    if built.is_file() {
        return Ok(built);
    }
    let target_dir = cache.join("agents/target");
    let output = Command::new("cargo")
        .current_dir(project.root())
        .args(["build", "--quiet", "--locked", "--package", "agent", "--profile", "guest", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .stdin(Stdio::null())
        .output()
        .map_err(AgentError::NoCargo)?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let tail = text.lines().rev().take(30).collect::<Vec<_>>();
        let output_tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        return Err(AgentError::Cargo { status: output.status, output: output_tail });
    }
    let fresh = target_dir.join(TARGET).join("guest/agent");
    let staged = cache.join("agents").join(format!("{key}.{}", std::process::id()));
    std::fs::copy(&fresh, &staged).map_err(io_error("copy", &fresh))?;
    std::fs::rename(&staged, &built).map_err(io_error("rename to", &built))?;
    Ok(built)
}

/// Everything the agent is made from: its sources, its manifest, and the lock file that pins what it depends on.
fn digest(project: &Project, sources: &Path) -> Result<String, AgentError> {
    let mut files =
        vec![sources.join("Cargo.toml"), project.root().join("Cargo.toml"), project.root().join("Cargo.lock")];
    let src = sources.join("src");
    for entry in std::fs::read_dir(&src).map_err(io_error("list", &src))? {
        files.push(entry.map_err(io_error("list", &src))?.path());
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in &files {
        let bytes = std::fs::read(file).map_err(io_error("read", file))?;
        hash.update(file.file_name().unwrap_or_default().as_encoded_bytes());
        hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(&bytes);
    }
    Ok(format!("{:x}", hash.finalize()))
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AgentError {
    let path = path.to_owned();
    move |source| AgentError::Io { what, path, source }
}
