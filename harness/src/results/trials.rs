//! `trials.jsonl`: one line a trial, appended and read.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::{Error, Finished};
use crate::model::TrialRecord;

/// A record has some 1 KiB; a line of more than this is none, and is not read into memory.
const MAX_LINE: u64 = 1 << 20;

/// At most this many records are written before they are synced, so that the first of them does not wait for ever.
const MAX_GROUP: usize = 256;

/// The log being written; shared by all workers. As long as it lives, nobody else can write to it.
///
/// Records are written by a thread of its own, so that nobody who runs guests waits for a disk. Those that come while the
/// disk is busy are synced together.
#[derive(Debug)]
pub struct TrialLog {
    path: PathBuf,
    /// Taken when the log is dropped, by which the writer learns that no more will come.
    lines: Option<mpsc::Sender<Line>>,
    writer: Option<JoinHandle<()>>,
}

impl TrialLog {
    /// A new log. One that is there already is left alone, and is an error.
    pub(super) fn create(path: PathBuf) -> Result<Self, Error> {
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(Error::io("create", &path))?;
        lock(&path, file.try_lock())?;
        Self::on(path, file, 0)
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
        Ok((Self::on(path, file, whole)?, finished))
    }

    /// The log in this file, which is open for appending and has `whole` bytes of whole lines.
    pub(super) fn on(path: PathBuf, file: File, whole: u64) -> Result<Self, Error> {
        let (lines, to_write) = mpsc::channel();
        let writer = Writer { path: path.clone(), file, whole };
        let writer = thread::Builder::new()
            .name("trial-log".to_owned())
            .spawn(move || writer.run(&to_write))
            .map_err(Error::io("start a thread that writes", &path))?;
        Ok(Self { path, lines: Some(lines), writer: Some(writer) })
    }

    /// Appends one trial's line. When the future is ready, the line is on the disk: the worker may begin its next trial.
    ///
    /// The line is handed over before this returns, and is written whether or not the future is awaited. A line that could
    /// only be written in part (the disk is full) is taken back, so what was recorded before stays readable.
    pub fn append(&self, trial: &TrialRecord) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let handed_over = self.hand_over(trial);
        let path = self.path.clone();
        async move { handed_over?.await.unwrap_or_else(|_| Err(writer_died(&path))) }
    }

    /// As [`Self::append`], for a thread that may block. Panics on a thread that runs asynchronous tasks.
    pub fn append_blocking(&self, trial: &TrialRecord) -> Result<(), Error> {
        self.hand_over(trial)?.blocking_recv().unwrap_or_else(|_| Err(writer_died(&self.path)))
    }

    fn hand_over(&self, trial: &TrialRecord) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
        let mut bytes = serde_json::to_vec(trial).map_err(Error::json(&self.path))?;
        bytes.push(b'\n');
        let (recorded, answer) = oneshot::channel();
        let sent = self.lines.as_ref().is_some_and(|lines| lines.send(Line { bytes, recorded }).is_ok());
        if sent { Ok(answer) } else { Err(writer_died(&self.path)) }
    }
}

impl Drop for TrialLog {
    /// Waits until everything that was handed over is written and the lock is free.
    fn drop(&mut self) {
        drop(self.lines.take());
        // A writer that panicked has dropped its file too.
        let _ = self.writer.take().map(JoinHandle::join);
    }
}

fn writer_died(path: &Path) -> Error {
    Error::io("append to", path)(io::Error::other("the thread that writes it has died"))
}

/// A record's line with its end, and whom to tell what became of it.
#[derive(Debug)]
struct Line {
    bytes: Vec<u8>,
    recorded: oneshot::Sender<Result<(), Error>>,
}

/// The side of the log that waits for the disk.
struct Writer {
    path: PathBuf,
    /// Holds the lock, which the kernel gives up with it, however the harness ends.
    file: File,
    /// Bytes of whole lines so far.
    whole: u64,
}

impl Writer {
    /// Writes until the log is dropped. Lines that are waiting are written one by one and synced together.
    fn run(mut self, lines: &mpsc::Receiver<Line>) {
        while let Ok(first) = lines.recv() {
            let mut written = Vec::new();
            for Line { bytes, recorded } in iter::once(first).chain(lines.try_iter()).take(MAX_GROUP) {
                match self.write(&bytes) {
                    Ok(()) => written.push(recorded),
                    Err(error) => tell(recorded, Err(self.failed(error))),
                }
            }
            if written.is_empty() {
                continue;
            }
            let synced = self.file.sync_data();
            for recorded in written {
                // An error of the operating system has a number, and nothing but that.
                let copied =
                    |error: &io::Error| error.raw_os_error().map_or(error.kind().into(), io::Error::from_raw_os_error);
                tell(recorded, synced.as_ref().map_err(|error| self.failed(copied(error))).copied());
            }
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(line) {
            // Best effort: the error to be told is the first one, and a reader tolerates a torn last line.
            let _ = self.file.set_len(self.whole);
            return Err(error);
        }
        self.whole += line.len() as u64;
        Ok(())
    }

    fn failed(&self, error: io::Error) -> Error {
        Error::io("append to", &self.path)(error)
    }
}

/// Whoever does not wait for the answer any more need not have it.
fn tell(recorded: oneshot::Sender<Result<(), Error>>, result: Result<(), Error>) {
    let _ = recorded.send(result);
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
