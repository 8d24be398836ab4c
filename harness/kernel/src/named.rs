//! Kernels by what they are: whatever a base may be, named on a command line.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::base::{commit_as_base, commit_name, keep};
use super::files::{is_plain_name, sha256};
use super::git::hash_of;
use super::{Canceller, KernelError, Package, TreeBases};
use harness_project::Project;

/// Makes bases, for this machine alone, of what somebody names; returns their names.
///
/// It is a folder (the git tree as it lies there), a tarball, `PACKAGE/SUITE`, or a revision or a range `A..B` of the tree in
/// the current folder, both ends of which are meant. What is there as a file or folder is not looked for elsewhere.
pub fn bases_named(project: &Project, named: &str, canceller: &Canceller) -> Result<Vec<String>, KernelError> {
    let path = Path::new(named);
    if path.is_dir() {
        return Ok(vec![TreeBases::alone(project, path, canceller)?]);
    }
    if path.is_file() {
        return tarball(project, path).map(|name| vec![name]);
    }
    let here = PathBuf::from(".");
    let commit = |revision: &str| {
        let revision = if revision.is_empty() { "HEAD" } else { revision };
        hash_of(&here, revision, canceller)
    };
    let wrong = |cause: String| {
        let hint =
            "it is a folder or a tarball, PACKAGE/SUITE, or a commit, a tag or a range of the git tree in this folder";
        KernelError::Named { named: named.escape_debug().to_string(), cause, hint }
    };
    if let Some((from, to)) = named.split_once("..") {
        let from = commit(from).map_err(|error| wrong(error.first_line()))?;
        let to = commit(to.trim_start_matches('.')).map_err(|error| wrong(error.first_line()))?;
        commit_as_base(project, &here, &from, &from)?;
        commit_as_base(project, &here, &to, &from)?;
        return Ok(vec![commit_name(&from), commit_name(&to)]);
    }
    if let Ok(hash) = commit(named) {
        commit_as_base(project, &here, &hash, &hash)?;
        return Ok(vec![commit_name(&hash)]);
    }
    match named.parse::<Package>() {
        Ok(Package { name, suite: Some(suite) }) => {
            let base = format!("{name}-{suite}");
            keep(project, &base, &json!({"package": named}))?;
            Ok(vec![base])
        }
        _ => Err(wrong("there is no such file, and no such commit in this folder".to_owned())),
    }
}

/// A tarball is called after its file, and after where that is.
fn tarball(project: &Project, path: &Path) -> Result<String, KernelError> {
    let path = path.canonicalize().map_err(KernelError::io("finding", path))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = file.split(".tar").next().unwrap_or_default();
    let digest = sha256(path.as_os_str().as_encoded_bytes());
    let digest = digest.get(..8).unwrap_or(&digest);
    let name = if is_plain_name(stem) { format!("{stem}-{digest}") } else { format!("tarball-{digest}") };
    keep(project, &name, &json!({"tarball": path}))?;
    Ok(name)
}
