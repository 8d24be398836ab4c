//! Two records of the same messages, each by its own clock and each with gaps, laid side by side.
//!
//! The clocks have no common zero, so only differences count: between two messages as much time should have passed by
//! one clock as by the other. Of all ways to pair them in order the cheapest is taken, by dynamic programming over the
//! pair that comes last.

/// At most this many messages of each record are paired; the work grows with the product of their numbers.
pub(super) const MAX_MESSAGES: usize = 400;

/// At most this many may be left alone between two pairs, if they are all of one record.
const RUN: usize = 64;
/// At most this many of each record, if they are of both.
const BOTH: usize = 6;

/// What it costs to leave one alone.
const ALONE: u64 = 1000;
/// What the worst pair costs. Less than to leave both alone, so that clocks that have little to do with one another
/// (virtual time) give pairs too.
const WORST: u64 = 1900;
/// A difference of this many nanoseconds costs as much as one left alone: the kernel takes its timestamp a little after
/// the message is seen, and rounds it to a microsecond.
const NOISE_NS: u64 = 50_000;
/// A difference of one part in this many is allowed besides, for clocks that do not run equally fast.
const DRIFT: u64 = 500;

/// The cheapest way to pair what comes before two messages that are a pair.
#[derive(Clone, Copy)]
struct Chain {
    cost: u64,
    /// The pair before.
    before: Option<(usize, usize)>,
}

/// For each of `guest` which of `host` it is, if it is any; both in nanoseconds, in order. Where both have as many, the
/// first is the first, and so on. Beyond [`MAX_MESSAGES`] there are no pairs.
pub(super) fn align(guest: &[i64], host: &[i64]) -> Vec<Option<usize>> {
    if guest.len() == host.len() {
        return (0..guest.len()).map(Some).collect();
    }
    let mut pairs = vec![None; guest.len()];
    let (guest, host) = (head(guest), head(host));
    let mut table: Vec<Vec<Chain>> = Vec::with_capacity(guest.len());
    for g in 0..guest.len() {
        let row = (0..host.len()).map(|h| cheapest(&table, guest, host, (g, h))).collect();
        table.push(row);
    }
    let mut last = cheapest_end(&table, host.len());
    while let Some((g, h)) = last {
        if let Some(pair) = pairs.get_mut(g) {
            *pair = Some(h);
        }
        last = chain(&table, (g, h)).and_then(|chain| chain.before);
    }
    pairs
}

fn head(times: &[i64]) -> &[i64] {
    times.get(..MAX_MESSAGES).unwrap_or(times)
}

fn chain(table: &[Vec<Chain>], (g, h): (usize, usize)) -> Option<Chain> {
    table.get(g)?.get(h).copied()
}

/// The cheapest chain that ends with this pair.
fn cheapest(table: &[Vec<Chain>], guest: &[i64], host: &[i64], (g, h): (usize, usize)) -> Chain {
    let mut best = Chain { cost: alone(g + h), before: None };
    for (back_g, back_h) in steps_back() {
        let (Some(before_g), Some(before_h)) = (g.checked_sub(back_g), h.checked_sub(back_h)) else { continue };
        let Some(Chain { cost, .. }) = chain(table, (before_g, before_h)) else { continue };
        let cost = cost + alone(back_g + back_h - 2);
        // Most are too dear without a look at the clocks.
        if cost < best.cost {
            let cost = cost + misfit(passed(guest, before_g, g), passed(host, before_h, h));
            if cost < best.cost {
                best = Chain { cost, before: Some((before_g, before_h)) };
            }
        }
    }
    best
}

/// How far a pair may be from the one before it, in each record.
fn steps_back() -> impl Iterator<Item = (usize, usize)> {
    let of_one = (1..=RUN).map(|back| (back, 1)).chain((2..=RUN).map(|back| (1, back)));
    of_one.chain((2..=BOTH).flat_map(|back_g| (2..=BOTH).map(move |back_h| (back_g, back_h))))
}

/// The pair that the cheapest chain of all ends with.
fn cheapest_end(table: &[Vec<Chain>], host: usize) -> Option<(usize, usize)> {
    let ends = table.iter().enumerate().flat_map(|(g, row)| {
        row.iter().enumerate().map(move |(h, chain)| (chain.cost + alone(table.len() - 1 - g + host - 1 - h), (g, h)))
    });
    ends.min().map(|(_, pair)| pair)
}

fn alone(number: usize) -> u64 {
    ALONE * number as u64
}

/// Nanoseconds between two of a record.
fn passed(times: &[i64], from: usize, to: usize) -> u64 {
    match (times.get(from), times.get(to)) {
        (Some(&from), Some(&to)) => to.saturating_sub(from).max(0).unsigned_abs(),
        _ => 0,
    }
}

/// What it costs that one clock says this and the other that.
fn misfit(guest: u64, host: u64) -> u64 {
    let allowed = NOISE_NS + guest.max(host) / DRIFT;
    (guest.abs_diff(host).saturating_mul(ALONE) / allowed).min(WORST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_of_one_as_of_the_other_are_one_to_one_whatever_the_clocks_say() {
        // The second was seen late, as the host was busy.
        assert_eq!(align(&[0, 1_000_000, 2_000_000], &[0, 1_900_000, 2_000_000]), [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn over_a_long_pause_the_clocks_may_differ_more() {
        // After a second the guest's is 1 ms ahead; of two messages that are 5 ms apart one was lost.
        let guest = [0, 1_001_000_000, 1_006_005_000];
        assert_eq!(align(&guest, &[0, 1_005_000_000]), [Some(0), None, Some(1)]);
        assert_eq!(align(&guest, &[0, 1_000_000_000]), [Some(0), Some(1), None]);
    }

    #[test]
    fn beyond_the_most_there_are_no_pairs() {
        let times: Vec<i64> = (0..1000).map(|number| number * number * 1000).collect();
        let pairs = align(&times, &times[..999]);
        assert!(
            pairs.iter().enumerate().all(|(index, pair)| *pair == (index < MAX_MESSAGES).then_some(index)),
            "{pairs:?}"
        );
    }

    #[test]
    fn nothing_is_paired_with_nothing() {
        assert_eq!(align(&[1, 2], &[]), [None, None]);
        assert_eq!(align(&[], &[1]), []);
    }
}
