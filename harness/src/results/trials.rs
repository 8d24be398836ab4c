//! `trials.jsonl`: one line a trial, appended and read.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Error;
use crate::model::TrialRecord;

/// The log being written; shared by all workers.
#[derive(Debug)]
pub struct TrialLog {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines so far. Held while a line is written, so that lines never mix.
    whole: Mutex<u64>,
}

impl TrialLog {
    /// A new log. One that is there already is left alone, and is an error.
    pub(super) fn create(path: PathBuf) -> Result<Self, Error> {
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(Error::io("create", &path))?;
        Ok(Self::on(path, file))
    }

    /// The log that begins in this file, which is open for appending and empty.
    pub(super) fn on(path: PathBuf, file: File) -> Self {
        Self { path, file, whole: Mutex::new(0) }
    }

    /// Appends one trial's line. When this returns, it is on the disk: the worker may begin its next trial.
    ///
    /// A line that could only be written in part (the disk is full) is taken back, so what was recorded before stays
    /// readable.
    pub fn append(&self, trial: &TrialRecord) -> Result<(), Error> {
        let mut line = serde_json::to_vec(trial).map_err(Error::json(&self.path))?;
        line.push(b'\n');
        {
            let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = (&self.file).write_all(&line) {
                // Best effort: the error to be told is the first one, and a reader tolerates a torn last line.
                let _ = self.file.set_len(*whole);
                return Err(Error::io("append to", &self.path)(error));
            }
            *whole += line.len() as u64;
        }
        // Outside the lock: the other workers need not wait for this one's disk.
        self.file.sync_data().map_err(Error::io("append to", &self.path))
    }
}

/// The trials a log holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trials {
    /// In the plan's order.
    pub records: Vec<TrialRecord>,
    /// The incomplete last line, if there is one.
    pub torn: Option<Torn>,
}

/// A last line without an end: the harness died, or its host, while it was being written. That trial is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// From 1.
    pub line: usize,
    /// How much of it is there.
    pub bytes: usize,
}

impl Trials {
    /// Reads a log. Anything wrong but an incomplete last line is an error that names the line.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let mut reader = BufReader::new(file);
        let mut trials = Self::default();
        let mut lines_by_index = BTreeMap::new();
        let mut bytes = Vec::new();
        for line in 1.. {
            bytes.clear();
            if reader.read_until(b'\n', &mut bytes).map_err(Error::io("read", path))? == 0 {
                break;
            }
            let wrong = |cause| Error::Line { path: path.to_owned(), line, cause };
            let (text, ended) = bytes.strip_suffix(b"\n").map_or((bytes.as_slice(), false), |text| (text, true));
            let record: TrialRecord = match serde_json::from_slice(text) {
                Ok(record) => record,
                Err(_) if !ended => {
                    trials.torn = Some(Torn { line, bytes: text.len() });
                    break;
                }
                Err(error) => {
                    // To serde_json each line is line 1.
                    let error = error.to_string().replace(" at line 1 column ", " at column ");
                    return Err(wrong(format!("not the record of a trial: {error}")));
                }
            };
            if let Some(first) = lines_by_index.insert(record.index, line) {
                return Err(wrong(format!("trial {} is already in line {first}", record.index)));
            }
            trials.records.push(record);
        }
        trials.records.sort_by_key(|record| record.index);
        Ok(trials)
    }
}
