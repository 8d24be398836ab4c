//! How often a bisection names the right commit, and how many trials it takes, beside what `git bisect` would do: simulated.

use std::fmt;

use serde::Serialize;

use crate::bisect::Options;
use crate::bisect::simulated::{Row, Rule, World, row};

/// How often the event comes up before the change and since, and among how many commits.
const WORLDS: [([f64; 2], usize); 6] = [
    ([0.0, 0.5], 128),
    ([0.05, 0.3], 128),
    ([0.01, 0.1], 128),
    // A program that kills a kernel always, in a fifth of its runs, in one of 25.
    ([0.0, 1.0], 32),
    ([0.0, 0.2], 32),
    ([0.0, 0.04], 32),
];

/// The table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bisections {
    /// A row for each rule and kind of history.
    pub rows: Vec<Row>,
}

impl Bisections {
    /// Simulates `runs` bisections for each row.
    pub fn simulate(runs: u32) -> Self {
        let rules = [Rule::Harness, Rule::Halving(1), Rule::Halving(10)];
        let pairs = rules.into_iter().flat_map(|rule| WORLDS.map(|world| (rule, world)));
        let rows = pairs.map(|(rule, (rates, commits))| {
            row(rule, &World { commits, ..World::plain(rates) }, Options::default(), runs, 2012)
        });
        Self { rows: rows.collect() }
    }
}

impl fmt::Display for Bisections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rule       before  since  commits  runs   right  mean trials  95 % within")?;
        for Row { rule, rates: [old, new], commits, runs, right, mean_trials, p95_trials, .. } in &self.rows {
            writeln!(
                f,
                "{rule:10} {:5.0} %  {:3.0} %  {commits:7}  {runs:4}  {:4.1} %  {mean_trials:11.1}  {p95_trials:11}",
                old * 100.0,
                new * 100.0,
                right * 100.0
            )?;
        }
        Ok(())
    }
}
