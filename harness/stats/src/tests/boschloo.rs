use proptest::prelude::*;

use super::super::boschloo;
use super::super::fisher::fisher_lower;
use super::{close, of};

/// `scipy.stats.fisher_exact([[a, b], [n_a - a, n_b - b]], alternative="less")[1]`
#[test]
fn fisher_as_scipy_has_it() {
    for (a, b, p) in [
        (of(0, 20), of(20, 20), 7.254_444_551_924_844e-12),
        (of(3, 20), of(9, 20), 0.041_179_388_509_755_58),
        (of(9, 20), of(3, 20), 0.993_092_926_074_016_2),
        (of(1, 9), of(11, 14), 0.002_490_240_947_637_636),
        (of(480, 1000), of(520, 1000), 0.040_555_030_289_566_536),
        (of(3, 3), of(0, 20_000), 1.0),
    ] {
        close(fisher_lower(a, b), p);
    }
}

#[test]
fn fisher_at_the_ends() {
    for (a, b) in [(of(0, 0), of(0, 0)), (of(0, 0), of(7, 20)), (of(0, 20), of(0, 20)), (of(20, 20), of(20, 20))] {
        close(fisher_lower(a, b), 1.0);
    }
    // 1 of 4000!/(2000!)², far below what a double can hold.
    close(fisher_lower(of(0, 2000), of(2000, 2000)), 0.0);
}

/// `n` over `k`, exactly.
fn choose(n: u32, k: u32) -> u128 {
    (0..u128::from(k)).fold(1, |product, i| product * (u128::from(n) - i) / (i + 1))
}

/// `scipy.stats.boschloo_exact([[a, b], [n_a - a, n_b - b]], n=256).pvalue`, which searches the maximum among 256
/// starting points and may fall a little short of it. Ours is at most a millionth above it.
#[test]
fn as_scipy_has_it() {
    for (a, b, p) in [
        (of(0, 20), of(20, 20), 1.818_989_403_545_863e-12),
        (of(3, 20), of(9, 20), 0.042_431_416_867_796_1),
        (of(1, 9), of(11, 14), 0.001_991_378_635_825_066_5),
        (of(8, 10), of(1, 6), 0.017_569_219_285_683_64),
        (of(19, 20), of(13, 20), 0.021_502_095_321_059_074),
        (of(0, 5), of(5, 5), 0.001_953_125),
        (of(0, 100), of(7, 100), 0.009_734_080_678_706_764),
        (of(17, 20), of(10, 20), 0.019_616_661_147_804_05),
        (of(20, 20), of(14, 20), 0.009_741_435_361_987_537),
        (of(20, 20), of(17, 20), 0.153_861_094_000_603_88),
        (of(10, 20), of(10, 20), 0.936_720_114_648_779_6),
        (of(7, 20), of(3, 7), 0.757_377_141_733_148_4),
        (of(1, 1), of(0, 1), 0.5),
        (of(50, 60), of(25, 60), 2.291_117_724_502_128_6e-6),
        (of(12, 30), of(2, 11), 0.229_020_599_094_835_4),
        (of(95, 100), of(70, 100), 1.893_456_219_810_562_7e-6),
        // The example of SciPy's documentation, there one-sided: 0.0355.
        (of(74, 117), of(31, 63), 0.071_128_128_603_093_5),
    ] {
        let found = boschloo(a, b);
        assert!((-1e-8..2e-6).contains(&(found / p - 1.0)), "{a:?} {b:?}: found {found}, expected {p}");
        close(boschloo(b, a), found);
    }
}

#[test]
fn at_the_ends() {
    for (a, b) in [
        (of(0, 0), of(0, 0)),
        (of(0, 0), of(7, 20)),
        (of(7, 20), of(0, 0)),
        (of(0, 20), of(0, 20)),
        (of(20, 20), of(20, 20)),
    ] {
        close(boschloo(a, b), 1.0);
    }
    close(boschloo(of(0, 2000), of(2000, 2000)), 0.0);
}

/// Beyond ten thousand trials: Fisher's, doubled; an answer at once, up to the largest counts there are.
#[test]
fn of_very_many_it_is_fishers() {
    let (a, b) = (of(4900, 10_000), of(5100, 10_000));
    close(boschloo(a, b), 2.0 * fisher_lower(a, b));
    let (a, b) = (of(2450, 5000), of(2550, 5000));
    assert!(boschloo(a, b) < 2.0 * fisher_lower(a, b));
    let half = of(u32::MAX / 2, u32::MAX);
    close(boschloo(half, half), 1.0);
    close(boschloo(of(u32::MAX, u32::MAX), of(u32::MAX, u32::MAX)), 1.0);
    close(boschloo(of(0, u32::MAX), of(u32::MAX, u32::MAX)), 0.0);
}

/// The one-sided p-value straight from its definition, on a grid of shares: all tables, no walk along a boundary.
fn by_definition(a: u32, n_a: u32, b: u32, n_b: u32) -> f64 {
    let seen = fisher_lower(of(a, n_a), of(b, n_b)) * (1.0 + 1e-9);
    let all = || (0..=n_a).flat_map(|i| (0..=n_b).map(move |j| (i, j)));
    let extreme: Vec<_> = all().filter(|&(i, j)| fisher_lower(of(i, n_a), of(j, n_b)) <= seen).collect();
    let power = |share: f64, count: u32| share.powi(i32::try_from(count).unwrap());
    #[allow(clippy::cast_precision_loss)]
    let probability = |share: f64, i: u32, j: u32| {
        (choose(n_a, i) * choose(n_b, j)) as f64 * power(share, i + j) * power(1.0 - share, n_a + n_b - i - j)
    };
    let sum = |share: f64| extreme.iter().map(|&(i, j)| probability(share, i, j)).sum();
    (0..=400).map(|step| sum(f64::from(step) / 400.0)).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Never below the probability at any share, and not above the highest of them by more than the grid may miss.
    #[test]
    fn it_is_what_it_is_defined_as(n_a in 1_u32..14, n_b in 1_u32..14, a in 0_u32..14, b in 0_u32..14) {
        prop_assume!(a <= n_a && b <= n_b);
        let grid = (2.0 * by_definition(a, n_a, b, n_b).min(by_definition(b, n_b, a, n_a))).min(1.0);
        let found = boschloo(of(a, n_a), of(b, n_b));
        prop_assert!(found >= grid * (1.0 - 1e-9) && found <= grid * 1.002 + 1e-12, "found {found}, on the grid {grid}");
    }
}

proptest! {
    /// Fisher's against whole numbers: every table is counted, none is estimated.
    #[test]
    fn fisher_is_exact(n_a in 0_u32..40, n_b in 0_u32..40, a in 0_u32..40, b in 0_u32..40) {
        prop_assume!(a <= n_a && b <= n_b);
        let hits = a + b;
        let ways = |k: u32| choose(n_a, k) * choose(n_b, hits - k);
        let lowest = hits.saturating_sub(n_b);
        let below: u128 = (lowest..=a).map(ways).sum();
        let all: u128 = (lowest..=hits.min(n_a)).map(ways).sum();
        #[allow(clippy::cast_precision_loss)]
        let exact = below as f64 / all as f64;
        let found = fisher_lower(of(a, n_a), of(b, n_b));
        prop_assert!((found / exact - 1.0).abs() < 1e-12, "found {found}, exactly {exact}");
    }
}
