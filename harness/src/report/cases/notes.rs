//! What reports tell of single trials.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{CellKey, Channel, ChannelOutcome, TrialOutcome, TrialRecord};
use crate::results::Finished;

/// Attempts of a cell that were tried again and are told one by one.
const RETRIED: usize = 3;

/// What reports tell of single trials, gathered as they go by: a few records a cell, however many trials there are.
#[derive(Debug, Default)]
pub struct TrialNotes(BTreeMap<CellKey, CellNotes>);

#[derive(Debug, Default)]
pub(in crate::report) struct CellNotes {
    /// The time that its trials took, in which channels have no part of their own.
    pub wall: Duration,
    /// The earliest start.
    pub started: Option<String>,
    /// The trial with the least index, of each kind.
    pub first: Option<TrialRecord>,
    pub first_infra: Option<TrialRecord>,
    pub first_with: BTreeMap<(Channel, ChannelOutcome), Option<TrialRecord>>,
    /// The first attempts, by trial and attempt, that were infra-errors and were tried again.
    pub retried: Vec<TrialRecord>,
}

impl TrialNotes {
    /// Those of a log's records; which of a trial's attempts counts is told by `finished`.
    pub fn of<E>(records: impl IntoIterator<Item = Result<TrialRecord, E>>, finished: &Finished) -> Result<Self, E> {
        let mut notes = Self::default();
        for record in records {
            let record = record?;
            let cell = notes.0.entry(record.cell.clone()).or_default();
            if finished.is_last(&record) { cell.add(&record) } else { cell.add_retried(record) }
        }
        Ok(notes)
    }

    pub(super) fn of_cell(&self, cell: &CellKey) -> Option<&CellNotes> {
        self.0.get(cell)
    }
}

impl CellNotes {
    /// Notes a trial: its last attempt.
    fn add(&mut self, record: &TrialRecord) {
        self.wall += Duration::from_millis(record.wall_ms);
        if self.started.as_ref().is_none_or(|started| record.started < *started) {
            self.started = Some(record.started.clone());
        }
        keep_first(&mut self.first, record);
        match &record.outcome {
            TrialOutcome::Counted { channels, .. } => {
                for (channel, verdict) in channels {
                    keep_first(self.first_with.entry((*channel, verdict.outcome)).or_default(), record);
                }
            }
            TrialOutcome::InfraError { .. } => keep_first(&mut self.first_infra, record),
            TrialOutcome::Missed { .. } => {}
        }
    }

    /// Notes an attempt that was tried again.
    fn add_retried(&mut self, record: TrialRecord) {
        let place = |record: &TrialRecord| (record.index, record.attempt);
        let at = self.retried.partition_point(|known| place(known) < place(&record));
        self.retried.insert(at, record);
        self.retried.truncate(RETRIED);
    }
}

fn keep_first(kept: &mut Option<TrialRecord>, record: &TrialRecord) {
    if kept.as_ref().is_none_or(|kept| record.index < kept.index) {
        *kept = Some(record.clone());
    }
}
