use proptest::prelude::*;

use super::super::EValues;
use super::{Interval, Proportion, close, close_interval, of};

fn ln_e_value(base: Proportion, candidate: Proportion, difference: f64) -> f64 {
    EValues::of(&base.into(), &candidate.into()).ln_e_value(difference)
}

fn anytime_p(base: Proportion, candidate: Proportion) -> f64 {
    EValues::of(&base.into(), &candidate.into()).p_value()
}

fn sequence_excludes(base: Proportion, candidate: Proportion, difference: f64) -> bool {
    EValues::of(&base.into(), &candidate.into()).excludes(difference)
}

fn difference_sequence(base: Proportion, candidate: Proportion) -> Interval {
    super::super::difference_sequence(&base.into(), &candidate.into())
}

fn share_sequence(seen: Proportion) -> Interval {
    super::super::share_sequence(&seen.into())
}

/// The same formulas with `scipy.special.betaln`, `xlogy` and `xlog1py`, the restricted shares found by bisection:
/// `logaddexp(log(.5) + betaln(k + .5, n - k + .5) - log(pi), log(.25 * (k == 0) + .25 * (k == n)))` for each side,
/// less `xlogy(k, p) + xlog1py(n - k, -p)`.
#[test]
fn e_values_as_scipy_has_them() {
    for (base, candidate, ln_e) in [
        (of(5, 5), of(0, 5), 4.959_369_411_613_697_5),
        (of(4, 4), of(0, 4), 3.645_062_255_789_617_7),
        (of(20, 20), of(0, 20), 25.400_771_451_540_294),
        (of(20, 20), of(14, 20), 1.097_640_001_194_271_5),
        (of(190, 200), of(188, 200), -7.048_778_000_982_622),
        (of(50, 50), of(50, 50), -2.477_165_636_606_39),
        (of(10, 30), of(20, 25), 1.119_353_547_670_918_7),
        (of(1000, 2000), of(900, 2000), -4.424_382_094_441_626),
        (of(3, 7), of(0, 0), -1.927_971_521_381_941_5),
    ] {
        for found in [ln_e_value(base, candidate, 0.0), ln_e_value(candidate, base, 0.0)] {
            assert!((found - ln_e).abs() < 1e-9, "{base:?} {candidate:?}: found {found}, expected {ln_e}");
        }
        let p = anytime_p(base, candidate);
        assert!((p - (-ln_e).exp().min(1.0)).abs() < 1e-9, "{p}");
    }
}

/// `scipy.optimize.brentq` of the same formulas at ln 20.
#[test]
fn confidence_sequences_as_scipy_has_them() {
    for (base, candidate, lo, hi) in [
        (of(20, 20), of(20, 20), -0.233_593_370_530_923_52, 0.233_593_370_530_923_52),
        (of(50, 50), of(50, 50), -0.103_680_153_533_162_15, 0.103_680_153_533_162_15),
        (of(20, 20), of(0, 20), -1.0, -0.750_893_062_947_108_1),
        (of(190, 200), of(188, 200), -0.127_421_686_740_208_62, 0.104_954_577_913_629_12),
        (of(10, 30), of(20, 25), -0.068_131_362_186_399_26, 0.831_095_431_526_709),
        (of(1, 3), of(2, 3), -0.824_981_790_012_932_1, 0.985_824_337_892_114_7),
    ] {
        close_interval(difference_sequence(base, candidate), lo, hi);
    }
    for (seen, lo, hi) in [
        (of(20, 20), 0.812_276_476_925_483_3, 1.0),
        (of(0, 20), 0.0, 0.187_723_523_074_516_67),
        (of(10, 20), 0.176_461_499_845_242_23, 0.823_538_500_154_757_7),
        (of(19, 20), 0.642_689_735_952_349_8, 0.999_919_511_173_155_3),
        (of(95, 100), 0.835_736_884_963_366_6, 0.993_899_667_228_886_5),
        (of(1000, 2000), 0.456_166_334_534_893_14, 0.543_833_665_465_107_3),
        // By hand: ¼ + ½ · ½ is ½, and ½/p reaches 20 at 0.025.
        (of(1, 1), 0.025, 1.0),
    ] {
        close_interval(share_sequence(seen), lo, hi);
    }
}

#[test]
fn nothing_is_no_evidence() {
    for (base, candidate) in [(of(0, 0), of(0, 0)), (of(0, 0), of(20, 20)), (of(20, 20), of(0, 0))] {
        assert_eq!(difference_sequence(base, candidate), Interval { lo: -1.0, hi: 1.0 });
        close(anytime_p(base, candidate), 1.0);
    }
    assert_eq!(share_sequence(of(0, 0)), Interval { lo: 0.0, hi: 1.0 });
}

#[test]
fn what_cannot_be_is_refuted() {
    assert!(sequence_excludes(of(0, 0), of(0, 0), 1.5));
    assert!(sequence_excludes(of(1, 1), of(1, 1), -1.0));
    assert!(!sequence_excludes(of(1, 1), of(0, 1), -1.0));
}

/// The largest counts there are end neither in a panic nor in anything that is no number.
#[test]
fn the_largest_counts() {
    for (hits, other) in [(0, 0), (1, 0), (u32::MAX / 2, u32::MAX / 2), (u32::MAX, u32::MAX), (u32::MAX, 1)] {
        let (base, candidate) = (of(hits, u32::MAX), of(other, u32::MAX));
        let found = difference_sequence(base, candidate);
        assert!(-1.0 <= found.lo && found.lo < found.hi && found.hi <= 1.0, "{found:?}");
        assert!((0.0..=1.0).contains(&anytime_p(base, candidate)));
    }
}

/// The mean of the e-value after N trials a side, if the shares are these: computed over all outcomes, not sampled.
fn mean_e_value(n: u32, base: f64, candidate: f64, difference: f64) -> f64 {
    let mut choose = 1.0;
    let ways: Vec<f64> = (0..=n)
        .map(|k| {
            let ways = choose;
            choose *= f64::from(n - k) / f64::from(k + 1);
            ways
        })
        .collect();
    let weight = |k: u32, share: f64| {
        let power = |share: f64, count: u32| share.powi(i32::try_from(count).unwrap());
        ways[usize::try_from(k).unwrap()] * power(share, k) * power(1.0 - share, n - k)
    };
    let all = (0..=n).flat_map(|i| (0..=n).map(move |j| (i, j)));
    all.map(|(i, j)| (weight(i, base) * weight(j, candidate), of(i, n), of(j, n)))
        .filter(|(weight, ..)| *weight > 0.0)
        .map(|(weight, base, candidate)| weight * ln_e_value(base, candidate, difference).exp())
        .sum()
}

/// What makes it an e-value: where the hypothesis holds, the mean is at most 1.
#[test]
fn the_mean_under_the_hypothesis_is_at_most_one() {
    for n in [1, 2, 5, 20] {
        for difference in [-1.0, -0.5, -0.1, 0.0, 0.1, 0.3, 1.0_f64] {
            let (low, high) = ((-difference).max(0.0), (1.0 - difference).min(1.0));
            for step in 0..=20 {
                let base = low + f64::from(step) / 20.0 * (high - low);
                let mean = mean_e_value(n, base, (base + difference).clamp(0.0, 1.0), difference);
                assert!(mean <= 1.0 + 1e-9, "{mean} after {n} at {base}, difference {difference}");
            }
        }
    }
    // And where it does not hold, it grows.
    assert!(mean_e_value(20, 0.9, 0.3, 0.0) > 20.0);
}

proptest! {
    /// It holds what was seen, stays within what is possible, and has a mirror.
    #[test]
    fn the_sequence_holds_its_estimate(n in 1_u32..2000, hits in 0_u32..2000, n_b in 1_u32..2000, hits_b in 0_u32..2000) {
        prop_assume!(hits <= n && hits_b <= n_b);
        let (base, candidate) = (of(hits, n), of(hits_b, n_b));
        let share = |seen: Proportion| seen.share().unwrap();
        let difference = share(candidate) - share(base);
        let found = difference_sequence(base, candidate);
        prop_assert!(-1.0 <= found.lo && found.lo <= difference);
        prop_assert!(difference <= found.hi && found.hi <= 1.0);
        let mirror = difference_sequence(candidate, base);
        prop_assert!((found.lo + mirror.hi).abs() < 1e-9 && (found.hi + mirror.lo).abs() < 1e-9);
        let one = share_sequence(base);
        prop_assert!(0.0 <= one.lo && one.lo <= share(base) && share(base) <= one.hi && one.hi <= 1.0);
    }
}
