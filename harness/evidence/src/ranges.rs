//! Numbers that are missing, in words.

use std::ops::RangeInclusive;

/// The ranges between the numbers of `there` (ascending, repeats allowed), from 1 up to `to`.
pub fn missing(there: impl IntoIterator<Item = u32>, to: u32) -> Vec<RangeInclusive<u32>> {
    let mut gaps = Vec::new();
    // The lowest number not seen yet; none behind the last there can be.
    let mut next = Some(1);
    for number in there {
        gaps.extend(next.filter(|next| *next < number).map(|next| next..=number - 1));
        next = number.checked_add(1);
    }
    gaps.extend(next.filter(|next| *next <= to).map(|next| next..=to));
    gaps
}

/// `part 3`, `parts 1-2, 5`
pub fn in_words(one: &str, many: &str, ranges: &[RangeInclusive<u32>]) -> String {
    let words: Vec<String> = ranges
        .iter()
        .map(|range| match (range.start(), range.end()) {
            (from, to) if from == to => from.to_string(),
            (from, to) => format!("{from}-{to}"),
        })
        .collect();
    let single = matches!(ranges, [range] if range.start() == range.end());
    format!("{} {}", if single { one } else { many }, words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_in_words() {
        for (there, to, want) in [
            (&[][..], 0, "parts "),
            (&[], 1, "part 1"),
            (&[], 4, "parts 1-4"),
            (&[2], 3, "parts 1, 3"),
            (&[1, 2, 2, 5], 5, "parts 3-4"),
            (&[3, u32::MAX], u32::MAX, "parts 1-2, 4-4294967294"),
        ] {
            assert_eq!(in_words("part", "parts", &missing(there.iter().copied(), to)), want);
        }
    }
}
