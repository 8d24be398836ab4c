use fastrand::Rng;
use proptest::prelude::*;

use super::super::{Regime, ln_threshold, regimes};
use super::{Proportion, of};

/// For one series alone.
const ONE: f64 = 2.995_732_273_553_991;

/// A night's trials, whose share is drawn from the beta distribution that makes two of them so alike.
fn night(rng: &mut Rng, share: f64, trials: u32, icc: f64) -> Proportion {
    let mut seen = Proportion::default();
    for _ in 0..trials {
        // Pólya's urn.
        let hit = rng.f64() < super::super::next_hit(share, icc, seen);
        seen = seen.plus(of(u32::from(hit), 1));
    }
    seen
}

fn nights(rng: &mut Rng, shares: &[(f64, usize)], trials: u32, icc: f64) -> Vec<Proportion> {
    let each = shares.iter().flat_map(|&(share, nights)| std::iter::repeat_n(share, nights));
    each.map(|share| night(rng, share, trials, icc)).collect()
}

fn firsts(periods: &[Proportion]) -> Vec<usize> {
    regimes(periods, ln_threshold(0.05, 480)).iter().map(|regime| regime.first).collect()
}

#[test]
fn one_share_is_one_regime() {
    let regime = |periods: &[Proportion]| regimes(periods, ONE);
    let all = |first, seen| vec![Regime { first, change: None, seen, unsteady_since: None }];
    assert_eq!(regime(&[]), all(0, of(0, 0)));
    assert_eq!(regime(&[of(0, 0), of(3, 3)]), all(0, of(3, 3)));
    assert_eq!(regime(&[of(10, 10); 400]), all(0, of(4000, 4000)));
    assert_eq!(regime(&[of(0, 10); 400]), all(0, of(0, 4000)));
    assert_eq!(regime(&[of(7, 10); 400]), all(0, of(2800, 4000)));
}

#[test]
fn a_channel_that_is_lost_is_told_after_a_night() {
    let mut periods = vec![of(10, 10); 40];
    periods.push(of(0, 10));
    let [before, since] = regimes(&periods, ln_threshold(0.05, 480))[..] else { panic!("one change") };
    let change = since.change.unwrap();
    assert_eq!((before.seen, since.seen, since.first), (of(400, 400), of(0, 10), 40));
    assert_eq!((change.earliest, change.latest, change.shown_at), (40, 40, 40));
    // It comes back: that is another change.
    periods.extend([of(0, 10), of(10, 10), of(10, 10)]);
    assert_eq!(firsts(&periods), [0, 40, 42]);
}

#[test]
fn a_range_has_the_nights_that_were_not_run() {
    let mut periods = vec![of(20, 20); 9];
    periods.extend([of(0, 0), of(0, 0), of(0, 20), of(0, 20)]);
    let found = regimes(&periods, ln_threshold(0.05, 480));
    let change = found[1].change.unwrap();
    assert_eq!((found[1].first, change.earliest, change.latest, change.shown_at), (11, 9, 11, 11));
}

#[test]
fn what_differs_from_night_to_night_is_unsteady_and_no_change() {
    let mut rng = Rng::with_seed(3);
    let periods = nights(&mut rng, &[(0.5, 120)], 10, 0.6);
    let found = regimes(&periods, ln_threshold(0.05, 480));
    let last = found.last().unwrap();
    // The first few may look like a change.
    assert!(found.len() <= 3 && last.first < 40 && last.unsteady_since.is_some_and(|night| night < 60), "{found:?}");
    // And yet a change is seen, when it is one.
    let gone = nights(&mut rng, &[(0.5, 60), (0.0, 20)], 10, 0.6);
    assert_eq!(regimes(&gone, ln_threshold(0.05, 480)).last().unwrap().seen.hits(), 0, "{gone:?}");
}

/// What `regimes` says of a quiet year of 160 cells with three channels: how many of the years had any change.
fn false_years(years: u32, icc: f64, seed: u64) -> u32 {
    let mut rng = Rng::with_seed(seed);
    let shares = [1.0, 1.0, 0.99, 0.95, 0.9, 0.5, 0.1, 0.0];
    let threshold = ln_threshold(0.05, 480);
    let changed = |rng: &mut Rng| {
        (0..480usize).any(|series| {
            let year = nights(rng, &[(shares[series % shares.len()], 365)], 10, icc);
            regimes(&year, threshold).len() > 1
        })
    };
    (0..years).filter(|_| changed(&mut rng)).count().try_into().unwrap()
}

#[test]
fn hardly_a_quiet_year_has_a_change_in_any_cell() {
    // One in twenty is allowed; the bound is not reached, since it holds for all time.
    assert_eq!(false_years(6, 0.0, 1), 0);
    assert_eq!(false_years(4, 0.05, 2), 0);
}

/// Of simulated changes: the percentage that was shown, the mean number of nights until then, the percentage whose range
/// held the change when it was shown and at the end, and the mean width of the range at the end.
fn coverage(before: f64, after: f64, trials: u32, icc: f64, seeds: u32) -> [f64; 5] {
    const CHANGE: usize = 45;
    let threshold = ln_threshold(0.05, 480);
    let (mut shown, mut delay, mut held, mut width) = (0, 0, [0, 0], 0);
    for seed in 0..seeds {
        let mut rng = Rng::with_seed(u64::from(seed) + 100);
        let periods = nights(&mut rng, &[(before, CHANGE), (after, 45)], trials, icc);
        let at = |end: usize| regimes(&periods[..end], threshold).get(1).and_then(|regime| regime.change);
        let Some(last) = at(periods.len()) else { continue };
        let Some(first) = at(last.shown_at + 1) else { continue };
        let holds = |change: super::super::Change| usize::from((change.earliest..=change.latest).contains(&CHANGE));
        shown += 1;
        delay += (last.shown_at + 1).saturating_sub(CHANGE);
        held = [held[0] + holds(first), held[1] + holds(last)];
        width += last.latest - last.earliest + 1;
    }
    let number = |count: usize| f64::from(u32::try_from(count).unwrap());
    let [at_once, at_last] = held.map(|held| 100.0 * number(held) / number(shown));
    [
        100.0 * number(shown) / f64::from(seeds),
        number(delay) / number(shown),
        at_once,
        at_last,
        number(width) / number(shown),
    ]
}

#[test]
fn the_range_holds_the_change_in_95_of_100_cases() {
    for (before, after, trials, icc) in [
        (1.0, 0.0, 10, 0.0),
        (1.0, 0.8, 10, 0.0),
        (0.95, 0.7, 20, 0.0),
        (0.5, 0.2, 20, 0.0),
        (0.2, 0.8, 10, 0.0),
        (0.95, 0.7, 20, 0.05),
    ] {
        let [shown, _, at_once, at_last, _] = coverage(before, after, trials, icc, 200);
        let case = format!("{before} to {after}, {trials} trials, {icc}: shown {shown}, {at_once}, {at_last}");
        assert!(shown >= 75.0 && at_once >= 95.0 && at_last >= 95.0, "{case}");
    }
}

/// The tables of `docs/statistics.md`.
#[test]
#[ignore = "some minutes"]
fn print_changes() {
    println!(
        "| before | since | trials a night | ICC | shown | nights until then | held then | held after 45 nights | nights wide |"
    );
    for (before, after) in [(1.0, 0.0), (1.0, 0.9), (1.0, 0.5), (0.95, 0.7), (0.5, 0.2), (0.0, 0.3)] {
        for (trials, icc) in [(10, 0.0), (20, 0.0), (20, 0.05), (50, 0.05)] {
            let [shown, delay, at_once, at_last, width] = coverage(before, after, trials, icc, 400);
            println!(
                "| {before:.2} | {after:.2} | {trials} | {icc:.2} | {shown:.0} | {delay:.1} | {at_once:.1} | {at_last:.1} | {width:.1} |"
            );
        }
    }
    for icc in [0.0, 0.05] {
        println!("years of 480 series with a change, of 100, ICC {icc}: {}", false_years(100, icc, 9));
    }
}

proptest! {
    /// Whatever is counted, every period belongs to one regime, and each begins within its range.
    #[test]
    fn regimes_are_all_periods_in_their_order(
        periods in prop::collection::vec((0u32..30).prop_flat_map(|of| (0..=of, Just(of))), 0..80),
        threshold in 0.0f64..10.0,
    ) {
        let periods: Vec<Proportion> = periods.into_iter().map(|(hits, trials)| of(hits, trials)).collect();
        let found = regimes(&periods, threshold);
        let all = periods.iter().fold(of(0, 0), |sum, seen| sum.plus(*seen));
        prop_assert_eq!(found.iter().fold(of(0, 0), |sum, regime| sum.plus(regime.seen)), all);
        prop_assert!(found.is_sorted_by(|one, other| one.first < other.first));
        for regime in &found {
            if let Some(change) = regime.change {
                prop_assert!(change.earliest <= regime.first && regime.first <= change.latest, "{:?}", regime);
                prop_assert!(change.latest < periods.len());
            }
        }
    }
}
