use proptest::prelude::*;

use super::super::beta_binomial::BetaBinomial;
use super::super::student::student;
use super::super::{
    Clusters, EValues, boschloo, boschloo_effective, difference_sequence, dispersion_p, intraclass, share_sequence,
};
use super::{close, close_interval, of, templates, wilson};

/// `scipy.stats.t.ppf(.975, df)`
#[test]
fn students_points_as_scipy_has_them() {
    for (freedom, point) in [
        (1, 12.706_204_736_174_694),
        (2, 4.302_652_729_749_462),
        (3, 3.182_446_305_283_707_8),
        (4, 2.776_445_105_197_793_4),
        (8, 2.306_004_135_204_166),
        (31, 2.039_513_446_396_408),
    ] {
        close(student(freedom), point);
    }
}

/// With `F = scipy.stats.f_oneway(*trials_of_templates).statistic` and templates of m trials each: `(F - 1)/(F + m - 1)`.
/// The third, by the formula of Ridout and others in `NumPy`, has templates of different sizes.
#[test]
fn the_intraclass_correlation_as_the_analysis_of_variance_has_it() {
    for (seen, icc) in [
        (&[(5, 5), (4, 5), (1, 5), (5, 5)][..], 0.552_238_805_970_149_4),
        (&[(2, 10), (9, 10)], 0.624_624_624_624_624_6),
        (&[(20, 25), (12, 25), (24, 25), (18, 20), (3, 5)], 0.201_926_936_973_103_15),
        // Further apart than chance has it on average, none is: that is 0 and not below.
        (&[(5, 5), (5, 5), (5, 5), (4, 5)], 0.0),
        (&[(10, 10), (0, 10)], 1.0),
        (&[(5, 10), (5, 10)], 0.0),
    ] {
        close(templates(seen).icc().unwrap(), icc);
    }
}

#[test]
fn where_nothing_shows_how_templates_differ_nothing_is_said_of_it() {
    assert_eq!(Clusters::from(of(10, 20)).icc(), None);
    assert_eq!(templates(&[(10, 20)]).icc(), None);
    assert_eq!(templates(&[(1, 1), (0, 1), (1, 1)]).icc(), None);
    assert_eq!(templates(&[(5, 5), (0, 0)]).icc(), None);
    assert_eq!(templates(&[(5, 5), (5, 5)]).icc(), Some(0.0));
    assert_eq!(Clusters::from(of(10, 20)).between(), None);
    let between = templates(&[(10, 20)]).between().unwrap();
    assert_eq!((between.templates, between.icc), (1, None));
    close(between.p, 1.0);
}

/// `proportion_confint(share * n, n, method="wilson")` of statsmodels, n being the effective number in `NumPy`.
#[test]
fn wilson_on_effective_counts_as_statsmodels_has_it() {
    for (seen, n, lo, hi) in [
        (
            &[(5, 5), (4, 5), (1, 5), (5, 5)][..],
            3.022_853_221_746_095_3,
            0.257_241_661_595_897_07,
            0.962_944_513_147_953_7,
        ),
        (&[(2, 10), (9, 10)], 1.0, 0.065_408_422_894_302_71, 0.955_246_508_543_420_9),
        (
            &[(20, 25), (12, 25), (24, 25), (18, 20), (3, 5)],
            10.046_269_283_295_034,
            0.461_724_202_450_807_9,
            0.928_907_394_910_392_3,
        ),
    ] {
        let effective = templates(seen).effective();
        close(effective.of(), n);
        close_interval(wilson(effective), lo, hi);
    }
}

/// Without variance between templates, and where it cannot be known, every figure is that of the counts alone.
#[test]
fn without_variance_nothing_is_discounted() {
    for (seen, all) in [
        (templates(&[(5, 5); 4]), of(20, 20)),
        (templates(&[(0, 5); 4]), of(0, 20)),
        (templates(&[(3, 5), (2, 5), (3, 5)]), of(8, 15)),
        (templates(&[(13, 20)]), of(13, 20)),
        (of(13, 20).into(), of(13, 20)),
    ] {
        assert_eq!(seen.effective(), all.into());
        assert_eq!(wilson(seen.effective()), wilson(all));
        let other = of(3, 17);
        assert!(boschloo_effective(seen.effective(), other.into()).to_bits() == boschloo(all, other).to_bits());
    }
}

/// `sum(scipy.stats.betabinom.logpmf(h, n, p*(1-r)/r, (1-p)*(1-r)/r) - log(comb(n, h)) for h, n in templates)`
#[test]
fn beta_binomial_likelihoods_as_scipy_has_them() {
    let mixed = [(5, 5), (4, 5), (1, 5), (5, 5)];
    for (seen, share, icc, ln) in [
        (&mixed[..], 0.75, 0.05, -10.505_385_546_937_973),
        (&mixed, 0.6, 0.3, -9.721_523_885_450_354),
        (&[(0, 7), (3, 40)], 0.1, 0.01, -11.618_547_424_448_408),
        (&[(20, 20)], 0.9, 0.05, -1.445_701_425_124_344_3),
        // By hand: with a correlation of 1 one trial of a template decides for all.
        (&[(20, 20), (0, 3)], 0.9, 1.0, 0.09_f64.ln()),
        (&[(3, 4)], 0.5, 1.0, f64::NEG_INFINITY),
        (&[(3, 4)], 0.5, 0.0, -4.0 * std::f64::consts::LN_2),
    ] {
        let found = BetaBinomial::of(&templates(seen)).ln(share, icc);
        assert!((found - ln).abs() < 1e-9 || found.total_cmp(&ln).is_eq(), "{seen:?}: {found}, expected {ln}");
    }
}

/// The restricted likelihood's largest value by `scipy.optimize.minimize_scalar`, over the base's share and, for each,
/// over the correlation of each side, with `scipy.special.betaln`.
#[test]
fn e_values_of_templates_as_scipy_has_them() {
    let nearly = [(5, 5), (4, 5), (5, 5), (4, 5)];
    for (base, candidate, difference, ln_e) in [
        (&[(5, 5); 4][..], &[(0, 5); 4][..], 0.0, 21.977_267_742_805_3),
        (&[(20, 20)], &[(0, 20)], 0.0, 15.060_896_047_970_864),
        (&nearly, &[(3, 5), (2, 5), (1, 5), (3, 5)], 0.0, -0.339_103_615_808_785),
        (&[(13, 13); 4], &[(13, 13); 4], 0.1, 1.732_079_979_762_373_2),
    ] {
        let [base, candidate] = [base, candidate].map(templates);
        let found = EValues::of(&base, &candidate).ln_e_value(difference);
        assert!((found - ln_e).abs() < 1e-6, "{base:?} {candidate:?}: found {found}, expected {ln_e}");
    }
}

/// A template of one trial tells it from no other: the figures are those of independent trials, to the last digit.
#[test]
fn one_trial_a_template_is_independent() {
    let [base, candidate] = [[1, 1, 1, 1, 0], [0, 0, 1, 0, 0]].map(|hits| templates(&hits.map(|hit| (hit, 1))));
    let [base_apart, candidate_apart] = [of(4, 5), of(1, 5)].map(Clusters::from);
    let found = EValues::of(&base, &candidate).ln_e_value(0.2);
    assert!(found.to_bits() == EValues::of(&base_apart, &candidate_apart).ln_e_value(0.2).to_bits());
    assert_eq!(share_sequence(&base), share_sequence(&base_apart));
    assert_eq!(difference_sequence(&base, &candidate), difference_sequence(&base_apart, &candidate_apart));
}

/// Where templates differ by more than chance, the hypothesis may have any correlation, and what looks like a difference
/// of the sides is none.
#[test]
fn templates_that_differ_take_the_evidence_away() {
    let apart =
        |base: &[(u32, u32)], candidate: &[(u32, u32)]| EValues::of(&templates(base), &templates(candidate)).p_value();
    assert!(apart(&[(10, 10); 4], &[(0, 10); 4]) < 1e-6);
    close(apart(&[(10, 10), (10, 10), (0, 10), (10, 10)], &[(0, 10), (10, 10), (0, 10), (0, 10)]), 1.0);
}

/// Of 8 trials in two templates of 4, all 4 hits are in one of them in 2 of 70 deals: `1 / comb(8, 4)` each.
#[test]
fn the_p_value_of_a_dispersion_is_a_count_of_deals() {
    let p = dispersion_p(&[&templates(&[(4, 4), (0, 4)])]);
    assert!((p - 2.0 / 70.0).abs() < 0.012, "{p}");
    assert!(!templates(&[(3, 4), (1, 4)]).differ());
    assert!(templates(&[(10, 10), (0, 10)]).differ());
    close(dispersion_p(&[&templates(&[(5, 5), (5, 5)])]), 1.0);
    // Nothing in one kernel alone is as telling as the same in three of them.
    let one = templates(&[(3, 3), (0, 3)]);
    assert!(dispersion_p(&[&one]) > 0.05 && dispersion_p(&[&one, &one, &one]) < 0.01);
    close(intraclass(&[&one, &one]).unwrap(), 1.0);
}

/// Any templates, and trials of none.
fn any_clusters() -> impl Strategy<Value = Clusters> {
    let share = (0..=30_u32).prop_flat_map(|n| (0..=n, Just(n))).prop_map(|(hits, n)| of(hits, n));
    (share.clone(), prop::collection::vec(share, 0..7)).prop_map(|(apart, templates)| Clusters::new(apart, templates))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn figures_of_templates_are_within_their_bounds(base in any_clusters(), candidate in any_clusters()) {
        let (all, effective) = (base.pooled(), base.effective());
        prop_assert!(effective.of() <= f64::from(all.of()) && (all.of() == 0 || effective.of() >= 1.0));
        prop_assert!(base.icc().is_none_or(|icc| (0.0..=1.0).contains(&icc)));
        prop_assert!((0.0..=1.0).contains(&dispersion_p(&[&base])));
        prop_assert!((0.0..=1.0).contains(&boschloo_effective(effective, candidate.effective())));
        for interval in [wilson(effective), share_sequence(&base)] {
            prop_assert!(0.0 <= interval.lo && interval.lo <= interval.hi && interval.hi <= 1.0);
        }
        // Templates never add evidence.
        let clustered = EValues::of(&base, &candidate);
        let pooled = [all, candidate.pooled()].map(Clusters::from);
        let independent = EValues::of(&pooled[0], &pooled[1]);
        for difference in [-1.0, -0.3, 0.0, 0.1, 1.0] {
            prop_assert!(clustered.ln_e_value(difference) <= independent.ln_e_value(difference) + 1e-7);
        }
    }

    /// No correlation that is allowed is likelier than the one that is found, beside what the search leaves.
    #[test]
    fn the_likeliest_correlation_is_the_likeliest(seen in any_clusters(), share in 0.01_f64..0.99, wide in any::<bool>()) {
        let likelihood = BetaBinomial::of(&seen);
        let most = if wide { 1.0 } else { 0.05 };
        let found = likelihood.ln(share, likelihood.likeliest_icc(share, most));
        for step in 0..=200 {
            let other = likelihood.ln(share, most * f64::from(step) / 200.0);
            prop_assert!(other <= found + 1e-3, "{other} {found}");
        }
    }
}
