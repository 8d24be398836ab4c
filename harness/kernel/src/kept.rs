//! What kernels were made from that is this machine's alone, to be kept with the run of them.

use std::collections::BTreeMap;
use std::fs;

use super::{CustomBuild, KernelError, base};
use harness_model::KernelName;
use harness_project::Project;

/// The content of each such file, by the name that it is kept by: differences that are not committed, configurations of the
/// user's.
pub fn kept_inputs<'a>(
    project: &Project,
    kernels: impl IntoIterator<Item = &'a KernelName>,
) -> Result<BTreeMap<String, Vec<u8>>, KernelError> {
    let mut kept = BTreeMap::new();
    for KernelName { variant, base } in kernels {
        let difference = base::difference_of(project, base);
        let config = CustomBuild::config_of(project, variant).map(|(name, path)| (format!("{name}.config"), path));
        for (name, path) in [(format!("{base}.diff"), difference)].into_iter().chain(config) {
            if path.is_file() && !kept.contains_key(&name) {
                let content = fs::read(&path).map_err(KernelError::io("reading what kernels are made from", &path))?;
                kept.insert(name, content);
            }
        }
    }
    Ok(kept)
}
