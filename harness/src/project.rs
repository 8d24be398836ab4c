//! Where the project's own files are: scenarios, variants, guest sources.

use std::path::{Path, PathBuf};

/// The root of a checkout (or of a user's own folder of the same layout).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// The nearest folder at or above `start` that has `guest-kernel/bases.yaml`; failing that, the checkout this
    /// program was built from.
    pub fn find(start: &Path) -> Option<Self> {
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
        start
            .ancestors()
            .chain([built_from])
            .find(|dir| dir.join("guest-kernel/bases.yaml").is_file())
            .map(|dir| Self { root: dir.to_owned() })
    }

    /// The project at `root`, whatever is there.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `guest-kernel/`: bases, configs, variants, crashlab.
    pub fn guest_kernel(&self) -> PathBuf {
        self.root.join("guest-kernel")
    }

    /// Variants that are this machine's alone, for a run or two: in the build cache.
    pub fn throw_away(&self) -> PathBuf {
        cache_dir().join("variants")
    }

    /// Commits of git trees that are bases for this machine alone: in the build cache.
    pub fn commits(&self) -> PathBuf {
        cache_dir().join("commits")
    }

    /// `scenarios/`: one file a scenario, `suites/` below it.
    pub fn scenarios(&self) -> PathBuf {
        self.root.join("scenarios")
    }

    /// `results/`: one folder a run.
    pub fn results(&self) -> PathBuf {
        self.root.join("results")
    }
}

/// The build cache: `$XDG_CACHE_HOME/harness`, else `~/.cache/harness`, else `/var/tmp/harness-cache`.
pub fn cache_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .map_or_else(|| PathBuf::from("/var/tmp/harness-cache"), |dir| dir.join("harness"))
}
