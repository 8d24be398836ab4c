//! Who is ranked on a base, and where.

use std::collections::BTreeMap;

use super::contest::Contest;
use super::measure::Measure;
use crate::compare::{Error, Point};
use crate::model::{CellKey, Channel};
use crate::results::{CellSummary, Summary};

/// The variants of one base, and the cases that they were run in.
pub(super) struct Field<'a> {
    pub(super) base: &'a str,
    /// The reference first.
    pub(super) variants: Vec<&'a str>,
    /// The cases, in the plan's order of scenarios.
    pub(super) cases: Vec<Point>,
    /// The cells that there are, by the positions of variant and case.
    cells: BTreeMap<(usize, usize), &'a CellSummary>,
}

impl<'a> Field<'a> {
    /// One for each base, in the order in which the chosen variants first name it.
    pub(super) fn all(summary: &'a Summary, chosen: &[String]) -> Result<Vec<Self>, Error> {
        let mut kernels: Vec<(&str, &str)> = Vec::new();
        for CellKey { variant, base, .. } in summary.cells.iter().map(|cell| &cell.key) {
            if !kernels.contains(&(variant, base)) {
                kernels.push((variant, base));
            }
        }
        if kernels.is_empty() {
            return Err(Error::Empty { run: summary.run_id.clone() });
        }
        let is = |(variant, base): (&str, &str), name: &str| {
            name == variant || name.strip_prefix(variant).and_then(|rest| rest.strip_prefix('@')) == Some(base)
        };
        if let Some(unknown) = chosen.iter().find(|name| !kernels.iter().any(|kernel| is(*kernel, name))) {
            return Err(Error::NoVariant {
                run: summary.run_id.clone(),
                variant: unknown.clone(),
                there: kernels.iter().map(|(variant, base)| format!("{variant}@{base}")).collect(),
                elsewhere: None,
            });
        }
        let place = |kernel| chosen.iter().position(|name| is(kernel, name));
        kernels.retain(|kernel| chosen.is_empty() || place(*kernel).is_some());
        kernels.sort_by_key(|kernel| place(*kernel));

        let mut fields: Vec<Self> = Vec::new();
        for (variant, base) in kernels {
            match fields.iter_mut().find(|field| field.base == base) {
                Some(field) => field.variants.push(variant),
                None => {
                    fields.push(Self { base, variants: vec![variant], cases: Vec::new(), cells: BTreeMap::new() });
                }
            }
        }
        for field in &mut fields {
            field.fill(&summary.cells)?;
        }
        Ok(fields)
    }

    /// Takes its cells out of a run's.
    fn fill(&mut self, cells: &'a [CellSummary]) -> Result<(), Error> {
        let variants = &self.variants;
        let of_variant =
            |key: &CellKey| variants.iter().position(|variant| key.base == self.base && key.variant == *variant);
        let cells: Vec<_> = cells.iter().filter_map(|cell| Some((of_variant(&cell.key)?, cell))).collect();
        for (_, cell) in &cells {
            let case = Point::of(cell);
            if !self.cases.contains(&case) {
                self.cases.push(case);
            }
        }
        let mut scenarios: Vec<String> = Vec::new();
        for Point { scenario, .. } in &self.cases {
            if !scenarios.contains(scenario) {
                scenarios.push(scenario.clone());
            }
        }
        self.cases.sort_by_key(|case| scenarios.iter().position(|scenario| *scenario == case.scenario));
        for (variant, cell) in cells {
            let point = Point::of(cell);
            let case = self.cases.iter().position(|case| *case == point);
            if case.is_some_and(|case| self.cells.insert((variant, case), cell).is_some()) {
                return Err(Error::Twice { cell: cell.key.to_string() });
            }
        }
        Ok(())
    }

    /// The counts of a variant in a case; `None` if it was not planned there, or has no trial yet.
    pub(super) fn cell(&self, variant: usize, case: usize) -> Option<&'a CellSummary> {
        self.cells.get(&(variant, case)).copied()
    }

    /// Every case by each of its measures, not yet judged: those that every guest has, and those by which some variant
    /// was judged.
    pub(super) fn contests(&self) -> Vec<Contest> {
        let mut contests = Vec::new();
        for case in 0..self.cases.len() {
            for measure in Measure::ALL {
                let shares = (0..self.variants.len())
                    .filter_map(|variant| Some((variant, measure.of(self.cell(variant, case)?))))
                    .filter(|(_, share)| share.pooled().of() > 0);
                let contest = Contest::new(case, measure, shares.collect());
                let of_every_guest = match measure {
                    Measure::Channel(channel) => Channel::OF_LOG.contains(&channel),
                    Measure::Ended => true,
                };
                if of_every_guest || !contest.shares.is_empty() {
                    contests.push(contest);
                }
            }
        }
        contests
    }
}
