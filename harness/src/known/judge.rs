//! What of a run's failures is known, and what is left of the list.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::{Entry, KnownList};
use crate::model::{CellKey, Channel};
use crate::results::{CellSummary, Judged, Judgement, RunInfo, Summary};
use crate::stats::{Effective, benjamini_hochberg, boschloo_effective};

/// A known failure is worse than it was recorded below this p-value, adjusted for all of them: nobody is woken for chance more
/// often than in one of 27 years of nights.
const WORSE_BELOW: f64 = 1e-4;

/// A known failure passes again below this p-value, if its share was recorded.
const BETTER_BELOW: f64 = 0.05;

/// What a list says of a run. Entries are told by their places in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What is known of channels of cells that failed.
    failures: BTreeMap<(CellKey, Channel), Known>,
    /// What is to be said of entries, in their order.
    pub left: Vec<(usize, Left)>,
    /// The day of the run.
    pub day: Option<NaiveDate>,
}

/// What is known of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It is as it was recorded.
    As(usize),
    /// It is shown to be worse than it was recorded, so it is new.
    Worse(usize),
    /// It was known until a day that is past, so it is new.
    Expired(usize),
}

/// What is to be said of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It fits none of the plan's cells.
    FitsNothing,
    /// It fits cells of whose channel nothing is expected, so that nothing can fail.
    NothingExpected,
    /// Its last day is past.
    Expired,
    /// What was expected was not refuted anywhere, and it is better than it was recorded.
    Passes,
}

impl KnownList {
    /// Looks up every failure of a run.
    pub fn judge(&self, info: &RunInfo, summary: &Summary, judged: &[Judged]) -> Findings {
        let day = info.started.get(..10).and_then(|day| day.parse().ok());
        let counted: BTreeMap<&CellKey, &CellSummary> = summary.cells.iter().map(|cell| (&cell.key, cell)).collect();
        let counts =
            |cell: &CellKey, channel: Channel| Some(counted.get(cell)?.channel(channel).by_template().effective());
        // Of each failure that is known its entry, and the p-value of "as recorded", if it is worse.
        let (mut known, mut p_values) = (Vec::new(), Vec::new());
        let mut expected: BTreeMap<(&CellKey, Channel), bool> = BTreeMap::new();
        for one in judged {
            let failed = matches!(one.judgement, Judgement::Failed(_));
            *expected.entry((&one.cell, one.expectation.channel)).or_default() |= failed;
        }
        for (&(cell, channel), _) in expected.iter().filter(|(_, failed)| **failed) {
            let Some(place) = self.entries.iter().position(|entry| entry.fits(cell, channel)) else { continue };
            let recorded = self.entries[place].share.map(Effective::from);
            let p = recorded.zip(counts(cell, channel)).filter(|(recorded, now)| now.share() < recorded.share());
            p_values.push(p.map_or(1.0, |(recorded, now)| boschloo_effective(recorded, now)));
            known.push((cell.clone(), channel, place));
        }
        let adjusted = benjamini_hochberg(&p_values);
        let failures = known.into_iter().zip(adjusted).map(|((cell, channel, place), p)| {
            let what = match &self.entries[place] {
                entry if entry.is_past(day) => Known::Expired(place),
                _ if p < WORSE_BELOW => Known::Worse(place),
                _ => Known::As(place),
            };
            ((cell, channel), what)
        });
        let failures: BTreeMap<(CellKey, Channel), Known> = failures.collect();
        let left = self.entries.iter().enumerate().filter_map(|(place, entry)| {
            let planned = info.cells.iter().any(|planned| entry.fits_cell(&planned.key));
            let of_entry: Vec<bool> = expected
                .iter()
                .filter(|((cell, channel), _)| entry.fits(cell, *channel))
                .map(|(_, failed)| *failed)
                .collect();
            let better = |(cell, channel): &(&CellKey, Channel)| {
                let recorded = entry.share.map(Effective::from);
                counts(cell, *channel).is_some_and(|now| {
                    now.of() > 0.0
                        && recorded.is_none_or(|recorded| {
                            now.share() > recorded.share() && boschloo_effective(recorded, now) < BETTER_BELOW
                        })
                })
            };
            let passes = || expected.keys().filter(|(cell, channel)| entry.fits(cell, *channel)).all(better);
            let left = match of_entry.as_slice() {
                _ if !planned => Left::FitsNothing,
                _ if entry.is_past(day) => Left::Expired,
                [] => Left::NothingExpected,
                failed if failed.iter().all(|failed| !failed) && passes() => Left::Passes,
                _ => return None,
            };
            Some((place, left))
        });
        Findings { left: left.collect(), failures, day }
    }
}

impl Entry {
    /// Whether its last day is before this one.
    fn is_past(&self, day: Option<NaiveDate>) -> bool {
        self.until.zip(day).is_some_and(|(until, day)| day > until)
    }
}

impl Findings {
    /// What is known of a channel of a cell that failed; nothing if it is new.
    pub fn of(&self, cell: &CellKey, channel: Channel) -> Option<&Known> {
        self.failures.get(&(cell.clone(), channel))
    }

    /// How many failures are known, and no worse than they were recorded, by the places of their entries.
    pub fn excused(&self) -> impl Iterator<Item = usize> {
        self.failures.values().filter_map(|known| if let Known::As(place) = known { Some(*place) } else { None })
    }
}

impl Known {
    /// The place of its entry.
    pub fn place(&self) -> usize {
        let (Self::As(place) | Self::Worse(place) | Self::Expired(place)) = self;
        *place
    }
}
