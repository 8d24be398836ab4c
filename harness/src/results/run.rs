//! The folder of one run, and finding it among the others.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::run_id::{began, is_run_id, run_id};
use super::timeline::read_timeline;
use super::trials::lock;
use super::{Error, Finished, RunInfo, SCHEMA_VERSION, Summary, SummaryBuilder, TrialLog, Trials, atomic};
use crate::model::TrialRecord;
use crate::model::artifacts::{CONSOLE, TIMELINE};
use crate::model::timeline::Timeline;

/// The link, in the results folder, to the run begun last.
pub const LATEST: &str = "latest";

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

    /// When it began, by its name.
    pub fn began(&self) -> Option<SystemTime> {
        began(&self.id)
    }

    /// What its files take on the disk, in bytes, as far as they can be looked at; what another run shares with it is counted too.
    pub fn bytes(&self) -> u64 {
        bytes_below(&self.folder)
    }

    /// [`Error::Locked`] if somebody writes to it.
    pub fn is_idle(&self) -> Result<(), Error> {
        self.lock().map(drop)
    }

    /// Removes it with all that it has. [`Error::Locked`] if somebody writes to it: then it is left as it is.
    pub fn remove(&self) -> Result<(), Error> {
        // Held until it is gone, so that nobody goes on with it meanwhile.
        let _lock = self.lock()?;
        // Under another name first: if this is cut short, no half of a run is left.
        let parent = self.folder.parent().unwrap_or(&self.folder);
        let hidden = parent.join(format!(".pruned-{}", self.id));
        fs::rename(&self.folder, &hidden).map_err(Error::io("remove", &self.folder))?;
        fs::remove_dir_all(&hidden).map_err(Error::io("remove", &hidden))?;
        let latest = parent.join(LATEST);
        if !latest.exists() {
            let _ = fs::remove_file(&latest);
            if let Some(run) = list(parent)?.pop() {
                point_latest(parent, run.id()).map_err(Error::io("point to the latest run in", parent))?;
            }
        }
        Ok(())
    }

    /// The file of its trials, locked; none of a summary that is kept alone.
    fn lock(&self) -> Result<Option<File>, Error> {
        let path = self.trials_path();
        match File::open(&path) {
            Ok(file) => lock(&path, file.try_lock()).map(|()| Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", &path)(error)),
        }
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

    /// A trial's record; an error if there is none.
    pub fn trial(&self, trial: u64) -> Result<TrialRecord, Error> {
        let mut found = None;
        for record in self.trials()? {
            // Of several attempts the last one counts, and it is its artifacts that are there.
            found = Some(record?).filter(|record| record.index == trial).or(found);
        }
        found.ok_or_else(|| Error::NoTrial { run: self.id().to_owned(), trial, trials: self.trials_path() })
    }

    /// A trial's record and its timeline; an error if there is none.
    pub fn traced(&self, trial: u64) -> Result<(TrialRecord, Timeline), Error> {
        let record = self.trial(trial)?;
        let path = || self.artifacts(trial).join(TIMELINE);
        let no_timeline = || Error::NoTimeline { run: self.id().to_owned(), trial, path: path() };
        let timeline = self.timeline(trial)?.ok_or_else(no_timeline)?;
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

/// What the files below a folder take on the disk, in bytes.
fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
        Ok(meta) => meta.blocks() * 512,
        Err(_) => 0,
    };
    entries.map(bytes).sum()
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
