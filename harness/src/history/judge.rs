//! What became of each cell and channel, by all nights up to the last.

use serde::Serialize;

use super::{Built, Cell, History, Night};
use crate::model::{CellKey, Channel};
use crate::stats::{Change, Proportion, Regime, ln_threshold, regimes};

/// When something counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// The probability that any cell's channel is ever called new, worse, fixed or unsteady although nothing changed.
    pub alpha: f64,
    /// Of a cell that changed three times in so many nights it is no news that it changes.
    pub unsteady_nights: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { alpha: 0.05, unsteady_nights: 30 }
    }
}

/// What a cell's channel is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The last night showed that it keeps less than before.
    New,
    /// It did so already, and the last night showed that it keeps still less.
    Worse,
    /// It keeps less than it once did, or not what is expected of it, and that was known before the last night.
    Known,
    /// The last night showed that it keeps more than before.
    Fixed,
    /// It changes again and again, or differs from night to night.
    Unsteady,
    /// Nothing counted in the last night.
    NoData,
    /// It was not run in the last night, because its kernel lacks something.
    Skipped,
    /// None of these.
    Steady,
}

impl State {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 8] =
        [Self::New, Self::Worse, Self::Known, Self::Fixed, Self::Unsteady, Self::NoData, Self::Skipped, Self::Steady];

    /// How it is called in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Worse => "worse",
            Self::Known => "known",
            Self::Fixed => "fixed",
            Self::Unsteady => "unsteady",
            Self::NoData => "no data",
            Self::Skipped => "skipped",
            Self::Steady => "steady",
        }
    }

    /// Whether somebody has to look.
    pub const fn is_news(self) -> bool {
        matches!(self, Self::New | Self::Worse)
    }
}

/// Every cell and channel, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// In the history's order.
    pub rows: Vec<Row>,
    /// The changes that still matter, the last ones first.
    pub groups: Vec<Group>,
}

/// One channel of one cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The cell.
    pub key: CellKey,
    /// The channel.
    pub channel: Channel,
    /// What it is doing.
    pub state: State,
    /// The last night's counts.
    pub tonight: Proportion,
    /// Those of the nights since the last change, or of all.
    pub since: Proportion,
    /// Those before it, back to the change before that.
    pub before: Option<Proportion>,
    /// The last change.
    pub change: Option<Change>,
    /// The share of each night; none where nothing counted.
    pub shares: Vec<Option<f64>>,
}

/// Changes that have the same range and the same direction, most likely of one cause.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// When it was.
    pub since: Since,
    /// Whether less is kept since then.
    pub worse: bool,
    /// The rows, by their places.
    pub rows: Vec<usize>,
}

/// When something changed: the first night since then is one of these, at 95 %.
#[derive(Debug, Clone, PartialEq)]
pub struct Since {
    /// The first of the nights.
    pub earliest: usize,
    /// The last of them.
    pub latest: usize,
    /// The last night before all of them that has counts.
    pub good: Option<usize>,
    /// The kernel of that night.
    pub from: Built,
    /// The kernel of the last of the nights.
    pub to: Built,
    /// What else is another between those two nights, in words: the harness, QEMU.
    pub also: Vec<String>,
}

/// Judges all cells, with a false alarm in at most [`Options::alpha`] of all histories, however many nights they have.
pub fn judge(history: &History, options: Options) -> Judged {
    let series = history.cells.iter().map(|cell| cell.channels.len()).sum();
    let threshold = ln_threshold(options.alpha, series);
    let mut rows = Vec::new();
    let mut changed: Vec<(Since, bool, usize)> = Vec::new();
    for cell in &history.cells {
        for (&channel, periods) in &cell.channels {
            let regimes = regimes(periods, threshold);
            let Some(current) = regimes.last() else { continue };
            let before = regimes.len().checked_sub(2).and_then(|place| regimes.get(place)).map(|regime| regime.seen);
            let state = state(cell, channel, periods, &regimes, options);
            let matters = !matches!(state, State::Steady | State::Skipped | State::NoData);
            if let (Some(change), Some(before), true) = (current.change, before, matters) {
                changed.push((
                    since(&history.nights, cell, periods, change),
                    current.seen.share() < before.share(),
                    rows.len(),
                ));
            }
            rows.push(Row {
                key: cell.key.clone(),
                channel,
                state,
                tonight: periods.last().copied().unwrap_or_default(),
                since: current.seen,
                before,
                change: current.change,
                shares: periods.iter().map(|seen| seen.share()).collect(),
            });
        }
    }
    let groups = grouped(changed, &rows);
    Judged { rows, groups }
}

fn state(cell: &Cell, channel: Channel, periods: &[Proportion], regimes: &[Regime], options: Options) -> State {
    let last = periods.len().saturating_sub(1);
    let (Some(current), false) = (regimes.last(), cell.skipped.is_some()) else { return State::Skipped };
    if periods.last().is_none_or(|tonight| tonight.of() == 0) {
        return State::NoData;
    }
    let recent = |regime: &&Regime| regime.change.is_some() && regime.first + options.unsteady_nights > last;
    if regimes.iter().filter(recent).count() >= 3 || current.unsteady_since.is_some() {
        return State::Unsteady;
    }
    let [.., before, _] = regimes else {
        // What fails since the first night is no news.
        return if cell.fails(channel) { State::Known } else { State::Steady };
    };
    let share = |regime: &Regime| regime.seen.share().unwrap_or_default();
    let best = regimes.iter().rev().skip(2).map(share).fold(0.0, f64::max);
    let is_news = current.change.is_some_and(|change| change.shown_at == last);
    match (share(current) < share(before), is_news) {
        // It was worse than it had been before.
        (true, true) if share(before) < best => State::Worse,
        (true, true) => State::New,
        (true, false) => State::Known,
        (false, true) => State::Fixed,
        (false, false) if cell.fails(channel) => State::Known,
        (false, false) => State::Steady,
    }
}

fn since(nights: &[Night], cell: &Cell, periods: &[Proportion], Change { earliest, latest, .. }: Change) -> Since {
    let good = (0..earliest).rev().find(|&night| periods[night].of() > 0);
    let built = |night: usize| cell.built(nights, night).cloned().unwrap_or_default();
    let mut also = Vec::new();
    if let Some([one, other]) = good.and_then(|good| Some([nights.get(good)?, nights.get(latest)?])) {
        if one.harness != other.harness {
            also.push(format!("harness {} → {}", one.harness, other.harness));
        }
        if one.qemu != other.qemu {
            also.push(format!("QEMU {} → {}", one.qemu, other.qemu));
        }
    }
    Since { earliest, latest, good, from: good.map(built).unwrap_or_default(), to: built(latest), also }
}

/// Puts together what changed in the same nights, in the same direction and from the same kernel to the same.
fn grouped(changed: Vec<(Since, bool, usize)>, rows: &[Row]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (since, worse, row) in changed {
        match groups.iter_mut().find(|group| group.since == since && group.worse == worse) {
            Some(group) => group.rows.push(row),
            None => groups.push(Group { since, worse, rows: vec![row] }),
        }
    }
    let urgency = |group: &Group| group.rows.iter().map(|&row| rows[row].state).min();
    groups.sort_by_key(|group| (urgency(group), std::cmp::Reverse(group.since.latest)));
    groups
}

impl Judged {
    /// Takes what is in a list of known failures for known, and not for news.
    pub fn excuse(&mut self, known: impl Fn(&CellKey, Channel) -> bool) {
        for row in self.rows.iter_mut().filter(|row| row.state == State::New && known(&row.key, row.channel)) {
            row.state = State::Known;
        }
    }

    /// How many rows have a state.
    pub fn count(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }

    /// Whether there is anything that somebody has to look at.
    pub fn has_news(&self) -> bool {
        self.rows.iter().any(|row| row.state.is_news())
    }
}
