//! When a share became another one, of periods (nights) that are looked at one after the other, for ever.
//!
//! Against "one share, all the time" stand three bettors, each with a third of the money. The first believes in one change, and
//! has spread the bet over when that is: before the second period with weight 1/2, before the third with 1/6, before the
//! (k + 1)th with 1/(k(k + 1)), which adds up to 1 over all periods that will ever be. The second believes that each period
//! has a share of its own. The third believes in that until a change, and in one share since. All shares are drawn from the
//! mixture M that all sequential evidence here bets with. So
//!
//! ```text
//!        ⅓ (Σ 1/(k(k + 1)) · M(before k) · M(from k on) + …) + ⅓ Π M(period) + ⅓ (Σ 1/(k(k + 1)) · Π M(period before k) · M(from k on) + …)
//! E_t = ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
//!                                                  max over p, ρ of L(all; p, ρ)
//! ```
//!
//! after t periods (… being what is bet on changes later than t) is an e-value whose probability of ever reaching 1/α is at
//! most α, however often one looks (see `sequential`). The periods' trials may be correlated: a period is like a template, ρ
//! is up to [`MOST_ICC`]. To leave terms out of a sum makes the e-value smaller, and spoils nothing: of changes long ago only
//! each eighth is asked for. Once one share is refuted, a change is what is seen, unless the second bettor is 20 times as rich as the
//! first: then periods differ, until the third is 20 times as rich as the second.
//!
//! With a change shown, evidence begins anew from its likeliest place on. When that was, is told by the probability of each
//! place, given one change in the stretch around it and each place as likely as another beforehand; a period's trials count
//! for fewer there, by its design effect.

use super::dispersion::intraclass;
use super::mixture::{Mixture, ln_mixture};
use super::sequential::{LN_20, MOST_ICC, ln_largest_of_one, ln_likelihood};
use super::{Clusters, Effective, Proportion};

/// A stretch of periods in which the share is not shown to have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Regime {
    /// Its first period, if it is known when it began, or the likeliest one.
    pub first: usize,
    /// How it is known that it began; nothing of the first one.
    pub change: Option<Change>,
    /// Its trials.
    pub seen: Proportion,
    /// The period since which it is shown that its periods differ among each other, which no change explains as well.
    pub unsteady_since: Option<usize>,
}

/// A share became another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The first period since then is, with a probability of 95 %, no earlier than this
    pub earliest: usize,
    /// and no later than this.
    pub latest: usize,
    /// The period with which it was shown.
    pub shown_at: usize,
}

/// The probability with which the range of a change holds it.
const LEVEL: f64 = 0.95;

/// Changes of so many last periods are all asked for, of those before each of this many.
const RECENT: usize = 64;
const EACH: usize = 8;

/// What the logarithm of an e-value has to reach for a change in one of so many series to be shown, so that the probability
/// of any false one, in all of them and ever, is at most `alpha`.
pub fn ln_threshold(alpha: f64, series: usize) -> f64 {
    let series = u32::try_from(series.max(1)).unwrap_or(u32::MAX);
    f64::from(series).ln() - alpha.ln()
}

/// The regimes of a series, one after the other, at least one. Periods may have no trials.
pub fn regimes(periods: &[Proportion], ln_threshold: f64) -> Vec<Regime> {
    let series = Series::of(periods);
    // Where each begins, the period with which that was shown, and since when it is unsteady.
    let mut found: Vec<(usize, usize, Option<usize>)> = vec![(0, 0, None)];
    for end in 1..=periods.len() {
        let Some((start, _, unsteady)) = found.last_mut() else { break };
        if periods[end - 1].of() == 0 {
            continue;
        }
        match series.finding(*start, end, ln_threshold) {
            Finding::Nothing => {}
            Finding::Unsteady => *unsteady = unsteady.or(Some(end - 1)),
            Finding::Changed(first) => found.push((first, end - 1, None)),
        }
    }
    let mut regimes: Vec<Regime> = Vec::new();
    for (place, &(first, shown_at, unsteady_since)) in found.iter().enumerate() {
        let end = found.get(place + 1).map_or(periods.len(), |next| next.0);
        let (first, change) = match regimes.last() {
            None => (first, None),
            Some(before) => {
                let (first, [earliest, latest]) = series.when(before.first, end);
                (first, Some(Change { earliest, latest, shown_at }))
            }
        };
        if let Some(before) = regimes.last_mut() {
            before.seen = series.seen(before.first, first);
        }
        regimes.push(Regime { first, change, seen: series.seen(first, end), unsteady_since });
    }
    regimes
}

/// What a stretch of periods shows.
enum Finding {
    /// Nothing but one share.
    Nothing,
    /// That the share changed, most likely with this period.
    Changed(usize),
    /// That there is more than one share, and not when it changed.
    Unsteady,
}

struct Series<'a> {
    periods: &'a [Proportion],
    /// All trials before each period, and at last all.
    sums: Vec<Proportion>,
    /// The logarithm of what is bet on each period by itself, likewise summed up.
    ln_apart: Vec<f64>,
    mixture: Mixture,
}

impl<'a> Series<'a> {
    fn of(periods: &'a [Proportion]) -> Self {
        let mut sum = Proportion::default();
        let mut sums = vec![sum];
        sums.extend(periods.iter().map(|seen| {
            sum = sum.plus(*seen);
            sum
        }));
        let mixture = Mixture::up_to(sum.of());
        let mut ln = 0.0;
        let mut ln_apart = vec![ln];
        ln_apart.extend(periods.iter().map(|seen| {
            ln += if seen.of() > 0 { mixture.ln(*seen) } else { 0.0 };
            ln
        }));
        Self { periods, sums, ln_apart, mixture }
    }

    /// The trials of periods `start` to `end`, without that.
    fn seen(&self, start: usize, end: usize) -> Proportion {
        let (from, to) = (self.sums[start], self.sums[end]);
        Proportion::new(to.hits() - from.hits(), to.of() - from.of()).unwrap_or_default()
    }

    fn clusters(&self, start: usize, end: usize) -> Clusters {
        Clusters::new(Proportion::default(), self.periods[start..end].iter().copied())
    }

    /// The correlation of a period's trials, on both sides of a change together.
    fn icc(&self, [start, change, end]: [usize; 3]) -> Option<f64> {
        intraclass(&[&self.clusters(start, change), &self.clusters(change, end)])
    }

    /// What periods `start` to `end` show, without that.
    fn finding(&self, start: usize, end: usize, ln_threshold: f64) -> Finding {
        let all = self.seen(start, end);
        // Of trials that all had the same outcome one share is the likeliest explanation.
        let Some(share) = all.share().filter(|share| (0.0..1.0).contains(share) && *share > 0.0) else {
            return Finding::Nothing;
        };
        let bets = self.bets(start, end);
        let ln_bet = ln_sum(&[bets.change.ln, bets.apart, bets.since.ln]) - 3f64.ln();
        if ln_bet - ln_likelihood(all, share) < ln_threshold
            || ln_bet - ln_largest_of_one(&self.clusters(start, end), MOST_ICC) < ln_threshold
        {
            return Finding::Nothing;
        }
        // Of few periods a change explains as much as that each is different, and is what is looked for. Of many that differ,
        // some neighbours are alike by chance.
        if bets.change.ln + LN_20 > bets.apart {
            Finding::Changed(bets.change.likeliest)
        } else if bets.since.ln > bets.apart + LN_20 {
            Finding::Changed(bets.since.likeliest)
        } else {
            Finding::Unsteady
        }
    }

    /// What the bettors give to periods `start` to `end`.
    fn bets(&self, start: usize, end: usize) -> Bets {
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let apart = self.ln_apart[end] - self.ln_apart[start];
        // The rest of both is bet on changes that are still to come.
        let later = -number(end - start).ln();
        let mut change = Sum::of(self.mixture.ln(self.seen(start, end)) + later, end);
        let mut since = Sum::of(apart + later, end);
        for place in start + 1..end {
            let (before, after) = (place - start, end - place);
            if after > RECENT && before % EACH != 0 {
                continue;
            }
            let ln_since = self.mixture.ln(self.seen(place, end)) - (number(before) * number(before + 1)).ln();
            change.add(self.mixture.ln(self.seen(start, place)) + ln_since, place);
            since.add(self.ln_apart[place] - self.ln_apart[start] + ln_since, place);
        }
        Bets { change: change.total(), apart, since: since.total() }
    }

    /// The likeliest first period after the one change between `start` and `end`, and the narrowest range of periods that
    /// holds it with a probability of [`LEVEL`].
    fn when(&self, start: usize, end: usize) -> (usize, [usize; 2]) {
        let places = |count: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
            (start + 1..end).map(|change| count(start, change) + count(change, end)).collect()
        };
        let likeliest = |ln: &[f64], [first, last]: [usize; 2]| {
            let among = (first..=last).filter_map(|place| Some((place, *ln.get(place)?)));
            among.max_by(|one, other| one.1.total_cmp(&other.1)).map_or(first, |(place, _)| place)
        };
        let rough = places(&|from, to| self.mixture.ln(self.seen(from, to)));
        let middle = start + 1 + likeliest(&rough, [0, rough.len()]);
        let icc = self.icc([start, middle, end]).unwrap_or(MOST_ICC);
        let weighed = Weighed::of(&self.periods[start..end], icc);
        let ln = places(&|from, to| ln_mixture(weighed.seen(from - start, to - start)));
        let range = narrowest(&ln);
        (start + 1 + likeliest(&ln, range), range.map(|place| start + 1 + place))
    }
}

/// What the bettors give to a stretch of periods: logarithms.
struct Bets {
    /// One share before a change and one since then.
    change: Total,
    /// A share for each period.
    apart: f64,
    /// A share for each period before a change, and one since then.
    since: Total,
}

/// A sum over places of a change.
struct Total {
    ln: f64,
    likeliest: usize,
}

/// Adds up numbers that are given by their logarithms, and knows the largest.
struct Sum {
    terms: Vec<f64>,
    largest: f64,
    likeliest: usize,
}

impl Sum {
    /// A term that is for no place before `end`.
    fn of(ln: f64, end: usize) -> Self {
        Self { terms: vec![ln], largest: f64::NEG_INFINITY, likeliest: end }
    }

    fn add(&mut self, ln: f64, place: usize) {
        if ln >= self.largest {
            (self.largest, self.likeliest) = (ln, place);
        }
        self.terms.push(ln);
    }

    fn total(self) -> Total {
        Total { ln: ln_sum(&self.terms), likeliest: self.likeliest }
    }
}

/// Sums of trials of which a period's count for as many as independent ones would say as much.
struct Weighed {
    sums: Vec<[f64; 2]>,
}

impl Weighed {
    fn of(periods: &[Proportion], icc: f64) -> Self {
        let mut sum = [0.0; 2];
        let mut sums = vec![sum];
        sums.extend(periods.iter().map(|seen| {
            let effect = 1.0 + (f64::from(seen.of()) - 1.0).max(0.0) * icc;
            sum = [sum[0] + f64::from(seen.hits()) / effect, sum[1] + f64::from(seen.misses()) / effect];
            sum
        }));
        Self { sums }
    }

    fn seen(&self, start: usize, end: usize) -> Effective {
        let [hits, misses] = [0, 1].map(|which| self.sums[end][which] - self.sums[start][which]);
        let of = hits + misses;
        Effective::new(if of > 0.0 { (hits / of).clamp(0.0, 1.0) } else { 0.0 }, of)
    }
}

/// The logarithm of a sum of numbers that are given by their logarithms.
fn ln_sum(ln: &[f64]) -> f64 {
    let most = ln.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + ln.iter().map(|ln| (ln - most).exp()).sum::<f64>().ln()
}

/// The first and the last place of the fewest neighbours that have [`LEVEL`] of all, by the logarithms of their weights.
fn narrowest(ln: &[f64]) -> [usize; 2] {
    let all = ln_sum(ln);
    let weights: Vec<f64> = ln.iter().map(|ln| (ln - all).exp()).collect();
    let mut narrowest = [0, weights.len().saturating_sub(1)];
    let (mut first, mut sum) = (0, 0.0);
    for (last, weight) in weights.iter().enumerate() {
        sum += weight;
        while first < last && sum - weights[first] >= LEVEL {
            sum -= weights[first];
            first += 1;
        }
        if sum >= LEVEL && last - first < narrowest[1] - narrowest[0] {
            narrowest = [first, last];
        }
    }
    narrowest
}
