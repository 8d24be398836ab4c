//! A set of trials' indices, a bit each.

/// No run has trials with indices from here on: at twenty trials a second these would take more than a month. It bounds
/// what a damaged log can make a reader hold: 8 MiB.
pub(super) const MAX_INDEX: u64 = 1 << 26;

/// Indices below [`MAX_INDEX`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct IndexSet {
    words: Vec<u64>,
    len: u64,
}

impl IndexSet {
    /// Adds an index; whether it is in the set now and was not before. One from [`MAX_INDEX`] on is never in the set.
    pub fn insert(&mut self, index: u64) -> bool {
        let Some((word, bit)) = place(index) else { return false };
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let added = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += u64::from(added);
        added
    }

    pub fn contains(&self, index: u64) -> bool {
        place(index).is_some_and(|(word, bit)| self.words.get(word).is_some_and(|bits| bits & bit != 0))
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// The least index that is also in the other set.
    pub fn first_common(&self, other: &Self) -> Option<u64> {
        let both = self.words.iter().zip(&other.words).map(|(a, b)| a & b);
        (0..).zip(both).find(|(_, bits)| *bits != 0).map(|(word, bits)| word * 64 + u64::from(bits.trailing_zeros()))
    }
}

/// The word of an index, and its bit there.
fn place(index: u64) -> Option<(usize, u64)> {
    let word = usize::try_from(index / 64).ok().filter(|_| index < MAX_INDEX)?;
    Some((word, 1 << (index % 64)))
}
