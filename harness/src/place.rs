//! Which project is meant: a pack, the one that is named, the one here, or the one inside the program.

use std::path::{Path, PathBuf};

use crate::embedded::Embedded;
use crate::failure::Failure;
use crate::kernel::{self, Origin, SEAL};
use crate::pack;
use crate::preflight::Options;
use crate::project::{PREBUILT, Project, cache_dir};

/// What the user says of it, and what there is otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// A pack.
    pub pack: Option<&'a Path>,
    /// A folder.
    pub named: Option<&'a Path>,
    /// What is inside the program.
    pub embedded: Option<&'a Embedded>,
}

impl Place<'_> {
    /// The project. Of a pack, and of what is inside the program, runs are kept in `results/` here.
    pub fn project(&self) -> Result<Project, Failure> {
        let here = std::env::current_dir().map_err(|e| Failure::host(format!("find the current folder: {e}")))?;
        if let Some(pack) = self.pack {
            return Ok(pack::open(pack, &cache_dir())?.with_results(results_in(&here)));
        }
        let found = match self.named {
            Some(root) if Project::is_at(root) => Some(Project::at(root)),
            Some(root) => {
                return Err(Failure::input(format!(
                    "no project in {}: no guest-kernel/bases.yaml there\n\nhint: name the root of a checkout",
                    root.display()
                )));
            }
            None => Project::find(&here),
        };
        match (found, self.embedded) {
            (Some(project), Some(embedded)) if !project.has_parts() => Ok(project.with_parts(unpacked(embedded)?)),
            (Some(project), _) => Ok(project),
            (None, Some(embedded)) => Ok(Project::at(unpacked(embedded)?).with_results(results_in(&here))),
            (None, None) => Err(Failure::input(format!(
                "no project at or above {}: no guest-kernel/bases.yaml there\n\nhint: name one with --project DIR",
                here.display()
            ))),
        }
    }
}

/// What preflight is to look at for a project: what is there already needs no compiler. `qemu`: the one to use, if it is named.
pub fn preflight_options(project: &Project, results: PathBuf, qemu: Option<PathBuf>) -> Options {
    let mut options = Options::new(project.cache().to_owned(), results, 1);
    options.qemu = qemu.or(options.qemu);
    options.builds_kernels = !project.cache().join(SEAL).exists();
    options.builds_parts = !project.parts().join(PREBUILT).is_dir();
    let bases = if options.builds_kernels { kernel::list_bases(project).good } else { Vec::new() };
    let installed = bases.into_iter().filter_map(|base| match base.origin {
        // One of a suite is fetched by who needs it.
        Origin::Package(package) if package.suite.is_none() => Some(package.name),
        Origin::Package(_) | Origin::Tarball(_) | Origin::Git(_) | Origin::Prebuilt(_) => None,
    });
    options.source_packages = installed.collect();
    options
}

fn results_in(here: &Path) -> PathBuf {
    here.join("results")
}

fn unpacked(embedded: &Embedded) -> Result<PathBuf, Failure> {
    let cache = cache_dir();
    embedded.unpack(&cache).map_err(|error| {
        Failure::hinted_host(
            format!("unpack the project that is inside the program to {}: {error}", cache.display()),
            Some("set XDG_CACHE_HOME to a folder that can be written"),
        )
    })
}
