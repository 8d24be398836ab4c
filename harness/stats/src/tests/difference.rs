use proptest::prelude::*;

use super::super::difference::restricted;
use super::super::{miettinen_nurminen, score_excludes, score_p};
use super::{Interval, close, close_interval, of};

/// Newcombe's eight examples (Statistics in Medicine 17 (1998), table II). The fourth is in the tests of R's ratesci,
/// `round(scoreci(5, 56, 0, 29, skew = F), 4)`.
#[test]
fn as_published() {
    for (candidate, base, lo, hi) in [
        (of(56, 70), of(48, 80), 0.0528, 0.3382),
        (of(9, 10), of(3, 10), 0.1700, 0.8406),
        (of(6, 7), of(2, 7), 0.0342, 0.8534),
        (of(5, 56), of(0, 29), -0.0326, 0.1933),
        (of(0, 10), of(0, 20), -0.1658, 0.2844),
        (of(0, 10), of(0, 10), -0.2879, 0.2879),
        (of(10, 10), of(0, 20), 0.7156, 1.0),
        (of(10, 10), of(0, 10), 0.6636, 1.0),
    ] {
        let found = miettinen_nurminen(base, candidate);
        assert!((found.lo - lo).abs() < 5e-5 && (found.hi - hi).abs() < 5e-5, "{found:?}, expected {lo} to {hi}");
    }
}

/// Ends at which statsmodels' own statistic is ±1.96, and as a second programme has them that finds the restricted
/// shares by bisection instead of the formula.
///
/// `score_test_proportions_2indep(k_candidate, n_candidate, k_base, n_base, value=end, compare="diff",
/// correction=True)`. Only where the base saved all or the shares are equal: elsewhere statsmodels 0.15 has `count0 *
/// diff` in the cubic's third coefficient for the paper's `nobs0 * diff`, and its "restricted" shares are not the
/// likeliest ones; with them the first published example would end at 0.344.
#[test]
fn as_computed_elsewhere() {
    for (candidate, base, lo, hi) in [
        (of(20, 20), of(20, 20), -0.164_576_638_084_349_6, 0.164_576_638_084_349_6),
        (of(35, 35), of(35, 35), -0.100_190_731_882_657_65, 0.100_190_731_882_657_65),
        (of(36, 36), of(36, 36), -0.097_644_035_982_556_58, 0.097_644_035_982_556_58),
        (of(2000, 2000), of(2000, 2000), -0.001_917_525_743_692_031_4, 0.001_917_525_743_692_031_4),
        (of(0, 20), of(20, 20), -1.0, -0.820_666_292_584_857_1),
        (of(190, 200), of(188, 200), -0.037_058_507_013_930_86, 0.058_082_083_738_268_41),
        (of(1000, 2000), of(1000, 2000), -0.030_978_750_463_119_1, 0.030_978_750_463_119_1),
        (of(1, 3), of(2, 3), -0.826_613_701_722_566_7, 0.449_602_011_578_016_5),
        (of(1999, 2000), of(1990, 2000), 0.001_572_236_467_404_286_4, 0.008_736_500_971_493_678),
        (of(5, 1000), of(900, 1000), -0.912_584_939_153_619_9, -0.874_312_174_411_809_4),
    ] {
        close_interval(miettinen_nurminen(base, candidate), lo, hi);
    }
}

#[test]
fn of_nothing_it_says_nothing() {
    for (base, candidate) in [(of(0, 0), of(20, 20)), (of(20, 20), of(0, 0)), (of(0, 0), of(0, 0))] {
        assert_eq!(miettinen_nurminen(base, candidate), Interval { lo: -1.0, hi: 1.0 });
        close(score_p(base, candidate), 1.0);
    }
}

/// `test_proportions_2indep(k_candidate, n_candidate, k_base, n_base, value=0, method="score", correction=True).pvalue`
#[test]
fn the_score_test_as_statsmodels_has_it() {
    for (candidate, base, p) in [
        (of(3, 20), of(9, 20), 0.040_938_194_506_245_01),
        (of(480, 1000), of(520, 1000), 0.073_710_349_646_277_18),
        (of(0, 100), of(7, 100), 0.007_219_150_060_130_807),
    ] {
        close(score_p(base, candidate), p);
    }
    close(score_p(of(20, 20), of(20, 20)), 1.0);
}

#[test]
fn a_difference_that_cannot_be_is_left_out() {
    for impossible in [-1.5, 1.5, f64::INFINITY, f64::NAN] {
        assert!(restricted(of(10, 20).into(), of(10, 20).into(), impossible).is_none());
    }
    assert!(score_excludes(of(10, 20), of(10, 20), 1.5));
    assert!(score_excludes(of(0, 20), of(20, 20), -1.0));
    assert!(!score_excludes(of(0, 20), of(20, 20), 1.0));
}

/// The largest counts there are end neither in a panic nor in an interval of no width.
#[test]
fn the_largest_counts() {
    for (hits, other) in [(0, 0), (1, 0), (u32::MAX / 2, u32::MAX / 2), (u32::MAX, u32::MAX), (u32::MAX, 1)] {
        let found = miettinen_nurminen(of(hits, u32::MAX), of(other, u32::MAX));
        assert!(-1.0 <= found.lo && found.lo < found.hi && found.hi <= 1.0, "{found:?}");
    }
}

fn ln_likelihood(hits: u32, misses: u32, share: f64) -> f64 {
    let part = |count: u32, share: f64| if count == 0 { 0.0 } else { f64::from(count) * share.ln() };
    part(hits, share) + part(misses, 1.0 - share)
}

proptest! {
    /// No other pair of shares with that difference is likelier.
    #[test]
    fn restricted_shares_are_the_likeliest(
        n in 0_u32..3000, hits in 0_u32..3000, n_b in 0_u32..3000, hits_b in 0_u32..3000,
        difference in -1.0_f64..1.0, other in 0.0_f64..1.0,
    ) {
        prop_assume!(hits <= n && hits_b <= n_b);
        let likelihood = |[base, candidate]: [f64; 2]| {
            ln_likelihood(hits, n - hits, base) + ln_likelihood(hits_b, n_b - hits_b, candidate)
        };
        let [base, candidate] = restricted(of(hits, n).into(), of(hits_b, n_b).into(), difference).unwrap();
        prop_assert!((candidate - base - difference).abs() < 1e-12);
        prop_assert!((0.0..=1.0).contains(&base) && (0.0..=1.0).contains(&candidate));
        let best = likelihood([base, candidate]);
        let (low, high) = ((-difference).max(0.0), (1.0 - difference).min(1.0));
        // One anywhere, and the two next to it.
        for base in [low + other * (high - low), base - 1e-4, base + 1e-4] {
            if low <= base && base <= high {
                let there = likelihood([base, (base + difference).clamp(0.0, 1.0)]);
                prop_assert!(there <= best + 1e-9 * best.abs() + 1e-9, "{there} at {base}, {best} at the best");
            }
        }
    }

    /// It holds what was seen, stays within what is possible, has a mirror, and narrows with more of the same.
    #[test]
    fn the_interval_holds_its_estimate(n in 1_u32..2000, hits in 0_u32..2000, n_b in 1_u32..2000, hits_b in 0_u32..2000) {
        prop_assume!(hits <= n && hits_b <= n_b);
        let (base, candidate) = (of(hits, n), of(hits_b, n_b));
        let difference = candidate.share().unwrap() - base.share().unwrap();
        let found = miettinen_nurminen(base, candidate);
        prop_assert!(-1.0 <= found.lo && found.lo <= difference);
        prop_assert!(difference <= found.hi && found.hi <= 1.0);
        let mirror = miettinen_nurminen(candidate, base);
        prop_assert!((found.lo + mirror.hi).abs() < 1e-9 && (found.hi + mirror.lo).abs() < 1e-9);
        let more = miettinen_nurminen(of(hits * 4, n * 4), of(hits_b * 4, n_b * 4));
        prop_assert!(more.hi - more.lo < found.hi - found.lo);
    }
}
