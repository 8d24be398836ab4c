//! Commits that cannot be tried: which hypotheses nothing tells apart any more, and whose neighbours are to be avoided.

use std::collections::HashMap;

use super::History;

/// Which nodes are out.
#[derive(Debug, Clone)]
pub(super) struct Skips {
    skipped: Vec<bool>,
    /// For each node the lowest-numbered one that no node which can be tried separates from it.
    groups: Vec<usize>,
}

impl Skips {
    pub fn none(history: &History) -> Self {
        Self { skipped: vec![false; history.len()], groups: (0..history.len()).collect() }
    }

    pub fn has(&self, commit: usize) -> bool {
        self.skipped[commit]
    }

    pub fn group(&self, commit: usize) -> usize {
        self.groups[commit]
    }

    /// Two commits are told apart by a node that has one of them and not the other. Of those that can be tried each is
    /// such a node itself, so only skipped ones can be mistaken: for the first that has them, if all others that have
    /// them have that one too, and for each other.
    pub fn add(&mut self, history: &History, commit: usize) {
        self.skipped[commit] = true;
        self.groups = (0..history.len()).collect();
        let mut alike: HashMap<Vec<usize>, usize> = HashMap::new();
        for change in (1..history.len()).filter(|&change| self.skipped[change]) {
            let with: Vec<usize> = (change..history.len())
                .filter(|&commit| !self.skipped[commit] && history.has(commit, change))
                .collect();
            let same = with.first().copied().filter(|&first| with.iter().all(|&commit| history.has(commit, first)));
            // The group is named by its lowest member, which is none that can be tried.
            self.groups[change] = *alike.entry(with).or_insert(change);
            if let Some(first) = same {
                self.groups[first] = self.groups[change];
            }
        }
    }

    /// The probability that a commit can be tried, by how far it is from those that could not: a build that is broken
    /// mostly stays so for some commits, nobody knows how many. With `d` commits from one to the other the chance is
    /// taken to be d/(d+1): half for a neighbour, and each further skip moves the search further away.
    pub fn chances(&self, history: &History) -> Vec<f64> {
        let mut chances = vec![1.0; history.len()];
        for skipped in (0..history.len()).filter(|&commit| self.skipped[commit]) {
            let size = history.size(skipped);
            for (commit, chance) in chances.iter_mut().enumerate() {
                if history.has(commit, skipped) || history.has(skipped, commit) {
                    let apart = f64::from(history.size(commit).abs_diff(size));
                    *chance *= apart / (apart + 1.0);
                }
            }
        }
        chances
    }
}
