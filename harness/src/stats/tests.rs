//! Every reference value was made with `SciPy` 1.17.1 and statsmodels 0.15.0; the command is beside it.

use proptest::prelude::*;

use super::{Interval, Proportion, benjamini_hochberg, fisher, holm, newcombe, percent, wilson};

fn of(hits: u32, of: u32) -> Proportion {
    Proportion::new(hits, of).unwrap()
}

#[track_caller]
fn close(found: f64, expected: f64) {
    let error = (found - expected).abs();
    assert!(error <= 1e-12 + 1e-10 * expected.abs(), "found {found}, expected {expected}");
}

#[track_caller]
fn close_interval(found: Interval, lo: f64, hi: f64) {
    close(found.lo, lo);
    close(found.hi, hi);
}

#[test]
fn a_proportion_is_never_more_than_all() {
    assert_eq!(Proportion::new(21, 20), None);
    assert_eq!(of(0, 0).share(), None);
    assert_eq!(of(5, 20).share(), Some(0.25));
}

/// `proportion_confint(k, n, method="wilson")`
#[test]
fn wilson_as_statsmodels_has_it() {
    for (hits, n, lo, hi) in [
        (1, 20, 0.008_881_448_800_795_402, 0.236_131_193_446_742_1),
        (10, 20, 0.299_298_008_198_212_3, 0.700_701_991_801_787_7),
        (19, 20, 0.763_868_806_553_257_7, 0.991_118_551_199_204_4),
        (7, 29, 0.122_184_224_425_200_83, 0.421_076_016_178_113_4),
        (81, 263, 0.255_288_519_878_274_2, 0.366_209_576_982_800_04),
        (999, 1000, 0.994_357_441_402_042_1, 0.999_823_453_629_373_9),
    ] {
        close_interval(wilson(of(hits, n)), lo, hi);
    }
}

/// `proportion_confint(0, 20, method="wilson")` and so on; the outer ends are exact.
#[test]
fn wilson_at_the_ends() {
    close_interval(wilson(of(0, 20)), 0.0, 0.161_125_158_052_819_4);
    close_interval(wilson(of(20, 20)), 0.838_874_841_947_180_4, 1.0);
    for n in 1..=1000 {
        assert!(wilson(of(0, n)).lo.to_bits() == 0.0_f64.to_bits(), "0 of {n}");
        assert!(wilson(of(n, n)).hi.to_bits() == 1.0_f64.to_bits(), "{n} of {n}");
    }
    close_interval(wilson(of(0, 1)), 0.0, 0.793_450_685_622_762_7);
    close_interval(wilson(of(1, 1)), 0.206_549_314_377_237_4, 1.0);
}

#[test]
fn of_nothing_an_interval_says_nothing() {
    assert_eq!(wilson(of(0, 0)), Interval { lo: 0.0, hi: 1.0 });
    assert_eq!(newcombe(of(0, 0), of(20, 20)), Interval { lo: -1.0, hi: 1.0 });
    assert_eq!(newcombe(of(20, 20), of(0, 0)), Interval { lo: -1.0, hi: 1.0 });
}

/// The eight examples of Newcombe 1998, table II, method 10, to the four decimals printed there.
#[test]
fn newcombe_as_published() {
    for (candidate, base, lo, hi) in [
        (of(56, 70), of(48, 80), 0.0524, 0.3339),
        (of(9, 10), of(3, 10), 0.1705, 0.8090),
        (of(6, 7), of(2, 7), 0.0582, 0.8062),
        (of(5, 56), of(0, 29), -0.0381, 0.1926),
        (of(0, 10), of(0, 20), -0.1611, 0.2775),
        (of(0, 10), of(0, 10), -0.2775, 0.2775),
        (of(10, 10), of(0, 20), 0.6791, 1.0),
        (of(10, 10), of(0, 10), 0.6075, 1.0),
    ] {
        let found = newcombe(base, candidate);
        assert!((found.lo - lo).abs() < 5e-5 && (found.hi - hi).abs() < 5e-5, "{found:?}, expected {lo} to {hi}");
    }
}

/// `confint_proportions_2indep(k_candidate, n_candidate, k_base, n_base, compare="diff", method="newcomb")`
#[test]
fn newcombe_as_statsmodels_has_it() {
    for (candidate, base, lo, hi) in [
        (of(20, 20), of(20, 20), -0.161_125_158_052_819_57, 0.161_125_158_052_819_57),
        (of(0, 20), of(20, 20), -1.0, -0.772_134_616_242_194_1),
        (of(190, 200), of(188, 200), -0.036_999_373_040_659_055, 0.057_642_539_755_100_67),
        (of(2000, 2000), of(2000, 2000), -0.001_917_047_281_253_081_4, 0.001_917_047_281_253_081_4),
    ] {
        close_interval(newcombe(base, candidate), lo, hi);
    }
}

/// `scipy.stats.fisher_exact([[a, n_a - a], [b, n_b - b]])[1]`
#[test]
fn fisher_as_scipy_has_it() {
    for (a, b, p) in [
        (of(0, 20), of(20, 20), 1.450_888_910_384_968_8e-11),
        (of(3, 20), of(9, 20), 0.082_358_777_019_511_16),
        (of(1, 9), of(11, 14), 0.002_759_456_185_220_083_6),
        (of(8, 10), of(1, 6), 0.034_965_034_965_034_975),
        (of(19, 20), of(13, 20), 0.043_596_043_596_043_6),
        (of(0, 5), of(5, 5), 0.007_936_507_936_507_938),
        (of(0, 100), of(7, 100), 0.014_017_765_516_375_317),
        (of(480, 1000), of(520, 1000), 0.081_110_060_579_133_07),
        (of(3, 3), of(0, 20_000), 7.497_750_468_665_638e-13),
    ] {
        let found = fisher(a, b);
        assert!((found / p - 1.0).abs() < 1e-9, "{a:?} {b:?}: found {found}, expected {p}");
        close(fisher(b, a), found);
    }
}

#[test]
fn fisher_at_the_ends() {
    for (a, b) in [
        (of(0, 0), of(0, 0)),
        (of(0, 0), of(7, 20)),
        (of(0, 20), of(0, 20)),
        (of(20, 20), of(20, 20)),
        (of(10, 20), of(10, 20)),
        (of(1, 1), of(0, 1)),
    ] {
        close(fisher(a, b), 1.0);
    }
    // 2 of 4000!/(2000!)², far below what a double can hold; SciPy says 0 too.
    close(fisher(of(0, 2000), of(2000, 2000)), 0.0);
    // The largest counts there are: no overflow, and an answer at once.
    close(fisher(of(u32::MAX, u32::MAX), of(u32::MAX, u32::MAX)), 1.0);
    close(fisher(of(u32::MAX / 2, u32::MAX), of(u32::MAX / 2, u32::MAX)), 1.0);
}

/// `n` over `k`, exactly.
fn choose(n: u32, k: u32) -> u128 {
    (0..u128::from(k)).fold(1, |product, i| product * (u128::from(n) - i) / (i + 1))
}

proptest! {
    /// Against whole numbers: the tables no likelier than the one seen are counted, none is estimated.
    #[test]
    fn fisher_is_exact(n_a in 0_u32..40, n_b in 0_u32..40, a in 0_u32..40, b in 0_u32..40) {
        prop_assume!(a <= n_a && b <= n_b);
        let hits = a + b;
        let ways = |k: u32| choose(n_a, k) * choose(n_b, hits - k);
        let tables = hits.saturating_sub(n_b)..=hits.min(n_a);
        let unlikelier: u128 = tables.clone().map(ways).filter(|&w| w <= ways(a)).sum();
        let all: u128 = tables.map(ways).sum();
        #[allow(clippy::cast_precision_loss)]
        let exact = unlikelier as f64 / all as f64;
        let found = fisher(of(a, n_a), of(b, n_b));
        prop_assert!((found / exact - 1.0).abs() < 1e-12, "found {found}, exactly {exact}");
    }

    /// Every interval holds the share it was made of, stays within what is possible, and narrows with more of the same.
    #[test]
    fn intervals_hold_their_estimate(n in 1_u32..5000, hits in 0_u32..5000, n_b in 1_u32..5000, hits_b in 0_u32..5000) {
        prop_assume!(hits <= n && hits_b <= n_b);
        let (a, b) = (of(hits, n), of(hits_b, n_b));
        let (share, interval) = (a.share().unwrap(), wilson(a));
        prop_assert!(0.0 <= interval.lo && interval.lo <= share && share <= interval.hi && interval.hi <= 1.0);
        let more = wilson(of(hits * 4, n * 4));
        prop_assert!(more.hi - more.lo < interval.hi - interval.lo);

        let (difference, interval) = (b.share().unwrap() - share, newcombe(a, b));
        prop_assert!(-1.0 <= interval.lo && interval.lo <= difference);
        prop_assert!(difference <= interval.hi && interval.hi <= 1.0);
    }
}

/// `multipletests([0.01, 0.04, 0.03, 0.005, 0.5, 0.04, 1.0], method="holm")`, and `method="fdr_bh"`
#[test]
fn adjustments_as_statsmodels_has_them() {
    let p_values = [0.01, 0.04, 0.03, 0.005, 0.5, 0.04, 1.0];
    for (found, expected) in holm(&p_values).into_iter().zip([0.06, 0.16, 0.15, 0.035, 1.0, 0.16, 1.0]) {
        close(found, expected);
    }
    let expected = [0.035, 0.056, 0.056, 0.035, 0.583_333_333_333_333_4, 0.056, 1.0];
    for (found, expected) in benjamini_hochberg(&p_values).into_iter().zip(expected) {
        close(found, expected);
    }
}

#[test]
fn adjusting_nothing_and_one() {
    assert!(holm(&[]).is_empty() && benjamini_hochberg(&[]).is_empty());
    close(holm(&[0.04])[0], 0.04);
    close(benjamini_hochberg(&[0.04])[0], 0.04);
}

#[test]
fn a_percentage_is_0_or_100_only_when_it_is() {
    let shown = [0.0, 0.0001, 0.161, 0.5, 0.9999, 1.0].map(percent);
    assert_eq!(shown, ["0", "1", "16", "50", "99", "100"]);
}
