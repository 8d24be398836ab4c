//! The commits between a good and a bad one, and which of them contains which.

/// A range of commits. Node 0 is the good end, the last node is the bad end; parents come before their children.
///
/// A commit that forked off before the good end has the good end for its parent: what lies outside the range is taken
/// for good, as `git bisect` takes it.
#[derive(Debug, Clone)]
pub struct History {
    parents: Vec<Vec<usize>>,
    /// Row by row, the nodes that each node contains, itself among them.
    contained: Vec<u64>,
    /// Words of a row.
    words: usize,
}

/// Parents that make no range of commits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// Nothing between the ends, or not even two of them.
    #[error("a history needs a good end and at least one commit after it")]
    Short,
    /// The good end has parents.
    #[error("the good end, node 0, has parents; they are outside the range")]
    GoodHasParents,
    /// A commit without parents.
    #[error("node {commit} has no parents; what forked off before the good end has node 0")]
    NoParents {
        /// The commit.
        commit: usize,
    },
    /// A parent that does not come before its child.
    #[error("node {parent} is a parent of node {commit} and does not come before it")]
    Order {
        /// The child.
        commit: usize,
        /// Its parent.
        parent: usize,
    },
    /// A commit that the bad end does not contain.
    #[error("the bad end does not contain node {commit}")]
    Outside {
        /// The commit.
        commit: usize,
    },
}

impl History {
    /// `parents[i]` are the parents of node `i`, every one below `i`. Node 0 has none, every other at least one, and
    /// the last node contains all. Errors say which of these does not hold.
    pub fn new(parents: Vec<Vec<usize>>) -> Result<Self, HistoryError> {
        if parents.len() < 2 {
            return Err(HistoryError::Short);
        }
        if parents.first().is_some_and(|of_good| !of_good.is_empty()) {
            return Err(HistoryError::GoodHasParents);
        }
        let words = parents.len().div_ceil(64);
        let mut contained = vec![0_u64; words * parents.len()];
        for (commit, of_commit) in parents.iter().enumerate() {
            if commit > 0 && of_commit.is_empty() {
                return Err(HistoryError::NoParents { commit });
            }
            let (before, row) = contained.split_at_mut(commit * words);
            for &parent in of_commit {
                if parent >= commit {
                    return Err(HistoryError::Order { commit, parent });
                }
                for (word, inherited) in row.iter_mut().zip(&before[parent * words..]).take(words) {
                    *word |= inherited;
                }
            }
            row[commit / 64] |= 1 << (commit % 64);
        }
        let history = Self { parents, contained, words };
        match (0..history.len()).find(|&commit| !history.has(history.bad(), commit)) {
            Some(commit) => Err(HistoryError::Outside { commit }),
            None => Ok(history),
        }
    }

    /// The good end and `changes` commits in a row, at least one.
    ///
    /// # Panics
    ///
    /// Never: each commit has the one before.
    pub fn chain(changes: usize) -> Self {
        let parents = (0..=changes.max(1)).map(|commit| commit.checked_sub(1).into_iter().collect());
        Self::new(parents.collect()).expect("each commit has the one before")
    }

    /// Nodes, the good end included.
    #[expect(clippy::len_without_is_empty, reason = "it has two nodes at least")]
    pub fn len(&self) -> usize {
        self.parents.len()
    }

    /// The last node.
    pub fn bad(&self) -> usize {
        self.len() - 1
    }

    /// Whether `change` is `commit` or one of its ancestors. Both are nodes.
    pub fn has(&self, commit: usize, change: usize) -> bool {
        self.row(commit)[change / 64] >> (change % 64) & 1 == 1
    }

    /// The parents of a node.
    pub fn parents(&self, commit: usize) -> &[usize] {
        &self.parents[commit]
    }

    /// How many nodes a node contains, itself among them.
    pub(super) fn size(&self, commit: usize) -> u32 {
        self.row(commit).iter().map(|word| word.count_ones()).sum()
    }

    /// For each node the sum of the weights of what it contains.
    pub(super) fn sums<const N: usize>(&self, weights: &[[f64; N]]) -> Vec<[f64; N]> {
        let mut sums: Vec<[f64; N]> = Vec::with_capacity(self.len());
        for (commit, own) in weights.iter().enumerate() {
            let sum = match self.parents(commit) {
                [parent] => add(sums[*parent], own),
                _ => self.contained(commit).fold([0.0; N], |sum, change| add(sum, &weights[change])),
            };
            sums.push(sum);
        }
        sums
    }

    fn row(&self, commit: usize) -> &[u64] {
        &self.contained[commit * self.words..][..self.words]
    }

    /// What a node contains, in order.
    fn contained(&self, commit: usize) -> impl Iterator<Item = usize> {
        self.row(commit).iter().enumerate().flat_map(|(number, &word)| {
            std::iter::successors(Some(word), |word| Some(word & word.wrapping_sub(1)))
                .take_while(|&word| word != 0)
                .map(move |word| number * 64 + word.trailing_zeros() as usize)
        })
    }
}

fn add<const N: usize>(mut sum: [f64; N], own: &[f64; N]) -> [f64; N] {
    for (sum, own) in sum.iter_mut().zip(own) {
        *sum += own;
    }
    sum
}
