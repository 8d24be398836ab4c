//! The folder of one run, and finding it among the others.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::run_id::{is_run_id, run_id};
use super::timeline::read_timeline;
use super::{Error, Finished, RunInfo, SCHEMA_VERSION, Summary, SummaryBuilder, TrialLog, Trials, atomic};
use crate::model::TrialRecord;
use crate::model::artifacts::{CONSOLE, TIMELINE};
use crate::model::timeline::Timeline;

/// The link, in the results folder, to the run begun last.
pub const LATEST: &str = "latest";

/// The file, in a run's folder, with the schedule that its trials were made to follow.
pub const SCHEDULE: &str = "schedule.yaml";

const INFO: &str = "run.json";
const TRIALS: &str = "trials.jsonl";
const SUMMARY: &str = "summary.json";
const ARTIFACTS: &str = "artifacts";

/// The folder of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    folder: PathBuf,
    id: String,
}

impl Run {
    /// Makes the folder of a run that begins now, below `results` (made if need be), and points `latest` at it.
    pub fn create(results: &Path, began: SystemTime) -> Result<Self, Error> {
        fs::create_dir_all(results).map_err(Error::io("create", results))?;
        let run = Self::claim(results, began)?;
        let artifacts = run.artifacts_folder();
        fs::create_dir(&artifacts).map_err(Error::io("create", &artifacts))?;
        run.make_latest(results);
        Ok(run)
    }

    /// A run that is written in another folder than that of its name.
    pub(super) fn staged(folder: &Path, id: &str) -> Self {
        Self { folder: folder.to_owned(), id: id.to_owned() }
    }

    /// Points `latest` at it.
    pub(super) fn make_latest(&self, results: &Path) {
        if let Err(error) = point_latest(results, &self.id) {
            // A convenience: no run is given up for it.
            tracing::warn!("cannot point {} at {}: {error}", results.join(LATEST).display(), self.id);
        }
    }

    /// Makes a folder of a name that nobody has.
    pub(super) fn claim(results: &Path, began: SystemTime) -> Result<Self, Error> {
        let nanoseconds = began.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        let [low, high, ..] = (nanoseconds ^ std::process::id()).to_le_bytes();
        let salt = u16::from_le_bytes([low, high]);
        for attempt in 0..=u16::MAX {
            let id = run_id(began, salt.wrapping_add(attempt));
            let folder = results.join(&id);
            match fs::create_dir(&folder) {
                Ok(()) => return Ok(Self { folder, id }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("create", &folder)(error)),
            }
        }
        Err(Error::io("create a run in", results)(io::ErrorKind::AlreadyExists.into()))
    }

    /// The run whose folder this is.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        // By its real name, also when it is reached by a link or as `.`.
        let folder = folder.canonicalize().map_err(Error::io("read", folder))?;
        if ![INFO, TRIALS, SUMMARY].iter().any(|file| folder.join(file).is_file()) {
            return Err(Error::NotARun { path: folder });
        }
        let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { folder, id })
    }

    /// The run of that name: its id below `results`, `latest`, or a path (with a `/`) to its folder.
    pub fn find(results: &Path, name: &str) -> Result<Self, Error> {
        if name.contains('/') {
            return Self::open(Path::new(name));
        }
        if name == LATEST {
            return latest(results);
        }
        let folder = results.join(name);
        if folder.is_dir() {
            return Self::open(&folder);
        }
        let there = list(results)?.into_iter().rev().take(5).map(|run| run.id).collect();
        Err(Error::NoRun { name: name.to_owned(), results: results.to_owned(), there })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The run's name.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Writes `run.json`.
    pub fn write_info(&self, info: &RunInfo) -> Result<(), Error> {
        self.write_json(INFO, info)
    }

    /// Reads `run.json`.
    pub fn info(&self) -> Result<RunInfo, Error> {
        #[derive(serde::Deserialize)]
        struct Head {
            schema_version: u32,
        }
        let Head { schema_version: found } = self.read_json(INFO)?;
        if found != SCHEMA_VERSION {
            return Err(Error::Version { path: self.folder.join(INFO), found, known: SCHEMA_VERSION });
        }
        self.read_json(INFO)
    }

    /// Begins `trials.jsonl`, and locks the run for as long as the log lives.
    pub fn log(&self) -> Result<TrialLog, Error> {
        TrialLog::create(self.trials_path())
    }

    /// Reopens `trials.jsonl` and locks the run for as long as the log lives; returns what is recorded already. A
    /// last line that is incomplete is cut off.
    pub fn reopen_log(&self) -> Result<(TrialLog, Finished), Error> {
        TrialLog::reopen(self.trials_path())
    }

    /// Whether its trials are kept, and not a summary alone.
    pub fn has_trials(&self) -> bool {
        self.trials_path().is_file()
    }

    /// Reads `trials.jsonl`, record by record.
    pub fn trials(&self) -> Result<Trials, Error> {
        Trials::open(&self.trials_path())
    }

    /// Reads `trials.jsonl` through: what it counts, and which trials it has. Cells that `run.json` says are skipped
    /// are among the counted. Warns of an incomplete last line.
    pub fn tally(&self) -> Result<(Summary, Finished), Error> {
        let mut trials = self.trials()?;
        let planned = if self.folder.join(INFO).is_file() { self.info()?.cells } else { Vec::new() };
        let mut summary = SummaryBuilder::of_plan(&planned);
        for record in &mut trials {
            summary.add(&record?);
        }
        if let Some(torn) = trials.torn() {
            torn.warn(&self.trials_path());
        }
        Ok((summary.finish(&self.id), trials.into_finished()))
    }

    /// Writes `summary.json`.
    pub fn write_summary(&self, summary: &Summary) -> Result<(), Error> {
        self.write_json(SUMMARY, summary)
    }

    /// What the run counted: from its trials if they are there, else (a summary kept alone, as a baseline) from
    /// `summary.json`. Where both are there and differ, that is an error.
    pub fn summary(&self) -> Result<Summary, Error> {
        let path = self.folder.join(SUMMARY);
        if !self.has_trials() {
            return self.read_json(SUMMARY);
        }
        let (counted, _) = self.tally()?;
        // An interrupted run has no summary yet; a renamed one has its old name in it.
        if path.is_file() && self.read_json::<Summary>(SUMMARY)?.cells != counted.cells {
            return Err(Error::Disagree { path });
        }
        Ok(counted)
    }

    /// Writes a report into the folder; tells its path.
    pub fn write_report(&self, file: &str, content: impl AsRef<[u8]>) -> Result<PathBuf, Error> {
        let path = self.folder.join(file);
        atomic::write(&path, content.as_ref()).map_err(Error::io("write", &path))?;
        Ok(path)
    }

    /// Writes a file beside the artifacts of a trial that are kept already.
    pub fn write_artifact(&self, trial: u64, file: &str, content: impl AsRef<[u8]>) -> Result<(), Error> {
        let path = self.artifacts(trial).join(file);
        atomic::write(&path, content.as_ref()).map_err(Error::io("write", &path))
    }

    /// `trials.jsonl`.
    pub(super) fn trials_path(&self) -> PathBuf {
        self.folder.join(TRIALS)
    }

    /// `artifacts`, with a folder for each trial.
    pub(super) fn artifacts_folder(&self) -> PathBuf {
        self.folder.join(ARTIFACTS)
    }

    /// Where the artifacts of one trial are: `artifacts/00012`.
    pub fn artifacts(&self, trial: u64) -> PathBuf {
        self.artifacts_folder().join(format!("{trial:05}"))
    }

    /// Makes that folder, empty: what an earlier attempt left there, or a harness that was killed, is removed.
    pub fn create_artifacts(&self, trial: u64) -> Result<PathBuf, Error> {
        let path = self.artifacts(trial);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::io("empty", &path)(error)),
            _ => {}
        }
        fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        Ok(path)
    }

    /// The end of what a trial's console said, at most `limit` bytes; nothing if it was not kept.
    pub fn console_tail(&self, trial: u64, limit: u32) -> Result<Option<Vec<u8>>, Error> {
        let path = self.artifacts(trial).join(CONSOLE);
        match tail(&path, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// What each CPU was seen doing in a trial; `None` if that was not recorded, or is not kept.
    pub fn timeline(&self, trial: u64) -> Result<Option<Timeline>, Error> {
        read_timeline(&self.artifacts(trial))
    }

    /// A trial's record and its timeline; an error if there is none.
    pub fn traced(&self, trial: u64) -> Result<(TrialRecord, Timeline), Error> {
        let run = || self.id().to_owned();
        let mut found = None;
        for record in self.trials()? {
            // Of several attempts the last one counts, and it is its artifacts that are there.
            found = Some(record?).filter(|record| record.index == trial).or(found);
        }
        let trials = || self.trials_path();
        let record = found.ok_or_else(|| Error::NoTrial { run: run(), trial, trials: trials() })?;
        let path = || self.artifacts(trial).join(TIMELINE);
        let timeline = self.timeline(trial)?.ok_or_else(|| Error::NoTimeline { run: run(), trial, path: path() })?;
        Ok((record, timeline))
    }

    fn write_json(&self, file: &str, value: &impl Serialize) -> Result<(), Error> {
        let path = self.folder.join(file);
        let mut text = serde_json::to_vec_pretty(value).map_err(Error::json(&path))?;
        text.push(b'\n');
        atomic::write(&path, &text).map_err(Error::io("write", &path))
    }

    fn read_json<T: DeserializeOwned>(&self, file: &str) -> Result<T, Error> {
        let path = self.folder.join(file);
        let text = fs::read(&path).map_err(Error::io("read", &path))?;
        serde_json::from_slice(&text).map_err(Error::json(&path))
    }
}

/// The runs below `results`, oldest first; none if there is no such folder.
pub fn list(results: &Path) -> Result<Vec<Run>, Error> {
    let entries = match fs::read_dir(results) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("read", results)(error)),
    };
    let mut runs = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io("read", results))?.path();
        if !path.file_name().is_some_and(|name| is_run_id(&name.to_string_lossy())) {
            continue;
        }
        match Run::open(&path) {
            Ok(run) => runs.push(run),
            // Begun, and died before it wrote anything.
            Err(Error::NotARun { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    runs.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(runs)
}

/// The run begun last: the one `latest` points at, else the one of the newest name.
pub fn latest(results: &Path) -> Result<Run, Error> {
    if let Ok(run) = Run::open(&results.join(LATEST)) {
        return Ok(run);
    }
    list(results)?.pop().ok_or_else(|| Error::NoRuns { results: results.to_owned() })
}

/// Points `latest` at a run, at one stroke.
fn point_latest(results: &Path, id: &str) -> io::Result<()> {
    let new = results.join(format!(".{LATEST}-{id}"));
    symlink(id, &new)?;
    fs::rename(&new, results.join(LATEST)).inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}

/// The last bytes of a file, at most `limit`.
fn tail(path: &Path, limit: u32) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(u64::from(limit))))?;
    let mut bytes = Vec::new();
    file.take(u64::from(limit)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
