//! Trials, counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Trials, and how many of them had what is looked for. Only trials that tell are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tally {
    /// Trials that tell.
    pub trials: u32,
    /// Those in which it happened.
    pub events: u32,
}

impl Tally {
    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.trials == 0
    }

    /// Counts another trial.
    pub fn count(&mut self, event: bool) {
        self.trials += 1;
        self.events += u32::from(event);
    }

    /// These trials too.
    pub fn add(&mut self, more: Self) {
        self.trials += more.trials;
        self.events += more.events;
    }
}

/// The trials of one kernel, by the template that their guests were restored from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Those whose guest was booted, or whose template is not known.
    pub apart: Tally,
    /// The others.
    pub templates: BTreeMap<String, Tally>,
}

impl Tallies {
    /// Counts another trial.
    pub fn count(&mut self, event: bool, template: Option<&str>) {
        match template {
            Some(template) => self.templates.entry(template.to_owned()).or_default().count(event),
            None => self.apart.count(event),
        }
    }

    /// All of them.
    pub fn all(&self) -> Tally {
        let mut all = self.apart;
        self.templates.values().for_each(|&tally| all.add(tally));
        all
    }
}

impl From<Tally> for Tallies {
    /// Trials whose templates are not known.
    fn from(apart: Tally) -> Self {
        Self { apart, templates: BTreeMap::new() }
    }
}
