//! Trials as they are run: a bar for each variant with its rate and the verdict on each of its cells so far; away from
//! a terminal a line now and then.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressStyle};

use super::pace::Pace;
use crate::model::{CellKey, Channel, ChannelOutcome, KernelName, TrialRecord};
use crate::results::{CellSummary, SummaryBuilder};
use crate::text::seconds;

/// More cells than this are counted by their verdict instead of shown one by one.
const LETTERS: usize = 40;

/// The progress of a run's trials.
pub struct TrialsView {
    began: Instant,
    pace: Pace,
    /// The kernels, in the plan's order.
    kernels: Vec<KernelName>,
    cells: Vec<CellKey>,
    counts: SummaryBuilder,
    bars: Option<(MultiProgress, BTreeMap<KernelName, ProgressBar>)>,
    /// Trials to be run by this process, and those that were.
    planned: u64,
    done: u64,
    /// Trials to be run and those that were, by kernel.
    by_kernel: BTreeMap<KernelName, (u64, u64)>,
    retried: u64,
}

impl TrialsView {
    /// Begins. `earlier` are the counts of a run that is resumed.
    pub fn begin(cells: &[CellKey], counts: SummaryBuilder) -> Self {
        let mut kernels: Vec<KernelName> = Vec::new();
        for cell in cells {
            if !kernels.contains(&cell.kernel()) {
                kernels.push(cell.kernel());
            }
        }
        let bars = std::io::stderr().is_terminal().then(|| {
            let multi = MultiProgress::new();
            let width = kernels.iter().map(|kernel| kernel.to_string().len()).max().unwrap_or(0);
            let template = format!("{{prefix:{width}}} {{bar:24}} {{pos}}/{{len}} {{msg}}");
            let bar = |kernel: &KernelName| {
                let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
                let bar = multi.add(ProgressBar::new(0).with_style(style).with_prefix(kernel.to_string()));
                bar.enable_steady_tick(Duration::from_millis(500));
                (kernel.clone(), bar)
            };
            let bars = kernels.iter().map(bar).collect();
            (multi, bars)
        });
        Self {
            began: Instant::now(),
            pace: Pace::default(),
            kernels,
            cells: cells.to_vec(),
            counts,
            bars,
            planned: 0,
            done: 0,
            by_kernel: BTreeMap::new(),
            retried: 0,
        }
    }

    /// More trials of a kernel are to be run.
    pub fn plan(&mut self, kernel: &KernelName, trials: u64) {
        self.planned += trials;
        let (_, planned) = self.by_kernel.entry(kernel.clone()).or_default();
        *planned += trials;
        if let Some(bar) = self.bars.as_ref().and_then(|(_, bars)| bars.get(kernel)) {
            bar.set_length(*planned);
        }
    }

    /// A line that stays.
    pub fn line(&self, line: &str) {
        match &self.bars {
            Some((multi, _)) => multi.suspend(|| eprintln!("{line}")),
            None => eprintln!("{line}"),
        }
    }

    /// A trial's record is on disk. An infra-error that will be tried again comes with a later record.
    pub fn add(&mut self, record: &TrialRecord) {
        self.counts.add(record);
        if record.attempt > 0 {
            self.retried += 1;
        } else {
            self.done += 1;
            let (done, _) = self.by_kernel.entry(record.cell.kernel()).or_default();
            *done += 1;
        }
        self.show(&record.cell.kernel());
    }

    fn show(&mut self, kernel: &KernelName) {
        if let Some((_, bars)) = &self.bars {
            if let Some(bar) = bars.get(kernel) {
                let (done, planned) = self.by_kernel.get(kernel).copied().unwrap_or_default();
                bar.set_position(done);
                let left = self.left(done, planned).map(|left| format!(" {} left", HumanDuration(left)));
                let rate = self.rate(done);
                bar.set_message(format!("{rate:.1}/s{} {}", left.unwrap_or_default(), self.verdicts(kernel)));
            }
            return;
        }
        if self.pace.due(self.done == 1) {
            let left = self.left(self.done, self.planned);
            let left = left.map(|left| format!(", about {} left", HumanDuration(left))).unwrap_or_default();
            let verdicts: Vec<String> =
                self.kernels.iter().map(|kernel| format!("{kernel} {}", self.verdicts(kernel))).collect();
            let (done, planned, rate) = (self.done, self.planned, self.rate(self.done));
            eprintln!("trials: {done}/{planned}, {rate:.1}/s{left}; {}", verdicts.join("; "));
        }
    }

    /// Ends with a line that stays.
    pub fn end(self) {
        if let Some((multi, _)) = &self.bars {
            let _ = multi.clear();
        }
        let rate = self.rate(self.done);
        let summary = self.counts.finish("");
        let sum = |count: fn(&CellSummary) -> u32| summary.cells.iter().map(|cell| u64::from(count(cell))).sum::<u64>();
        eprintln!(
            "trials: {} of {} finished, {} hung, {} missed, {} infra-errors, {} tried again ({}, {:.1}/s)",
            self.done,
            self.planned,
            sum(|cell| cell.hung),
            sum(|cell| cell.missed),
            sum(|cell| cell.infra_errors),
            self.retried,
            seconds(self.began.elapsed()),
            rate,
        );
    }

    fn rate(&self, done: u64) -> f64 {
        let elapsed = self.began.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
        let rate = done as f64 / elapsed.max(0.001);
        rate
    }

    /// An estimate by the speed so far; none before there is enough of it.
    fn left(&self, done: u64, planned: u64) -> Option<Duration> {
        let elapsed = self.began.elapsed();
        if done * 50 < planned || planned <= done || elapsed < Duration::from_secs(2) {
            return None;
        }
        let (rest, done) = (u32::try_from(planned - done).ok()?, u32::try_from(done).ok()?);
        Some(elapsed / done * rest)
    }

    /// `console SSSS pstore SSLM`: a letter for each cell of the kernel, in the plan's order.
    fn verdicts(&self, kernel: &KernelName) -> String {
        let cells: Vec<&CellKey> = self.cells.iter().filter(|cell| cell.kernel() == *kernel).collect();
        let of_channel = |channel: Channel| {
            let letters = cells.iter().map(|key| letter(self.counts.cell(key), channel));
            if cells.len() <= LETTERS {
                return format!("{channel} {}", letters.collect::<String>());
            }
            let mut counts: BTreeMap<char, usize> = BTreeMap::new();
            for letter in letters {
                *counts.entry(letter).or_default() += 1;
            }
            let counts: Vec<_> = counts.iter().map(|(letter, count)| format!("{count}{letter}")).collect();
            format!("{channel} {}", counts.join("+"))
        };
        self.counts.channels().into_iter().map(of_channel).collect::<Vec<_>>().join(" ")
    }
}

/// `S`: all saved so far; `L`, `T`, `C`, `U`: all lost, truncated, corrupt, unreadable; `K`, `B`: all orders kept,
/// broken; `N`, `R`: no splats in any, some in all; `D`: no dump of any, for one reason; `M`: mixed; `.`: none counted.
fn letter(cell: Option<&CellSummary>, channel: Channel) -> char {
    let Some(counts) = cell.map(|cell| cell.channel(channel)).filter(|counts| counts.n() > 0) else { return '.' };
    let all = |outcome| counts.of(outcome) == counts.n();
    match () {
        () if all(ChannelOutcome::Saved) => 'S',
        () if all(ChannelOutcome::Lost) => 'L',
        () if all(ChannelOutcome::Truncated) => 'T',
        () if all(ChannelOutcome::Corrupt) => 'C',
        () if all(ChannelOutcome::Unreadable) => 'U',
        () if all(ChannelOutcome::Kept) => 'K',
        () if all(ChannelOutcome::Broken) => 'B',
        () if all(ChannelOutcome::NoSplats) => 'N',
        () if all(ChannelOutcome::Splats) => 'R',
        () if ChannelOutcome::ALL.into_iter().any(all) => 'D',
        () => 'M',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::sample::{cell, cell_with_order, key};

    #[test]
    fn a_letter_for_what_all_trials_of_a_cell_came_to() {
        let with = |pstore, order| {
            let cell = cell_with_order(cell(key("stock", "panic-alone", ""), (2, 2), pstore), order);
            Channel::ALL.map(|channel| letter(Some(&cell), channel)).iter().collect::<String>()
        };
        assert_eq!(with((2, 2), (2, 2)), "SS..K.");
        assert_eq!(with((0, 2), (0, 2)), "SL..B.");
        assert_eq!(with((1, 2), (1, 2)), "SM..M.");
        assert_eq!(with((0, 0), (0, 0)), "S.....");
        assert_eq!(letter(None, Channel::Order), '.');
    }
}
