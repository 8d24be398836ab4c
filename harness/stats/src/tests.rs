//! Every reference value was made with `SciPy` 1.17.1 and statsmodels 0.15.0, or was published; the command or the
//! source is beside it.

use proptest::prelude::*;

use super::{Clusters, Interval, Proportion, benjamini_hochberg, percent, wilson};

mod boschloo;
mod change;
mod clusters;
mod coverage;
mod difference;
mod sequential;

fn of(hits: u32, of: u32) -> Proportion {
    Proportion::new(hits, of).unwrap()
}

/// Templates, `(hits, of)` each.
fn templates(seen: &[(u32, u32)]) -> Clusters {
    Clusters::new(of(0, 0), seen.iter().map(|(hits, n)| of(*hits, *n)))
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
}

proptest! {
    /// Every interval holds the share it was made of, stays within what is possible, and narrows with more of the same.
    #[test]
    fn an_interval_holds_its_estimate(n in 1_u32..5000, hits in 0_u32..5000) {
        prop_assume!(hits <= n);
        let a = of(hits, n);
        let (share, interval) = (a.share().unwrap(), wilson(a));
        prop_assert!(0.0 <= interval.lo && interval.lo <= share && share <= interval.hi && interval.hi <= 1.0);
        let more = wilson(of(hits * 4, n * 4));
        prop_assert!(more.hi - more.lo < interval.hi - interval.lo);
    }
}

/// `multipletests([0.01, 0.04, 0.03, 0.005, 0.5, 0.04, 1.0], method="fdr_bh")`
#[test]
fn the_adjustment_as_statsmodels_has_it() {
    let p_values = [0.01, 0.04, 0.03, 0.005, 0.5, 0.04, 1.0];
    let expected = [0.035, 0.056, 0.056, 0.035, 0.583_333_333_333_333_4, 0.056, 1.0];
    for (found, expected) in benjamini_hochberg(&p_values).into_iter().zip(expected) {
        close(found, expected);
    }
}

#[test]
fn adjusting_nothing_and_one() {
    assert!(benjamini_hochberg(&[]).is_empty());
    close(benjamini_hochberg(&[0.04])[0], 0.04);
}

#[test]
fn a_percentage_is_0_or_100_only_when_it_is() {
    let shown = [0.0, 0.0001, 0.161, 0.5, 0.9999, 1.0].map(percent);
    assert_eq!(shown, ["0", "1", "16", "50", "99", "100"]);
}
