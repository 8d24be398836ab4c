//! One side of a comparison: how it is named, and what it holds.

use std::fmt;
use std::path::Path;

use super::Error;
use crate::kernel::commit_name;
use crate::model::KernelName;
use crate::results::{CellSummary, KernelInfo, LATEST, Run, is_run_id, list};

/// Which run and which of its variants: `RUN:VARIANT`, `RUN` or `VARIANT`.
///
/// A run is its id, `latest`, or a path with a `/`; without one it is the latest. A variant is its name, or
/// `NAME@BASE` where a run has it on several bases; a run of one variant needs none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    run: Option<String>,
    variant: Option<String>,
}

/// One variant's cells, of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The run.
    pub run: Run,
    /// The variant.
    pub variant: String,
    /// Its base.
    pub base: String,
    /// The commit that the base was then, unless it is called after that.
    pub commit: Option<String>,
    /// Its cells; no point twice.
    pub cells: Vec<CellSummary>,
    /// Whether the run had as many trials as it took to decide: then only sequential evidence holds.
    pub sequential: bool,
    /// What executed the run's guests, if that is known.
    pub accelerator: Option<String>,
}

impl Column {
    /// That its guests were executed as those of another, whose figures it is to be compared with.
    pub fn fits(&self, other: &Self) -> Result<(), Error> {
        match (&self.accelerator, &other.accelerator) {
            (Some(one), Some(two)) if one != two => {
                let side = |column: &Self, accelerator: &str| (column.run.id().to_owned(), accelerator.to_owned());
                Err(Error::Accelerators { one: side(self, one), other: side(other, two) })
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Column {
    /// `stock@6.12 of 20261122-050607-00ab`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.variant, self.base)?;
        if let Some(commit) = &self.commit {
            write!(f, " ({})", commit_name(commit))?;
        }
        write!(f, " of {}", self.run.id())
    }
}

impl Side {
    /// Reads how a side is named.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_run = |name: &str| name == LATEST || is_run_id(name) || name.contains('/');
        let (run, variant) = match text.rsplit_once(':') {
            // A variant has no slash: the colon is part of a path.
            Some((run, variant)) if !variant.contains('/') => (Some(run), Some(variant)),
            _ if is_run(text) => (Some(text), None),
            _ => (None, Some(text)),
        };
        if [run, variant].contains(&Some("")) {
            return Err(Error::Malformed { text: text.to_owned() });
        }
        Ok(Self { run: run.map(str::to_owned), variant: variant.map(str::to_owned) })
    }

    /// The side, of this run if it names none.
    #[must_use]
    pub fn or_run(self, run: &str) -> Self {
        Self { run: self.run.or_else(|| Some(run.to_owned())), ..self }
    }

    /// Reads what it names from the runs below `results`.
    pub fn load(&self, results: &Path) -> Result<Column, Error> {
        let run = Run::find(results, self.run.as_deref().unwrap_or(LATEST))?;
        let summary = run.summary()?;
        // A summary kept alone, as a baseline, has nothing that says how it came about.
        let info = run.info().ok();
        let sequential = info.as_ref().is_some_and(|info| info.until.is_some() || info.bisected.is_some());
        let accelerator = info.as_ref().map(|info| info.qemu.accelerator.clone());
        let commit = |column: &Column| {
            let is = |kernel: &&KernelInfo| kernel.variant == column.variant && kernel.base == column.base;
            let commit = info.as_ref()?.kernels.iter().find(is)?.commit.clone()?;
            (!column.base.starts_with(&commit_name(&commit)) && !column.base.contains('+')).then_some(commit)
        };
        let whole = |column: Column| Column { sequential, accelerator, commit: commit(&column), ..column };
        match self.choose(&run, summary.cells).map(whole) {
            Err(Error::NoVariant { run, variant, there, .. }) => {
                let elsewhere = self.elsewhere(results, &run);
                Err(Error::NoVariant { run, variant, there, elsewhere })
            }
            chosen => chosen,
        }
    }

    /// Takes the chosen variant's cells out of a run's.
    fn choose(&self, run: &Run, mut cells: Vec<CellSummary>) -> Result<Column, Error> {
        let there = names(&cells);
        let is = |name: &KernelName, wanted: &String| *wanted == name.variant || *wanted == name.to_string();
        let fits = |name: &KernelName| self.variant.as_ref().is_none_or(|wanted| is(name, wanted));
        let chosen: Vec<&KernelName> = there.iter().filter(|name| fits(name)).collect();
        let [KernelName { variant, base }] = chosen.as_slice() else {
            let text = |names: &[&KernelName]| names.iter().map(ToString::to_string).collect();
            let run = run.id().to_owned();
            return Err(match &self.variant {
                _ if there.is_empty() => Error::Empty { run },
                Some(variant) if chosen.is_empty() => Error::NoVariant {
                    run,
                    variant: variant.clone(),
                    there: text(&there.iter().collect::<Vec<_>>()),
                    elsewhere: None,
                },
                _ => Error::Ambiguous { run, there: text(&chosen) },
            });
        };
        let (variant, base) = (variant.clone(), base.clone());
        cells.retain(|cell| cell.key.variant == variant && cell.key.base == base);
        Ok(Column { run: run.clone(), variant, base, commit: None, cells, sequential: false, accelerator: None })
    }

    /// The newest run but this one that has the variant; best effort, for a hint.
    fn elsewhere(&self, results: &Path, but: &str) -> Option<String> {
        let runs = list(results).ok()?;
        let has = |run: &Run| run.summary().is_ok_and(|summary| self.choose(run, summary.cells).is_ok());
        runs.iter().rev().filter(|run| run.id() != but).find(|run| has(run)).map(|run| run.id().to_owned())
    }
}

/// What a run has, in the plan's order.
fn names(cells: &[CellSummary]) -> Vec<KernelName> {
    let mut names = Vec::new();
    for cell in cells {
        let name = cell.key.kernel();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
