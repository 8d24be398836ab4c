//! `trials.jsonl`: one line a trial, appended and read.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{Error, Finished};
use crate::model::TrialRecord;

/// A record has some 1 KiB; a line of more than this is none, and is not read into memory.
const MAX_LINE: u64 = 1 << 20;

/// The log being written; shared by all workers. As long as it lives, nobody else can write to it.
#[derive(Debug)]
pub struct TrialLog {
    path: PathBuf,
    /// Holds the lock, which the kernel gives up with it, however the harness ends.
    file: File,
    /// Bytes of whole lines so far. Held while a line is written, so that lines never mix.
    whole: Mutex<u64>,
}

impl TrialLog {
    /// A new log. One that is there already is left alone, and is an error.
    pub(super) fn create(path: PathBuf) -> Result<Self, Error> {
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(Error::io("create", &path))?;
        lock(&path, file.try_lock())?;
        Ok(Self::on(path, file))
    }

    /// The log that is there, or a new one, and what is recorded in it. A torn last line is cut off.
    pub(super) fn reopen(path: PathBuf) -> Result<(Self, Finished), Error> {
        let file = OpenOptions::new().append(true).create(true).open(&path).map_err(Error::io("open", &path))?;
        // Before reading: nothing may be added behind our back.
        lock(&path, file.try_lock())?;
        let mut trials = Trials::open(&path)?;
        for record in &mut trials {
            record?;
        }
        let Trials { mut whole, unended, torn, finished, .. } = trials;
        if let Some(torn) = torn {
            torn.warn(&path);
            file.set_len(whole).map_err(Error::io("shorten", &path))?;
        } else if unended {
            (&file).write_all(b"\n").map_err(Error::io("append to", &path))?;
            whole += 1;
        }
        file.sync_data().map_err(Error::io("write", &path))?;
        Ok((Self { path, file, whole: Mutex::new(whole) }, finished))
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

/// That nobody else holds the lock.
pub(super) fn lock(path: &Path, locked: Result<(), TryLockError>) -> Result<(), Error> {
    locked.map_err(|error| match error {
        TryLockError::WouldBlock => Error::Locked { path: path.to_owned() },
        TryLockError::Error(source) => Error::io("lock", path)(source),
    })
}

/// The records of a log, read one by one, in the order they were written.
///
/// Anything wrong but an incomplete last line is an error that names the line, and the end. A trial stands in the log
/// once; again only with a higher `attempt`, after an infra-error. Memory does not grow with the records, but for a bit
/// a trial.
#[derive(Debug)]
pub struct Trials {
    path: PathBuf,
    reader: BufReader<File>,
    /// Lines read so far.
    line: usize,
    /// The last line read, without its end.
    bytes: Vec<u8>,
    /// Bytes of the lines that have an end.
    whole: u64,
    /// The last line is a record, but has no end.
    unended: bool,
    torn: Option<Torn>,
    finished: Finished,
    over: bool,
}

/// A last line without an end: the harness died, or its host, while it was being written. That trial is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// From 1.
    pub line: usize,
    /// How much of it is there.
    pub bytes: usize,
}

impl Torn {
    /// Says it in the harness's log.
    pub(super) fn warn(self, path: &Path) {
        let Self { line, bytes } = self;
        let path = path.display();
        tracing::warn!("{path}:{line}: the last line is incomplete ({bytes} bytes): that trial is not counted");
    }
}

impl Trials {
    /// Opens a log.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        Ok(Self {
            path: path.to_owned(),
            reader: BufReader::new(file),
            line: 0,
            bytes: Vec::new(),
            whole: 0,
            unended: false,
            torn: None,
            finished: Finished::default(),
            over: false,
        })
    }

    /// The incomplete last line, if there is one, once everything before it has been read.
    pub fn torn(&self) -> Option<Torn> {
        self.torn
    }

    /// The line of the record that was read last, as it stands in the file, without its end.
    pub(super) fn last_line(&self) -> &[u8] {
        &self.bytes
    }

    /// What has been read is recorded.
    pub(super) fn into_finished(self) -> Finished {
        self.finished
    }

    fn read(&mut self) -> Result<Option<TrialRecord>, Error> {
        self.bytes.clear();
        let mut reader = self.reader.by_ref().take(MAX_LINE);
        let read = reader.read_until(b'\n', &mut self.bytes).map_err(Error::io("read", &self.path))? as u64;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        let ended = self.bytes.pop_if(|last| *last == b'\n').is_some();
        if read == MAX_LINE && !ended {
            return Err(self.wrong(format!("not the record of a trial: the line is longer than {MAX_LINE} bytes")));
        }
        let record: TrialRecord = match serde_json::from_slice(&self.bytes) {
            Ok(record) => record,
            Err(_) if !ended => {
                self.torn = Some(Torn { line: self.line, bytes: self.bytes.len() });
                return Ok(None);
            }
            Err(error) => {
                // To serde_json each line is line 1.
                let error = error.to_string().replace(" at line 1 column ", " at column ");
                return Err(self.wrong(format!("not the record of a trial: {error}")));
            }
        };
        self.finished.add(&record).map_err(|cause| self.wrong(cause))?;
        self.unended = !ended;
        self.whole += read;
        Ok(Some(record))
    }

    fn wrong(&self, cause: String) -> Error {
        Error::Line { path: self.path.clone(), line: self.line, cause }
    }
}

impl Iterator for Trials {
    type Item = Result<TrialRecord, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.read().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}

#[cfg(test)]
mod tests;
