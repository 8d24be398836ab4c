//! From lines to series: one for each cell and channel, with a place for each night.

use std::collections::BTreeMap;

use super::{Counted, Error, Line};
use crate::model::{CellKey, Channel, KernelName};
use crate::stats::Proportion;

/// All nights, by time, and what each cell counted in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The nights, the oldest first.
    pub nights: Vec<Night>,
    /// The cells, those of the last night first and in its order.
    pub cells: Vec<Cell>,
}

/// One night's run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Night {
    /// The run.
    pub run: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// The harness.
    pub harness: String,
    /// QEMU.
    pub qemu: String,
    /// Trials are missing in it.
    pub cut_short: bool,
    /// What the kernels were.
    pub kernels: BTreeMap<KernelName, Built>,
}

/// What a kernel was built from, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Built {
    /// Its release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Its commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// What a cell counted, night by night.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Which cell. Across bases, with the base that it had last.
    pub key: CellKey,
    /// Its base in each night in which it is there.
    pub bases: BTreeMap<usize, String>,
    /// Why it was skipped in the last night, if it was.
    pub skipped: Option<String>,
    /// Each channel's counts, one for each night.
    pub channels: BTreeMap<Channel, Vec<Proportion>>,
    /// Whether what was expected of a channel was refuted, night by night; none where nothing was expected or counted.
    pub failed: BTreeMap<Channel, Vec<Option<bool>>>,
}

/// Takes lines in whatever order they come.
#[derive(Debug, Default)]
pub struct Builder {
    /// Whether a variant's base may be another one each night.
    across_bases: bool,
    nights: Vec<Night>,
    night_places: BTreeMap<String, usize>,
    cells: Vec<Taken>,
    cell_places: BTreeMap<CellKey, usize>,
    /// Lines that were there already.
    twice: usize,
}

/// What was taken of a cell: by the place of the night, in the order in which nights came.
#[derive(Debug)]
struct Taken {
    key: CellKey,
    nights: BTreeMap<usize, CellNight>,
}

#[derive(Debug)]
struct CellNight {
    base: String,
    skipped: Option<Box<str>>,
    channels: Box<[(Channel, Counted)]>,
}

impl Builder {
    /// One that takes the bases of a variant for one, if that is asked for: each night has another commit then.
    pub fn new(across_bases: bool) -> Self {
        Self { across_bases, ..Self::default() }
    }

    /// Whether a run is one of the nights.
    pub fn has(&self, run: &str) -> bool {
        self.night_places.contains_key(run)
    }

    /// How many lines were there a second time, and were left out.
    pub fn twice(&self) -> usize {
        self.twice
    }

    /// Takes a line.
    pub fn add(&mut self, line: Line) -> Result<(), Error> {
        let Line { run, started, harness, qemu, cut_short, release, commit, skipped, channels, .. } = line;
        let mut key = CellKey { variant: line.variant, base: line.base, scenario: line.scenario, params: line.params };
        let base = key.base.clone();
        let night = *self.night_places.entry(run).or_insert_with_key(|run| {
            let kernels = BTreeMap::new();
            self.nights.push(Night { run: run.clone(), started, harness, qemu, cut_short, kernels });
            self.nights.len() - 1
        });
        self.nights[night].kernels.entry(key.kernel()).or_insert(Built { release, commit });
        if self.across_bases {
            key.base.clear();
        }
        let place = *self.cell_places.entry(key).or_insert_with_key(|key| {
            self.cells.push(Taken { key: key.clone(), nights: BTreeMap::new() });
            self.cells.len() - 1
        });
        let cell = &mut self.cells[place];
        if let Some(known) = cell.nights.get(&night) {
            if known.base != base {
                let (run, variant) = (self.nights[night].run.clone(), cell.key.variant.clone());
                return Err(Error::Bases { run, variant, one: known.base.clone(), other: base });
            }
            self.twice += 1;
            return Ok(());
        }
        let skipped = skipped.map(String::into_boxed_str);
        cell.nights.insert(night, CellNight { base, skipped, channels: channels.into_iter().collect() });
        Ok(())
    }

    /// The history.
    pub fn finish(self) -> History {
        let mut order: Vec<usize> = (0..self.nights.len()).collect();
        let time = |night: &Night| (night.started.clone(), night.run.clone());
        order.sort_by_key(|&night| time(&self.nights[night]));
        // Where each night that was taken stands in time.
        let mut places = vec![0; order.len()];
        for (place, &night) in order.iter().enumerate() {
            places[night] = place;
        }
        let all = self.nights.len();
        let mut cells: Vec<Cell> = self.cells.into_iter().map(|cell| cell.in_time(&places)).collect();
        // Stable: the others keep the order in which they came.
        cells.sort_by_key(|cell| !all.checked_sub(1).is_some_and(|last| cell.bases.contains_key(&last)));
        let mut nights: Vec<Option<Night>> = self.nights.into_iter().map(Some).collect();
        History { nights: order.into_iter().filter_map(|night| nights[night].take()).collect(), cells }
    }
}

impl Taken {
    fn in_time(self, places: &[usize]) -> Cell {
        let Self { mut key, nights } = self;
        let all = places.len();
        let mut cell = Cell {
            key: key.clone(),
            bases: BTreeMap::new(),
            skipped: None,
            channels: BTreeMap::new(),
            failed: BTreeMap::new(),
        };
        for (night, CellNight { base, skipped, channels }) in nights {
            let place = places[night];
            if place + 1 == all {
                cell.skipped = skipped.map(String::from);
            }
            for (channel, Counted { good, failed }) in channels {
                cell.channels.entry(channel).or_insert_with(|| vec![Proportion::default(); all])[place] = good;
                cell.failed.entry(channel).or_insert_with(|| vec![None; all])[place] = failed;
            }
            cell.bases.insert(place, base);
        }
        if let Some((_, base)) = cell.bases.last_key_value() {
            key.base.clone_from(base);
        }
        Cell { key, ..cell }
    }
}

impl Cell {
    /// Whether what was expected of a channel was refuted in the last night.
    pub(super) fn fails(&self, channel: Channel) -> bool {
        self.failed.get(&channel).and_then(|nights| *nights.last()?) == Some(true)
    }

    /// What its kernel was in a night, if it was there.
    pub(super) fn built<'a>(&self, nights: &'a [Night], night: usize) -> Option<&'a Built> {
        let name = KernelName { variant: self.key.variant.clone(), base: self.bases.get(&night)?.clone() };
        nights.get(night)?.kernels.get(&name)
    }
}
