//! What stands in a run's log: read without the harness's own reader, and again after each harness, which may only have added
//! to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Figures;
use super::life::Ended;
use crate::common::text;

/// A run's log as it was read last.
#[derive(Default)]
pub struct Log {
    lines: Vec<String>,
    /// What was reported as finished, by whichever harness of the run.
    reported: Vec<u64>,
}

impl Log {
    /// Reads it after a harness has ended, and looks whether anything is lost.
    pub fn reread(&mut self, run: &Path, ended: &Ended, place: &str, figures: &mut Figures) {
        let wrong = &mut figures.wrong;
        let log = text(&std::fs::read(run.join("trials.jsonl")).unwrap_or_default());
        let (whole, torn) = log.rsplit_once('\n').unwrap_or(("", &log));
        if !torn.is_empty() {
            figures.torn += 1;
            if !ended.killed {
                wrong.push(format!("{place}: a harness that was not killed leaves a torn line: {torn}"));
            }
        }
        let lines: Vec<String> = whole.lines().map(str::to_owned).collect();
        if !lines.starts_with(&self.lines) {
            wrong.push(format!("{place}: of {} lines that were there not all are as they were", self.lines.len()));
        }
        for line in lines.iter().filter(|line| serde_json::from_str::<Value>(line).is_err()) {
            wrong.push(format!("{place}: not a record: {line}"));
        }
        self.lines = lines;
        self.reported.extend(&ended.reported);
        let finished = self.finished();
        let lost: Vec<&u64> = self.reported.iter().filter(|index| !finished.contains_key(index)).collect();
        if !lost.is_empty() {
            wrong.push(format!("{place}: LOST: reported as finished, and not recorded: {lost:?}"));
        }
    }

    /// All records.
    pub fn records(&self) -> impl Iterator<Item = Value> {
        self.lines.iter().filter_map(|line| serde_json::from_str(line).ok())
    }

    /// How often each trial is recorded as finished, by its index.
    pub fn finished(&self) -> BTreeMap<u64, u32> {
        let mut finished = BTreeMap::new();
        for record in self.records().filter(|record| record["outcome"] != "infra-error") {
            *finished.entry(record["index"].as_u64().unwrap_or(u64::MAX)).or_default() += 1;
        }
        finished
    }

    /// Whether every trial is finished.
    pub fn is_complete(&self, trials: u32) -> bool {
        let finished = self.finished();
        (0..u64::from(trials)).all(|index| finished.contains_key(&index))
    }
}

/// The folder of the run that can be resumed; there is one at most.
pub fn folder_of(results: &Path) -> Option<PathBuf> {
    let runs = std::fs::read_dir(results).ok()?.flatten().map(|entry| entry.path());
    runs.filter(|run| !run.is_symlink()).find(|run| run.join("run.json").is_file())
}

/// Its id. Folders of harnesses that died before they had written anything are removed.
pub fn run_in(results: &Path, figures: &mut Figures) -> Option<String> {
    let known = folder_of(results);
    for entry in std::fs::read_dir(results).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.is_symlink() && known.as_ref() != Some(&path) {
            std::fs::remove_dir_all(path).unwrap();
            figures.stillborn += 1;
        }
    }
    Some(known?.file_name()?.to_str()?.to_owned())
}
