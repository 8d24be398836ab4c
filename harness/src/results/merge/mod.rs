//! Joining the runs of a plan's shards into one.
//!
//! ```text
//! runs ─> Parts::read    every record is read; refused, if the runs do not belong together
//!           └─> merge    a folder beside the runs, of no run's name: trials.jsonl, artifacts/, run.json
//!                 └─> (the reports are written into it) ─> publish    renamed: there whole, or not at all
//! ```
//!
//! The runs themselves are only read.

mod artifacts;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::TempDir;

use super::{Error, Finished, HostInfo, Run, RunInfo, same, trials};

/// Runs were not merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One of them cannot be read.
    #[error(transparent)]
    Read(Error),
    /// The merged run cannot be written.
    #[error(transparent)]
    Write(Error),
    /// There is none.
    #[error("there is no run to merge")]
    Nothing,
    /// They do not belong together.
    #[error("cannot merge {} and {}: {what} is {here} in the first and {there} in the second", first.display(), other.display())]
    Differ {
        /// The first run.
        first: PathBuf,
        /// The one that differs from it.
        other: PathBuf,
        /// In what, the first such thing.
        what: String,
        /// What the first has.
        here: String,
        /// What the other has.
        there: String,
    },
    /// A trial was run twice.
    #[error("cannot merge {} and {}: trial {index} is in both", first.display(), other.display())]
    Overlap {
        /// One run.
        first: PathBuf,
        /// The other.
        other: PathBuf,
        /// The least index that both have.
        index: u64,
    },
}

impl MergeError {
    /// What to do next, where there is something to say; to be shown as `hint: …`.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read(error) | Self::Write(error) => error.hint(),
            Self::Nothing => Some("give the folders of the runs".to_owned()),
            Self::Differ { .. } => Some(
                "merge runs of one plan: same seed and selection, same kernels, scenarios, QEMU and harness".to_owned(),
            ),
            Self::Overlap { .. } => Some("leave one of the two out: each shard may be there once".to_owned()),
        }
    }
}

/// Runs that belong together: of one plan, made from the same inputs, no trial in two of them.
#[derive(Debug)]
pub struct Parts(Vec<Part>);

#[derive(Debug)]
struct Part {
    run: Run,
    info: RunInfo,
    finished: Finished,
    /// Holds a lock on the log, so that no harness adds to it meanwhile.
    _log: File,
}

impl Parts {
    /// Reads the runs through and checks that they belong together. One to which a harness is writing is refused.
    pub fn read(runs: Vec<Run>) -> Result<Self, MergeError> {
        let mut parts: Vec<Part> = Vec::new();
        for run in runs {
            let part = Part::read(run).map_err(MergeError::Read)?;
            if let Some(first) = parts.first() {
                first.check_same(&part)?;
            }
            for other in &parts {
                other.check_disjoint(&part)?;
            }
            parts.push(part);
        }
        if parts.is_empty() { Err(MergeError::Nothing) } else { Ok(Self(parts)) }
    }

    /// How many trials they have together.
    pub fn recorded(&self) -> u64 {
        self.0.iter().map(|part| part.finished.len()).sum()
    }

    /// How many trials the whole plan has.
    pub fn planned(&self) -> u64 {
        let cells = self.0.first().map(|part| part.info.cells.as_slice()).unwrap_or_default();
        cells.iter().map(|cell| u64::from(cell.trials)).sum()
    }

    /// The shards that are not there, in words: `shards 2, 7 of 16`. Nothing if none is, or if the parts are not the
    /// shards of one division.
    pub fn missing_shards(&self) -> Option<String> {
        const SHOWN: usize = 20;
        let shards: Vec<_> = self.0.iter().map(|part| part.info.shard).collect::<Option<_>>()?;
        let of = shards.first()?.of();
        if shards.iter().any(|shard| shard.of() != of) {
            return None;
        }
        let there: BTreeSet<u32> = shards.iter().map(|shard| shard.index()).collect();
        let missing: Vec<String> =
            (1..=of).filter(|index| !there.contains(index)).take(SHOWN).map(|index| index.to_string()).collect();
        let more = (of as usize).saturating_sub(there.len() + missing.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let shards = if missing.len() == 1 { "shard" } else { "shards" };
        (!missing.is_empty()).then(|| format!("{shards} {}{more} of {of}", missing.join(", ")))
    }

    /// Writes them as one run, which begins now, below `results` (made if need be). It is nobody's until it is
    /// published; `command` is the command line that asks for it.
    pub fn merge(&self, results: &Path, began: SystemTime, command: Vec<String>) -> Result<Merged, MergeError> {
        self.write(results, began, command).map_err(MergeError::Write)
    }

    fn write(&self, results: &Path, began: SystemTime, command: Vec<String>) -> Result<Merged, Error> {
        fs::create_dir_all(results).map_err(Error::io("create", results))?;
        let staging = tempfile::Builder::new()
            .prefix(".merge-")
            // As the umask says, like any other run's.
            .permissions(Permissions::from_mode(0o777))
            .tempdir_in(results)
            .map_err(Error::io("create a folder in", results))?;
        let claimed = Claimed(Run::claim(results, began)?);
        let run = Run::staged(staging.path(), claimed.0.id());
        let path = run.trials_path();
        let mut log = BufWriter::new(File::create_new(&path).map_err(Error::io("create", &path))?);
        for part in &self.0 {
            part.copy(&run, |line| {
                log.write_all(line).and_then(|()| log.write_all(b"\n")).map_err(Error::io("write", &path))
            })?;
        }
        let log = log.into_inner().map_err(|error| Error::io("write", &path)(error.into_error()))?;
        log.sync_all().map_err(Error::io("write", &path))?;
        let info = self.info(run.id(), command);
        run.write_info(&info)?;
        Ok(Merged { results: results.to_owned(), staging, run, claimed, info })
    }

    /// The inputs of the merged run.
    fn info(&self, id: &str, command: Vec<String>) -> RunInfo {
        let mut info = self.0[0].info.clone();
        let mut hosts: Vec<HostInfo> = Vec::new();
        for part in self.0.iter().map(|part| &part.info) {
            let of_part = if part.hosts.is_empty() { std::slice::from_ref(&part.host) } else { &part.hosts };
            for host in of_part {
                if !hosts.contains(host) {
                    hosts.push(host.clone());
                }
            }
            if part.started < info.started {
                info.started.clone_from(&part.started);
            }
            info.jobs = info.jobs.max(part.jobs);
        }
        id.clone_into(&mut info.run_id);
        info.command = command;
        info.shard = None;
        info.merged_from = self.0.iter().map(|part| part.run.id().to_owned()).collect();
        info.hosts = hosts;
        info
    }
}

impl Part {
    fn read(run: Run) -> Result<Self, Error> {
        let info = run.info()?;
        let path = run.trials_path();
        let log = File::open(&path).map_err(Error::io("read", &path))?;
        trials::lock(&path, log.try_lock_shared())?;
        let (_, finished) = run.tally()?;
        Ok(Self { run, info, finished, _log: log })
    }

    fn check_same(&self, other: &Self) -> Result<(), MergeError> {
        same::first_difference(&self.info, &other.info).map_or(Ok(()), |same::Difference { what, here, there }| {
            let [first, other] = [self, other].map(|part| part.run.folder().to_owned());
            Err(MergeError::Differ { first, other, what, here, there })
        })
    }

    fn check_disjoint(&self, other: &Self) -> Result<(), MergeError> {
        self.finished.first_common(&other.finished).map_or(Ok(()), |index| {
            let [first, other] = [self, other].map(|part| part.run.folder().to_owned());
            Err(MergeError::Overlap { first, other, index })
        })
    }

    /// Hands over every record's line as it stands, and brings the artifacts.
    fn copy(&self, to: &Run, mut line: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let target = to.artifacts_folder();
        fs::create_dir_all(&target).map_err(Error::io("create", &target))?;
        let bringer = artifacts::Bringer::open(&self.run.artifacts_folder(), &target)
            .map_err(Error::io("link the artifacts of", self.run.folder()))?;
        let mut trials = self.run.trials()?;
        while let Some(record) = trials.next() {
            let record = record?;
            line(trials.last_line())?;
            if self.finished.is_last(&record) {
                let artifacts = self.run.artifacts(record.index);
                bringer.bring(&artifacts).map_err(Error::io("link the files of", &artifacts))?;
            }
        }
        Ok(())
    }
}

/// A merged run that is not yet one of the results. If it is not published, it is removed.
#[derive(Debug)]
pub struct Merged {
    results: PathBuf,
    staging: TempDir,
    run: Run,
    claimed: Claimed,
    info: RunInfo,
}

/// The empty folder that keeps the run's name free; removed if it is still empty.
#[derive(Debug)]
struct Claimed(Run);

impl Drop for Claimed {
    fn drop(&mut self) {
        // Fails, as it should, where the run is in its place by now.
        let _ = fs::remove_dir(self.0.folder());
    }
}

impl Merged {
    /// The run, in its temporary folder: reports can be written.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// What it is made from.
    pub fn info(&self) -> &RunInfo {
        &self.info
    }

    /// Where its folder will be once it is published.
    pub fn place(&self) -> &Path {
        self.claimed.0.folder()
    }

    /// Makes it one of the results, and the latest.
    pub fn publish(self) -> Result<Run, Error> {
        let folder = self.claimed.0.folder();
        fs::rename(self.staging.path(), folder).map_err(Error::io("create", folder))?;
        // It has gone from there.
        let _ = self.staging.keep();
        let run = self.claimed.0.clone();
        run.make_latest(&self.results);
        Ok(run)
    }
}
