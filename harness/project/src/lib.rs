//! Where the project's own files are (scenarios, variants, guest sources), and the folders of this machine that the
//! harness writes to.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The root of a checkout (or of a user's own folder of the same layout), and the build cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    root: PathBuf,
    cache: PathBuf,
    /// Where the sources of the harness's own parts are, if not in the root.
    parts: Option<PathBuf>,
    /// Where runs are kept, if not in the root.
    results: Option<PathBuf>,
}

/// The folder of a project with the parts that are built already: the guest's agent, the tracer.
pub const PREBUILT: &str = "prebuilt";

impl Project {
    /// The nearest folder at or above `start` in which a project is.
    pub fn find(start: &Path) -> Option<Self> {
        start.ancestors().find(|dir| Self::is_at(dir)).map(Self::at)
    }

    /// Whether a project is in this folder: whether it has a `guest-kernel/bases.yaml`, be it broken or not.
    pub fn is_at(folder: &Path) -> bool {
        folder.join("guest-kernel/bases.yaml").symlink_metadata().is_ok()
    }

    /// The project at `root`, whatever is there.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self::with_cache(root, cache_dir())
    }

    /// The project at `root`, with a cache of its own.
    pub fn with_cache(root: impl Into<PathBuf>, cache: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), cache: cache.into(), parts: None, results: None }
    }

    /// With the harness's own parts, or their sources, below this folder.
    #[must_use]
    pub fn with_parts(self, folder: impl Into<PathBuf>) -> Self {
        Self { parts: Some(folder.into()), ..self }
    }

    /// With its runs in this folder.
    #[must_use]
    pub fn with_results(self, folder: impl Into<PathBuf>) -> Self {
        Self { results: Some(folder.into()), ..self }
    }

    /// Whether it is the user's to change: what lies in the cache has its runs elsewhere.
    pub fn is_the_users(&self) -> bool {
        self.results.is_none()
    }

    /// Whether the harness's own parts, or their sources, are in the root.
    pub fn has_parts(&self) -> bool {
        [PREBUILT, "images/agent"].iter().any(|folder| self.root.join(folder).is_dir())
    }

    /// The folder below which the harness's own parts are, or their sources.
    pub fn parts(&self) -> &Path {
        self.parts.as_deref().unwrap_or(&self.root)
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The build cache, as [`cache_dir`] told it when the project was opened.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// `guest-kernel/`: bases, configs, variants, crashlab.
    pub fn guest_kernel(&self) -> PathBuf {
        self.root.join("guest-kernel")
    }

    /// `guest-kernel/bases.yaml`: the unpatched kernels.
    pub fn bases(&self) -> PathBuf {
        self.guest_kernel().join("bases.yaml")
    }

    /// `guest-kernel/axes.yaml`: what can be set about a variant.
    pub fn axes(&self) -> PathBuf {
        self.guest_kernel().join("axes.yaml")
    }

    /// `guest-kernel/waits.yaml`: what kernels wait for by themselves.
    pub fn waits(&self) -> PathBuf {
        self.guest_kernel().join("waits.yaml")
    }

    /// Variants that are this machine's alone, for a run or two: in the build cache.
    pub fn scratch_variants(&self) -> PathBuf {
        self.cache.join("variants")
    }

    /// How kernels are built where that is not the project's own way, for this machine alone: in the build cache.
    pub fn builds(&self) -> PathBuf {
        self.cache.join("builds")
    }

    /// Commits of git trees that are bases for this machine alone: in the build cache.
    pub fn commits(&self) -> PathBuf {
        self.cache.join("commits")
    }

    /// `scenarios/`: one file a scenario, `suites/` below it.
    pub fn scenarios(&self) -> PathBuf {
        self.root.join("scenarios")
    }

    /// `scenarios/suites/`: one file a suite.
    pub fn suites(&self) -> PathBuf {
        self.scenarios().join("suites")
    }

    /// `results/`: one folder a run.
    pub fn results(&self) -> PathBuf {
        self.results.clone().unwrap_or_else(|| self.root.join("results"))
    }
}

/// The build cache: `$XDG_CACHE_HOME/harness`, else `~/.cache/harness`, else `/var/tmp/harness-cache`.
///
/// A relative path in one of the two variables is ignored, as the XDG Base Directory Specification asks for. The path
/// is absolute and free of symbolic links, because QEMU runs in another folder, and its process has the files that it
/// maps under their real names.
pub fn cache_dir() -> PathBuf {
    resolved(&cache_below(std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME")))
}

/// The folder for temporary files, absolute and free of symbolic links: programs that are told of it run elsewhere.
pub fn temp_dir() -> PathBuf {
    resolved(&std::env::temp_dir())
}

fn cache_below(xdg_cache_home: Option<OsString>, home: Option<OsString>) -> PathBuf {
    let absolute = |value: Option<OsString>| value.map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(xdg_cache_home)
        .or_else(|| absolute(home).map(|home| home.join(".cache")))
        .map_or_else(|| PathBuf::from("/var/tmp/harness-cache"), |folder| folder.join("harness"))
}

/// The absolute path without symbolic links. What does not exist yet is taken as it is: it will be made a folder.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let real = |folder: &Path| {
        let rest = absolute.strip_prefix(folder).ok()?;
        // Joining nothing would add a slash.
        folder.canonicalize().map(|real| if rest.as_os_str().is_empty() { real } else { real.join(rest) }).ok()
    };
    absolute.ancestors().find_map(real).unwrap_or_else(|| absolute.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_cache_is_ignored() {
        let cache = |xdg: &str, home: &str| cache_below(Some(xdg.into()), Some(home.into()));
        assert_eq!(cache("/x", "/h"), Path::new("/x/harness"));
        assert_eq!(cache("x", "/h"), Path::new("/h/.cache/harness"));
        assert_eq!(cache("", "/h"), Path::new("/h/.cache/harness"));
        assert_eq!(cache("./x", "h"), Path::new("/var/tmp/harness-cache"));
        assert_eq!(cache_below(None, None), Path::new("/var/tmp/harness-cache"));
    }

    #[test]
    fn links_are_followed_as_far_as_there_is_something() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
        assert_eq!(resolved(&root.join("link")), root.join("real"));
        assert_eq!(resolved(&root.join("link/harness/new")), root.join("real/harness/new"));
        assert!(!resolved(&root.join("link")).to_str().unwrap().ends_with('/'));
    }

    #[test]
    fn a_relative_path_is_made_absolute() {
        assert!(resolved(Path::new("nowhere/yet")).ends_with("nowhere/yet"));
        assert!(resolved(Path::new("nowhere/yet")).is_absolute());
    }
}
