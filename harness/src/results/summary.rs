//! `summary.json`: the trials counted, cell by cell.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::PlannedCell;
use crate::model::{CellKey, Channel, ChannelOutcome, TrialOutcome, TrialRecord, is_zero};
use crate::stats::{Interval, Proportion, wilson};

/// What a run counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The run.
    pub run_id: String,
    /// Its cells, in the plan's order.
    pub cells: Vec<CellSummary>,
}

/// What one cell counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CellSummary {
    /// Which cell.
    #[serde(flatten)]
    pub key: CellKey,
    /// All trials that were run, counted or not; each once, however often it was tried.
    pub trials: u32,
    /// Those whose faults did not meet: in no channel's `n`.
    pub missed: u32,
    /// Those that failed by our fault or the host's: in no channel's `n`.
    pub infra_errors: u32,
    /// Those among the counted that had not ended by their deadline.
    pub hung: u32,
    /// Attempts that were infra-errors and were tried again: in no other figure.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retried: u32,
    /// Why it was not run: what its kernel lacks of what the scenario needs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// What each channel came to: those of the log, and others that some trial was judged by.
    pub channels: BTreeMap<Channel, Counts>,
    /// What each channel kept of all that was logged: the mean over the trials that know it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub log_kept_percent: BTreeMap<Channel, MeanPercent>,
}

/// A mean of percentages, rounded down to hundredths, so that only a mean of 100 is all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct MeanPercent {
    basis_points: u32,
}

/// How often a channel came to each outcome.
///
/// In JSON `n`, their sum, and `ci95`, the Wilson interval of the good one, stand beside those that the channel may
/// come to. On reading, an `n` that is not the sum is an error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Counts([u32; ChannelOutcome::ALL.len()]);

/// [`Counts`] as they are written: the outcomes of an order or those of the log.
#[derive(Serialize, Deserialize)]
struct Written {
    n: u32,
    #[serde(flatten)]
    of: BTreeMap<ChannelOutcome, u32>,
    ci95: Interval,
}

/// Counts trials as they are read, in memory for the cells alone.
#[derive(Debug, Clone, Default)]
pub struct SummaryBuilder {
    cells: Vec<Counted>,
    places: BTreeMap<CellKey, usize>,
    /// The places of the trials whose last attempt was an infra-error.
    failed: BTreeMap<u64, usize>,
}

/// A cell being counted.
#[derive(Debug, Clone)]
struct Counted {
    /// The least index of its trials; of a skipped cell that which its first trial would have.
    first: u64,
    cell: CellSummary,
    /// What each channel kept of the log, in basis points, summed up, and in how many trials that is known.
    kept: BTreeMap<Channel, (u64, u32)>,
}

impl SummaryBuilder {
    /// One that has the cells of this plan which are skipped; the others come with their trials.
    pub fn of_plan(planned: &[PlannedCell]) -> Self {
        let mut builder = Self::default();
        for (first, planned) in (0..).zip(planned).filter(|(_, planned)| planned.skipped.is_some()) {
            let cell = CellSummary { skipped: planned.skipped.clone(), ..CellSummary::empty(planned.key.clone()) };
            builder.places.insert(planned.key.clone(), builder.cells.len());
            builder.cells.push(Counted { first, cell, kept: BTreeMap::new() });
        }
        builder
    }

    /// Counts one record. One of a trial whose infra-error was counted before takes its place.
    pub fn add(&mut self, record: &TrialRecord) {
        if let Some(place) = self.failed.remove(&record.index) {
            self.cells[place].cell.retry();
        }
        let place = self.place(record);
        let counted = &mut self.cells[place];
        counted.first = counted.first.min(record.index);
        counted.cell.add(&record.outcome);
        counted.add_kept(&record.outcome);
        if matches!(record.outcome, TrialOutcome::InfraError { .. }) {
            self.failed.insert(record.index, place);
        }
    }

    /// What was counted; the cells stand in the order of their first trial in the plan.
    pub fn finish(mut self, run_id: &str) -> Summary {
        self.cells.sort_by_key(|counted| counted.first);
        Summary { run_id: run_id.to_owned(), cells: self.cells.into_iter().map(Counted::finish).collect() }
    }

    /// What a cell came to so far; `None` if no trial of it was counted.
    pub fn cell(&self, key: &CellKey) -> Option<&CellSummary> {
        self.places.get(key).map(|place| &self.cells[*place].cell)
    }

    /// The channels to report so far, as [`Summary::channels`].
    pub fn channels(&self) -> Vec<Channel> {
        channels(&self.cells.iter().map(|counted| &counted.cell))
    }

    fn place(&mut self, record: &TrialRecord) -> usize {
        if let Some(place) = self.places.get(&record.cell) {
            return *place;
        }
        let cell = CellSummary::empty(record.cell.clone());
        self.cells.push(Counted { first: record.index, cell, kept: BTreeMap::new() });
        self.places.insert(record.cell.clone(), self.cells.len() - 1);
        self.cells.len() - 1
    }
}

impl Counted {
    fn add_kept(&mut self, outcome: &TrialOutcome) {
        let TrialOutcome::Counted { channels, .. } = outcome else { return };
        for (channel, kept) in channels.iter().filter_map(|(channel, verdict)| Some((channel, verdict.log.as_ref()?))) {
            let (sum, n) = self.kept.entry(*channel).or_default();
            (*sum, *n) = (*sum + u64::from(kept.basis_points()), *n + 1);
        }
    }

    fn finish(self) -> CellSummary {
        let mean = |(sum, n): (u64, u32)| u32::try_from(sum / u64::from(n)).unwrap_or(u32::MAX);
        let means = self.kept.into_iter().map(|(channel, sum)| (channel, MeanPercent { basis_points: mean(sum) }));
        CellSummary { log_kept_percent: means.collect(), ..self.cell }
    }
}

impl From<f64> for MeanPercent {
    /// To the nearest hundredth; a number saturates, and what is none is 0.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "such a cast saturates")]
    fn from(percent: f64) -> Self {
        Self { basis_points: (percent * 100.0).round() as u32 }
    }
}

impl From<MeanPercent> for f64 {
    fn from(mean: MeanPercent) -> Self {
        Self::from(mean.basis_points) / 100.0
    }
}

impl fmt::Display for MeanPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f64::from(*self).fmt(f)
    }
}

impl Summary {
    /// Counts trials, in whatever order they come, but the attempts of one trial in theirs.
    pub fn from_trials<'a>(run_id: &str, trials: impl IntoIterator<Item = &'a TrialRecord>) -> Self {
        let mut builder = SummaryBuilder::default();
        for trial in trials {
            builder.add(trial);
        }
        builder.finish(run_id)
    }

    /// The channels to report: those of the log, and any other that a trial was judged by.
    pub fn channels(&self) -> Vec<Channel> {
        channels(&self.cells.iter())
    }
}

fn channels<'a>(cells: &(impl Iterator<Item = &'a CellSummary> + Clone)) -> Vec<Channel> {
    let judged = |channel| cells.clone().any(|cell| cell.channel(channel).n() > 0);
    Channel::ALL.into_iter().filter(|channel| Channel::OF_LOG.contains(channel) || judged(*channel)).collect()
}

impl CellSummary {
    /// A cell of which no trial was run.
    pub fn empty(key: CellKey) -> Self {
        let channels = Channel::OF_LOG.into_iter().map(|channel| (channel, Counts::default())).collect();
        let log_kept_percent = BTreeMap::new();
        Self {
            key,
            trials: 0,
            missed: 0,
            infra_errors: 0,
            hung: 0,
            retried: 0,
            skipped: None,
            channels,
            log_kept_percent,
        }
    }

    /// What a channel came to; nothing if it was never read.
    pub fn channel(&self, channel: Channel) -> Counts {
        self.channels.get(&channel).copied().unwrap_or_default()
    }

    /// Why a channel of this cell has an `n` of 0, in words.
    pub fn why_none_counted(&self) -> String {
        let Self { trials, missed, infra_errors, .. } = self;
        if let Some(reason) = &self.skipped {
            return format!("skipped: {reason}");
        }
        match (trials, trials.saturating_sub(*missed).saturating_sub(*infra_errors)) {
            (0, _) => "no trial was run".to_owned(),
            (_, 0) => format!("none of {trials} trials counted: {missed} missed, {infra_errors} infra-error"),
            (_, counted) => format!("the channel was judged in none of the trials that counted ({counted})"),
        }
    }

    /// Takes back an infra-error that is tried again.
    fn retry(&mut self) {
        self.trials -= 1;
        self.infra_errors -= 1;
        self.retried += 1;
    }

    fn add(&mut self, outcome: &TrialOutcome) {
        self.trials += 1;
        match outcome {
            TrialOutcome::Missed { .. } => self.missed += 1,
            TrialOutcome::InfraError { .. } => self.infra_errors += 1,
            TrialOutcome::Counted { hung, channels } => {
                self.hung += u32::from(*hung);
                for (channel, verdict) in channels {
                    *self.channels.entry(*channel).or_default().of_mut(verdict.outcome) += 1;
                }
            }
        }
    }
}

impl Counts {
    /// Counts of known outcomes, each named at most once; `None` when their sum is beyond counting.
    pub fn new(known: impl IntoIterator<Item = (ChannelOutcome, u32)>) -> Option<Self> {
        let (mut counts, mut sum) = (Self::default(), 0u32);
        for (outcome, count) in known {
            sum = sum.checked_add(count)?;
            *counts.of_mut(outcome) = count;
        }
        Some(counts)
    }

    /// Trials that counted for this channel.
    pub const fn n(self) -> u32 {
        let (mut sum, mut at) = (0, 0);
        // Iterators are not for constants.
        while at < self.0.len() {
            sum += self.0[at];
            at += 1;
        }
        sum
    }

    /// How many of them came to this outcome.
    pub const fn of(self, outcome: ChannelOutcome) -> u32 {
        self.0[outcome as usize]
    }

    /// The same as a share of all that counted.
    ///
    /// # Panics
    /// Never: the parts are not more than their sum.
    pub fn proportion(self, outcome: ChannelOutcome) -> Proportion {
        Proportion::new(self.of(outcome), self.n()).expect("a part is not more than the sum")
    }

    /// The share of the good outcome: a channel has one of the two.
    ///
    /// # Panics
    /// Never: the parts are not more than their sum.
    pub fn good(self) -> Proportion {
        Proportion::new(self.of(ChannelOutcome::Saved) + self.of(ChannelOutcome::Kept), self.n())
            .expect("a part is not more than the sum")
    }

    /// The Wilson interval (95 %) of the share of the good outcome.
    pub fn ci95(self) -> Interval {
        wilson(self.good())
    }

    const fn of_mut(&mut self, outcome: ChannelOutcome) -> &mut u32 {
        &mut self.0[outcome as usize]
    }
}

impl From<Counts> for Written {
    fn from(counts: Counts) -> Self {
        let is_order = Channel::Order.outcomes().iter().any(|outcome| counts.of(*outcome) > 0);
        let told = |outcome: &ChannelOutcome| {
            let of_order = Channel::Order.outcomes().contains(outcome);
            counts.of(*outcome) > 0 || (of_order == is_order && !outcome.is_rare())
        };
        let of = ChannelOutcome::ALL.into_iter().filter(told).map(|outcome| (outcome, counts.of(outcome))).collect();
        Self { n: counts.n(), of, ci95: counts.ci95() }
    }
}

impl TryFrom<Written> for Counts {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { n, of, .. } = written;
        Self::new(of)
            .filter(|counts| counts.n() == n)
            .ok_or_else(|| format!("n is {n}, but the outcomes beside it add up to another number"))
    }
}
