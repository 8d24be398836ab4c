//! What a workbench knows about itself: a file that is always whole, written before what it speaks of is done.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{KernelError, Version, files};

/// The state file. Its absence means that there is no whole tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The digest of the source that was unpacked.
    pub source: String,
    /// What its Makefile says.
    pub version: Version,
    /// When it was unpacked. No file of the source is younger.
    pub unpacked: SystemTime,
    /// Every file of the tree that may differ from the source.
    pub touched: BTreeMap<PathBuf, Pristine>,
    /// The tree's configuration; `None` when that has to be made again.
    pub configuration: Option<Configuration>,
    /// When the last build ended.
    pub finished: Option<SystemTime>,
    /// How many steps the last build from nothing took.
    pub steps_clean: Option<u32>,
    /// How many steps the last build upon another one took.
    pub steps_further: Option<u32>,
}

/// A configuration that a build has ended well with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Configuration {
    /// A digest of all that it was made from.
    pub asked: String,
    /// SHA-256 of the `.config` that was made.
    config: String,
}

impl Configuration {
    /// That of a tree, which was made from what `asked` is the digest of.
    pub fn of(asked: String, tree: &Path) -> io::Result<Self> {
        Ok(Self { asked, config: config_digest(tree)? })
    }

    /// Whether a tree has it.
    pub fn is_in(&self, tree: &Path) -> bool {
        config_digest(tree).is_ok_and(|config| config == self.config)
    }
}

fn config_digest(tree: &Path) -> io::Result<String> {
    std::fs::read(tree.join(".config")).map(|config| files::sha256(&config))
}

/// What a file is in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Pristine {
    /// The source does not have it.
    Absent,
    /// The source has it; its copy lies in the workbench's `pristine` folder.
    Kept,
}

impl State {
    /// A tree as it was unpacked.
    pub fn new(source: String, version: Version) -> Self {
        Self {
            source,
            version,
            unpacked: SystemTime::now(),
            touched: BTreeMap::new(),
            configuration: None,
            finished: None,
            steps_clean: None,
            steps_further: None,
        }
    }

    /// The state at `path`; `None` if there is none that can be read.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Puts it at `path`.
    pub fn write(&self, path: &Path) -> Result<(), KernelError> {
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        files::replace(path, &text).map_err(KernelError::io("writing", path))
    }

    /// A time for files that are written now: later than everything that the last build wrote, even if the clock was
    /// set back, since make knows by nothing else that it has to build something again.
    pub fn later(&self) -> SystemTime {
        let now = SystemTime::now();
        self.finished.map_or(now, |finished| now.max(finished + Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_is_later_than_the_last_build_even_if_the_clock_was_set_back() {
        let mut state = State::new("d".into(), "6.12".parse().unwrap());
        let future = SystemTime::now() + Duration::from_secs(3600);
        state.finished = Some(future);
        assert!(state.later() > future);
        state.finished = Some(SystemTime::UNIX_EPOCH);
        assert!(state.later() < future);
    }

    #[test]
    fn a_damaged_state_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        assert_eq!(State::read(&path), None);
        let state = State::new("d".into(), "6.12.1".parse().unwrap());
        state.write(&path).unwrap();
        assert_eq!(State::read(&path), Some(state));
        std::fs::write(&path, b"{\"source\":").unwrap();
        assert_eq!(State::read(&path), None);
    }
}
