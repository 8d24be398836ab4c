//! Which trials of a run are recorded.

use std::collections::BTreeMap;

use super::index_set::{IndexSet, MAX_INDEX};
use crate::model::{TrialOutcome, TrialRecord};

/// Which trials of a run are recorded, and which of them may be tried again. Takes a bit a trial, and some bytes for
/// each whose last attempt was an infra-error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    recorded: IndexSet,
    /// The number of the last attempt, of those in which it was an infra-error.
    failed: BTreeMap<u64, u32>,
}

impl Finished {
    /// Whether the trial is recorded, whatever came of it.
    pub fn contains(&self, index: u64) -> bool {
        self.recorded.contains(index)
    }

    /// How many trials are recorded, each once.
    pub fn len(&self) -> u64 {
        self.recorded.len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The trials whose last attempt was an infra-error, and the number of that attempt, from 0. A run that is resumed
    /// may try them again; the record's `attempt` must then be higher.
    pub fn failed(&self) -> impl Iterator<Item = (u64, u32)> {
        self.failed.iter().map(|(index, attempt)| (*index, *attempt))
    }

    /// Whether this record, which is one of the log's, counts: no later attempt took its place.
    pub fn is_last(&self, record: &TrialRecord) -> bool {
        match self.failed.get(&record.index) {
            Some(last) => record.attempt == *last,
            None => !matches!(record.outcome, TrialOutcome::InfraError { .. }),
        }
    }

    /// A trial that is recorded here and there.
    pub(super) fn first_common(&self, other: &Self) -> Option<u64> {
        self.recorded.first_common(&other.recorded)
    }

    /// Notes the next record of a log; an error, in words, if it cannot stand there.
    pub(super) fn add(&mut self, record: &TrialRecord) -> Result<(), String> {
        let TrialRecord { index, attempt, .. } = *record;
        if index >= MAX_INDEX {
            return Err(format!("trial {index} is beyond the {MAX_INDEX} that a run can have"));
        }
        if !self.recorded.insert(index) {
            match self.failed.remove(&index) {
                None => {
                    return Err(format!("trial {index} is already in an earlier line, and was no infra-error there"));
                }
                Some(last) if attempt <= last => {
                    return Err(format!("trial {index} is already in an earlier line, as attempt {last}"));
                }
                Some(_) => {}
            }
        }
        if matches!(record.outcome, TrialOutcome::InfraError { .. }) {
            self.failed.insert(index, attempt);
        }
        Ok(())
    }
}
