//! `summary.json`: the trials counted, cell by cell.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::PlannedCell;
use crate::model::schedule::{Held, HoldOutcome};
use crate::model::splats::{LoggedIn, Splat};
use crate::model::{CellKey, Channel, ChannelOutcome, TrialOutcome, TrialRecord, is_zero};
use crate::stats::{BetweenTemplates, Clusters, Interval, Proportion, wilson};

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
    /// The counts of each channel: those of the log, and others that some trial was judged by.
    pub channels: BTreeMap<Channel, Counts>,
    /// By template, how many of its trials that counted ended and did not hang. Of trials whose template is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ended_by_template: BTreeMap<String, Ended>,
    /// What each channel kept of all that was logged: the mean over the trials that know it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub log_kept_percent: BTreeMap<Channel, MeanPercent>,
    /// The reports of the kernel's in what the trials that counted have logged, by their titles; at most
    /// `MAX_TITLES`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub splats: BTreeMap<String, SplatCounts>,
    /// How the schedule went that its trials were made to follow: in how many it was kept, and in how many it was not for which
    /// reason. Of trials that were no infra-errors.
    #[serde(default, skip_serializing_if = "ScheduleCounts::is_none")]
    pub schedule: ScheduleCounts,
}

/// In how many trials of a cell its schedule was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleCounts {
    /// In this many.
    pub kept: u32,
    /// In how many it was not, by what became of the first hold that was not as it says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_kept: BTreeMap<HoldOutcome, u32>,
}

impl ScheduleCounts {
    /// Whether there was no schedule.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// In how many trials it is known how it went.
    pub fn trials(&self) -> u32 {
        self.not_kept.values().fold(self.kept, |sum, count| sum.saturating_add(*count))
    }

    fn add(&mut self, holds: &[Held]) {
        match Held::not_kept(holds) {
            _ if holds.is_empty() => {}
            Some(held) => *self.not_kept.entry(held.outcome).or_default() += 1,
            None => self.kept += 1,
        }
    }
}

/// Titles that are counted in a cell, at most.
pub const MAX_TITLES: usize = 64;

/// In how many trials of a cell a report was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplatCounts {
    /// Trials that counted in which it was logged.
    pub trials: u32,
    /// Those among them whose faults ask for it, or whose scenario allows it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub expected: u32,
    /// In how many it was found where.
    #[serde(rename = "in")]
    pub found_in: BTreeMap<LoggedIn, u32>,
}

/// A mean of percentages, rounded down to hundredths, so that only a mean of 100 is all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "f64", into = "f64")]
pub struct MeanPercent {
    basis_points: u32,
}

/// How many of a template's trials that counted ended; in JSON `[ended, n]`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
pub struct Ended(Proportion);

/// How often a channel had each outcome, in all and by template.
///
/// In JSON `n`, their sum, and `ci95`, the interval of the good one, stand beside those that the channel may have; and
/// `between_templates` where a template is known. On reading, an `n` that is not the sum is an error, and so are templates
/// that have more than all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Counts {
    all: Outcomes,
    templates: BTreeMap<String, Outcomes>,
}

/// How often each outcome, in the order of [`ChannelOutcome::ALL`].
type Outcomes = [u32; ChannelOutcome::ALL.len()];

/// [`Counts`] as they are written: the outcomes of an order, of splats or of the log.
#[derive(Serialize, Deserialize)]
struct Written {
    n: u32,
    #[serde(flatten)]
    of: BTreeMap<ChannelOutcome, u32>,
    ci95: Interval,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    between_templates: Option<Between>,
}

/// What lies between templates, as it is written.
#[derive(Serialize, Deserialize)]
struct Between {
    #[serde(flatten, skip_deserializing)]
    figures: Option<BetweenTemplates>,
    /// The outcomes by template.
    by_template: BTreeMap<String, BTreeMap<ChannelOutcome, u32>>,
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
        counted.cell.add(&record.outcome, record.template.as_deref());
        counted.add_kept(&record.outcome);
        counted.cell.add_splats(record);
        if matches!(record.outcome, TrialOutcome::InfraError { .. }) {
            self.failed.insert(record.index, place);
        } else {
            counted.cell.schedule.add(&record.holds);
        }
    }

    /// What was counted; the cells stand in the order of their first trial in the plan.
    pub fn finish(mut self, run_id: &str) -> Summary {
        self.cells.sort_by_key(|counted| counted.first);
        Summary { run_id: run_id.to_owned(), cells: self.cells.into_iter().map(Counted::finish).collect() }
    }

    /// The counts of a cell so far; `None` if no trial of it was counted.
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
            ended_by_template: BTreeMap::new(),
            log_kept_percent,
            splats: BTreeMap::new(),
            schedule: ScheduleCounts::default(),
        }
    }

    /// The counts of a channel; empty if it was never read.
    pub fn channel(&self, channel: Channel) -> &Counts {
        static NOTHING: Counts = Counts { all: [0; ChannelOutcome::ALL.len()], templates: BTreeMap::new() };
        self.channels.get(&channel).unwrap_or(&NOTHING)
    }

    /// Why a channel of this cell has an `n` of 0, in words.
    pub fn why_none_counted(&self, channel: Channel) -> String {
        let Self { trials, missed, infra_errors, .. } = self;
        if let Some(reason) = &self.skipped {
            return format!("skipped: {reason}");
        }
        match (trials, self.counted()) {
            (0, _) => "no trial was run".to_owned(),
            (_, 0) => format!("none of {trials} trials counted: {missed} missed, {infra_errors} infra-error"),
            (_, counted) if channel == Channel::Order => {
                format!("not seen in {counted} trials that counted: none of them has a timeline")
            }
            (_, counted) => format!("the channel was judged in none of the trials that counted ({counted})"),
        }
    }

    /// Takes back an infra-error that is tried again.
    fn retry(&mut self) {
        self.trials -= 1;
        self.infra_errors -= 1;
        self.retried += 1;
    }

    fn add(&mut self, outcome: &TrialOutcome, template: Option<&str>) {
        self.trials += 1;
        match outcome {
            TrialOutcome::Missed { .. } => self.missed += 1,
            TrialOutcome::InfraError { .. } => self.infra_errors += 1,
            TrialOutcome::Counted { hung, channels } => {
                self.hung += u32::from(*hung);
                if let Some(template) = template {
                    self.ended_by_template.entry(template.to_owned()).or_default().add(!hung);
                }
                for (channel, verdict) in channels {
                    self.channels.entry(*channel).or_default().add(verdict.outcome, template);
                }
            }
        }
    }

    /// Counts what was logged in a trial that counts.
    fn add_splats(&mut self, record: &TrialRecord) {
        if !matches!(record.outcome, TrialOutcome::Counted { .. }) {
            return;
        }
        for Splat { title, found_in, expected } in &record.splats {
            if self.splats.len() >= MAX_TITLES && !self.splats.contains_key(title) {
                continue;
            }
            let counts = self.splats.entry(title.clone()).or_default();
            counts.trials += 1;
            counts.expected += u32::from(*expected);
            for place in found_in {
                *counts.found_in.entry(*place).or_default() += 1;
            }
        }
    }

    /// How many trials counted.
    pub fn counted(&self) -> u32 {
        self.trials.saturating_sub(self.missed).saturating_sub(self.infra_errors)
    }

    /// The reports that nobody has asked for, each with the number of trials that have it.
    pub fn unexpected_splats(&self) -> impl Iterator<Item = (&str, u32)> {
        let unexpected = |counts: &SplatCounts| counts.trials.saturating_sub(counts.expected);
        self.splats.iter().map(move |(title, counts)| (title.as_str(), unexpected(counts))).filter(|(_, n)| *n > 0)
    }

    /// How often the guest ended and did not hang, of the trials that counted, by template.
    pub fn ended(&self) -> Clusters {
        let counted = self.counted();
        let all = proportion(counted.saturating_sub(self.hung), counted);
        by_template(all, self.ended_by_template.values().map(|ended| ended.0))
    }
}

/// `hits` of `of`, or all of them if `hits` is more, as it may be in a file that somebody has edited.
fn proportion(hits: u32, of: u32) -> Proportion {
    Proportion::new(hits.min(of), of).unwrap_or_default()
}

/// A share of which these are the templates' parts; what is left of it belongs to none.
fn by_template(all: Proportion, templates: impl Iterator<Item = Proportion> + Clone) -> Clusters {
    let known = templates.clone().fold(Proportion::default(), Proportion::plus);
    let of = all.of().saturating_sub(known.of());
    Clusters::new(proportion(all.hits().saturating_sub(known.hits()), of), templates)
}

impl Ended {
    fn add(&mut self, ended: bool) {
        self.0 = self.0.plus(proportion(u32::from(ended), 1));
    }
}

impl TryFrom<(u32, u32)> for Ended {
    type Error = String;

    fn try_from((ended, of): (u32, u32)) -> Result<Self, String> {
        Proportion::new(ended, of).map(Self).ok_or_else(|| format!("of {of} trials of a template {ended} ended"))
    }
}

impl From<Ended> for (u32, u32) {
    fn from(Ended(share): Ended) -> Self {
        (share.hits(), share.of())
    }
}

impl Counts {
    /// Counts of known outcomes, each named at most once; `None` when their sum is beyond counting.
    pub fn new(known: impl IntoIterator<Item = (ChannelOutcome, u32)>) -> Option<Self> {
        Some(Self { all: outcomes(known)?, templates: BTreeMap::new() })
    }

    /// Says which of the outcomes are those of a template; `None` if they are more than all that is left.
    #[must_use]
    pub fn with_template(
        mut self,
        template: String,
        known: impl IntoIterator<Item = (ChannelOutcome, u32)>,
    ) -> Option<Self> {
        self.templates.insert(template, outcomes(known)?);
        let all = self.all.iter().enumerate();
        let mut sums = all.map(|(at, all)| (all, self.templates.values().map(|own| u64::from(own[at])).sum::<u64>()));
        sums.all(|(all, sum)| sum <= u64::from(*all)).then_some(self)
    }

    /// Trials that counted for this channel.
    pub fn n(&self) -> u32 {
        self.all.iter().sum()
    }

    /// How many of them had this outcome.
    pub const fn of(&self, outcome: ChannelOutcome) -> u32 {
        self.all[outcome as usize]
    }

    /// The share of the good outcome.
    pub fn good(&self) -> Proportion {
        share(&self.all, is_good)
    }

    /// The share of the good outcome, by template.
    pub fn by_template(&self) -> Clusters {
        self.of_by_template(is_good)
    }

    /// The share of some outcomes, by template.
    pub fn of_by_template(&self, counts: impl Fn(ChannelOutcome) -> bool) -> Clusters {
        by_template(share(&self.all, &counts), self.templates.values().map(|own| share(own, &counts)))
    }

    /// The interval (95 %) of the share of the good outcome: Wilson's, of the effective counts.
    pub fn ci95(&self) -> Interval {
        wilson(self.by_template().effective())
    }

    fn add(&mut self, outcome: ChannelOutcome, template: Option<&str>) {
        self.all[outcome as usize] += 1;
        if let Some(template) = template {
            self.templates.entry(template.to_owned()).or_default()[outcome as usize] += 1;
        }
    }
}

/// Whether it is the good outcome of a channel: each has one of the two.
const fn is_good(outcome: ChannelOutcome) -> bool {
    matches!(outcome, ChannelOutcome::Saved | ChannelOutcome::Kept | ChannelOutcome::NoSplats)
}

/// The share of some outcomes.
fn share(of: &Outcomes, counts: impl Fn(ChannelOutcome) -> bool) -> Proportion {
    let hits = ChannelOutcome::ALL.into_iter().filter(|outcome| counts(*outcome)).map(|outcome| of[outcome as usize]);
    proportion(hits.sum(), of.iter().sum())
}

/// Each named at most once; `None` when their sum is beyond counting.
fn outcomes(known: impl IntoIterator<Item = (ChannelOutcome, u32)>) -> Option<Outcomes> {
    let (mut outcomes, mut sum) = (Outcomes::default(), 0u32);
    for (outcome, count) in known {
        sum = sum.checked_add(count)?;
        outcomes[outcome as usize] = count;
    }
    Some(outcomes)
}

impl From<Counts> for Written {
    fn from(counts: Counts) -> Self {
        // The outcomes tell which channel's they are; where there are none, the log's are told.
        let of = |channel: &Channel| channel.outcomes().iter().any(|outcome| counts.of(*outcome) > 0);
        let channel = [Channel::Order, Channel::Splats].into_iter().find(of).unwrap_or(Channel::Console);
        let told = |outcome: &ChannelOutcome| counts.of(*outcome) > 0 || channel.outcomes().contains(outcome);
        let of = ChannelOutcome::ALL.into_iter().filter(told).map(|outcome| (outcome, counts.of(outcome))).collect();
        let known = |own: &Outcomes| {
            let counts = ChannelOutcome::ALL.into_iter().map(|outcome| (outcome, own[outcome as usize]));
            counts.filter(|(_, count)| *count > 0).collect()
        };
        let between_templates = counts.by_template().between().map(|figures| Between {
            figures: Some(figures),
            by_template: counts.templates.iter().map(|(template, own)| (template.clone(), known(own))).collect(),
        });
        Self { n: counts.n(), of, ci95: counts.ci95(), between_templates }
    }
}

impl TryFrom<Written> for Counts {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { n, of, between_templates, .. } = written;
        let counts = Self::new(of)
            .filter(|counts| counts.n() == n)
            .ok_or_else(|| format!("n is {n}, but the outcomes beside it add up to another number"))?;
        let templates = between_templates.map(|between| between.by_template).unwrap_or_default();
        templates.into_iter().try_fold(counts, |counts, (template, own)| {
            let more = || format!("template {template} and those before it have more trials than all");
            counts.with_template(template.clone(), own).ok_or_else(more)
        })
    }
}
