use proptest::prelude::*;

use super::contest::Contest;
use super::*;
use crate::compare::Evidence;
use crate::model::Channel;
use crate::results::CellSummary;
use crate::results::sample::{cell, cell_with_order, key, skipped};
use crate::stats::{Proportion, boschloo, share_sequence, wilson};

const SCENARIO: &str = "panic-during-oops-dump";

/// One variant's cells: `(saved, n)` in pstore at each point; the console has no trials.
fn variant(name: &str, shares: &[(u32, u32)]) -> Vec<CellSummary> {
    (0..).zip(shares).map(|(hold, share)| cell(key(name, SCENARIO, &format!("hold={hold}")), (0, 0), *share)).collect()
}

fn run(variants: &[Vec<CellSummary>]) -> Summary {
    Summary { run_id: "20261122-050607-00ab".to_owned(), cells: variants.concat() }
}

fn ranked(summary: &Summary) -> Ranking {
    rank(summary, &[], Options::default()).unwrap()
}

/// The ranks by one measure at one point of the only base.
fn at(ranking: &Ranking, case: usize, measure: Measure) -> &RankedMeasure {
    ranking.bases[0].cases[case].measures.iter().find(|ranked| ranked.measure == measure).unwrap()
}

/// `variant rank` of each, and how many it beats.
fn in_pstore(ranking: &Ranking, case: usize) -> Vec<(&str, usize, usize)> {
    let pstore = at(ranking, case, Measure::Channel(Channel::Pstore));
    pstore.ranked.iter().map(|it| (it.variant.as_str(), it.rank, it.better_than.len())).collect()
}

fn dominations(ranking: &Ranking) -> Vec<(&str, &str)> {
    ranking.bases.iter().flat_map(|base| &base.dominated).map(|it| (it.by.as_str(), it.variant.as_str())).collect()
}

#[test]
fn who_is_shown_to_be_better_is_ahead_and_others_tie() {
    let shares = [("none", 0), ("all", 20), ("half", 10), ("most", 16)];
    let ranking = ranked(&run(&shares.map(|(name, saved)| variant(name, &[(saved, 20)]))));
    // 16 of 20 against 10 or 20 of 20 is not decided: so it is first as well, and ahead of fewer.
    assert_eq!(in_pstore(&ranking, 0), [("all", 1, 2), ("most", 1, 1), ("half", 2, 1), ("none", 4, 0)]);
    let none = &at(&ranking, 0, Measure::Channel(Channel::Pstore)).ranked[3];
    assert_eq!(
        (none.better_than.as_slice(), none.worse_than.as_slice()),
        (&[][..], &names(&["all", "half", "most"])[..])
    );
    assert_eq!((none.good, none.of, none.ci95), (0, 20, wilson(Proportion::new(0, 20).unwrap())));
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn few_trials_decide_nothing_and_many_show_that_shares_are_the_same() {
    let ranking = ranked(&run(&[variant("a", &[(2, 2)]), variant("b", &[(0, 2)])]));
    assert_eq!(in_pstore(&ranking, 0), [("a", 1, 0), ("b", 1, 0)]);
    // The pairs of pstore and of `ended`.
    assert_eq!(ranking.pairs, PairCounts { different: 0, same: 0, undecided: 2 });
    let ranking = ranked(&run(&[variant("a", &[(100, 100)]), variant("b", &[(100, 100)])]));
    assert_eq!(ranking.pairs, PairCounts { different: 0, same: 2, undecided: 0 });
    assert_eq!(dominations(&ranking), []);
}

/// 17 of 20 against 10 of 20 has p = 0.0196: found in one case, not among nine equal ones.
#[test]
fn all_pairs_of_the_run_are_one_family() {
    let equal = [(20, 20); 9];
    let two = |rest: &[(u32, u32)]| {
        ranked(&run(&[variant("a", &[&[(17, 20)], rest].concat()), variant("b", &[&[(10, 20)], rest].concat())]))
    };
    assert_eq!(two(&[]).pairs, PairCounts { different: 1, same: 0, undecided: 1 });
    assert_eq!(two(&equal).pairs, PairCounts { different: 0, same: 0, undecided: 20 });
    // Where nothing counted nothing was tested.
    assert_eq!(two(&[(0, 0); 9]).pairs.different, 1);
}

#[test]
fn hung_guests_count_against_a_variant() {
    let hung = |name: &str, hung| {
        variant(name, &[(10, 20)]).into_iter().map(|cell| CellSummary { hung, ..cell }).collect::<Vec<_>>()
    };
    let mut all = hung("hangs", 18);
    all[0].trials = 25;
    (all[0].missed, all[0].infra_errors) = (3, 2);
    let ranking = ranked(&run(&[all, hung("ends", 0)]));
    let ended: Vec<_> = at(&ranking, 0, Measure::Ended)
        .ranked
        .iter()
        .map(|it| (it.variant.as_str(), it.rank, it.good, it.of))
        .collect();
    assert_eq!(ended, [("ends", 1, 20, 20), ("hangs", 2, 2, 20)]);
    assert_eq!(dominations(&ranking), [("ends", "hangs")]);
}

#[test]
fn what_was_not_run_or_did_not_count_is_told_and_not_ranked() {
    let missed = CellSummary { trials: 4, missed: 4, ..CellSummary::empty(key("missed", SCENARIO, "hold=0")) };
    let other = variant("other", &[(20, 20), (20, 20)]).split_off(1);
    let cells = [
        variant("all", &[(20, 20)]),
        vec![skipped(key("old", SCENARIO, "hold=0"))],
        vec![missed],
        variant("none", &[(0, 20)]),
        other,
    ];
    let ranking = ranked(&run(&cells));
    assert_eq!(in_pstore(&ranking, 0), [("all", 1, 1), ("none", 2, 0)]);
    let case = &ranking.bases[0].cases[0];
    assert_eq!(case.skipped.iter().map(|it| it.variant.as_str()).collect::<Vec<_>>(), ["old"]);
    assert_eq!(case.measures[1].none_counted, ["missed", "other"]);
    // Alone nobody is ahead of anybody, and so it is not counted.
    assert_eq!(in_pstore(&ranking, 1), [("other", 1, 0)]);
    let standing = |name: &str| ranking.bases[0].variants.iter().find(|it| it.variant == name).unwrap();
    assert_eq!((standing("other").ranked, standing("old").ranked), (0, 0));
    // pstore and `ended`.
    assert_eq!((standing("all").ranked, standing("all").first), (2, 2));
    assert_eq!((standing("none").ranked, standing("none").first, standing("none").undecided), (2, 1, 1));
    assert_eq!(standing("none").worse.iter().map(|it| it.measure.name()).collect::<Vec<_>>(), ["pstore"]);
}

#[test]
fn an_order_of_steps_is_no_rank() {
    let with_order = |name: &str, kept| {
        variant(name, &[(20, 20)]).into_iter().map(|cell| cell_with_order(cell, (kept, 20))).collect::<Vec<_>>()
    };
    let ranking = ranked(&run(&[with_order("a", 20), with_order("b", 0)]));
    assert_eq!(ranking.pairs, PairCounts { different: 0, same: 0, undecided: 2 });
}

#[test]
fn domination_is_over_all_cases() {
    // `a` is better in one case and nowhere worse; `c` is better in one and worse in another.
    let shares = [("a", [20, 20, 20]), ("b", [20, 0, 20]), ("c", [0, 20, 20])];
    let shares = shares.map(|(name, saved)| variant(name, &saved.map(|saved| (saved, 20))));
    let ranking = ranked(&run(&shares));
    assert_eq!(dominations(&ranking), [("a", "b"), ("a", "c")]);
    let first = &ranking.bases[0].dominated[0];
    assert_eq!(
        first.better_in.iter().map(|it| it.point.to_string()).collect::<Vec<_>>(),
        [format!("{SCENARIO} hold=1")]
    );
    assert_eq!((first.compared, first.undecided), (6, 5));
    // Where only one of two was run they are not compared.
    let [a, mut b, c] = shares;
    b.remove(1);
    assert_eq!(dominations(&ranked(&run(&[a, b, c]))), [("a", "c"), ("b", "c")]);
}

#[test]
fn variants_are_chosen_and_the_first_is_the_reference() {
    let mut variants = [("a", 20), ("b", 0), ("c", 20)].map(|(name, saved)| variant(name, &[(saved, 20)])).to_vec();
    let mut elsewhere = variant("a", &[(0, 20)]);
    elsewhere[0].key.base = "7.2".to_owned();
    variants.push(elsewhere);
    let all = run(&variants);
    let chosen = |variants: &[&str]| rank(&all, &names(variants), Options::default());
    let bases = |ranking: Ranking| {
        let of = |it: BaseRanking| (it.base, it.variants.into_iter().map(|it| it.variant).collect::<Vec<_>>());
        ranking.bases.into_iter().map(of).collect::<Vec<_>>()
    };
    let [here, there] = ["6.12", "7.2"].map(str::to_owned);
    assert_eq!(bases(ranked(&all)), [(here.clone(), names(&["a", "b", "c"])), (there.clone(), names(&["a"]))]);
    // Of two bases none are compared.
    assert_eq!(ranked(&all).pairs.all(), 6);
    assert_eq!(bases(chosen(&["b", "a"]).unwrap()), [(here.clone(), names(&["b", "a"])), (there, names(&["a"]))]);
    let two = chosen(&["b", "a@6.12"]).unwrap();
    assert_eq!((two.bases[0].reference.as_str(), two.bases[0].variants[1].better.len()), ("b", 1));
    assert_eq!(bases(two), [(here, names(&["b", "a"]))]);

    let error = chosen(&["d"]).unwrap_err().to_string();
    assert_eq!(error, "run 20261122-050607-00ab has no variant d; it has a@6.12, b@6.12, c@6.12, a@7.2");
    let error = rank(&run(&[]), &[], Options::default()).unwrap_err().to_string();
    assert_eq!(error, "run 20261122-050607-00ab has no trials to compare");
    let twice = run(&[variant("a", &[(1, 1)]), variant("a", &[(1, 1)])]);
    let error = rank(&twice, &[], Options::default()).unwrap_err().to_string();
    assert_eq!(error, format!("cannot compare: a@6.12 {SCENARIO} hold=0 stands twice on one side"));
}

#[test]
fn a_run_that_was_looked_at_has_sequential_figures() {
    let summary = run(&[variant("a", &[(3, 3)]), variant("b", &[(0, 3)])]);
    // Alone, since `ended` makes a family of two.
    assert_eq!(rank(&summary, &[], Options { alpha: 0.07, ..Options::default() }).unwrap().pairs.different, 1);
    let sequential = Options { alpha: 0.07, evidence: Evidence::Sequential, ..Options::default() };
    let ranking = rank(&summary, &[], sequential).unwrap();
    assert_eq!(ranking.pairs.different, 0);
    let first = &at(&ranking, 0, Measure::Channel(Channel::Pstore)).ranked[0];
    assert_eq!(first.ci95, share_sequence(&Proportion::new(3, 3).unwrap().into()));
}

/// A cell that was run: how many saved and hung, out of how many.
type Counted = (u32, u32, u32);

/// A cell of a made-up run: skipped, or counted.
fn any_cell() -> impl Strategy<Value = Option<Counted>> {
    let counted = (0..=12u32).prop_flat_map(|n| (0..=n, 0..=n, Just(n)));
    proptest::option::weighted(0.9, counted)
}

/// A number of variants in a number of cases, and an order to put the variants in.
fn any_run() -> impl Strategy<Value = (Vec<Vec<CellSummary>>, Vec<Vec<CellSummary>>)> {
    let of =
        |(variants, cases): (usize, usize)| prop::collection::vec(prop::collection::vec(any_cell(), cases), variants);
    let made = (1..=5usize, 1..=4usize).prop_flat_map(of).prop_map(|variants| {
        let name = |(number, cells): (usize, Vec<Option<Counted>>)| {
            let cell = |(hold, counts): (usize, Option<Counted>)| {
                let key = key(&format!("v{number}"), SCENARIO, &format!("hold={hold}"));
                let Some((saved, hung, n)) = counts else { return skipped(key) };
                CellSummary { hung, ..cell(key, (n, n), (saved, n)) }
            };
            cells.into_iter().enumerate().map(cell).collect::<Vec<_>>()
        };
        variants.into_iter().enumerate().map(name).collect::<Vec<_>>()
    });
    made.prop_flat_map(|variants| (Just(variants.clone()), Just(variants).prop_shuffle()))
}

/// Every variant's rank by every measure in every case, by name.
fn all_ranks(ranking: &Ranking) -> Vec<(String, Measure, String, usize)> {
    let mut ranks = Vec::new();
    for case in &ranking.bases[0].cases {
        for measure in &case.measures {
            let rank = |it: &RankedShare| (case.point.to_string(), measure.measure, it.variant.clone(), it.rank);
            ranks.extend(measure.ranked.iter().map(rank));
        }
    }
    ranks.sort();
    ranks
}

proptest! {
    #[test]
    fn ranks_do_not_depend_on_the_order_of_the_variants((variants, shuffled) in any_run()) {
        let [one, other] = [variants, shuffled].map(|variants| ranked(&run(&variants)));
        prop_assert_eq!(all_ranks(&one), all_ranks(&other));
        prop_assert_eq!(one.pairs, other.pairs);
        let [mut one, mut other] = [&one, &other].map(dominations);
        one.sort_unstable();
        other.sort_unstable();
        prop_assert_eq!(one, other);
    }

    #[test]
    fn ranks_and_dominations_are_what_they_say((variants, _) in any_run()) {
        let ranking = ranked(&run(&variants));
        let base = &ranking.bases[0];
        let measures = || base.cases.iter().flat_map(|case| &case.measures);
        for measure in measures().filter(|measure| !measure.ranked.is_empty()) {
            prop_assert_eq!(measure.ranked[0].rank, 1);
            for it in &measure.ranked {
                prop_assert_eq!(it.rank, 1 + it.worse_than.len());
                for worse in measure.ranked.iter().filter(|other| it.better_than.contains(&other.variant)) {
                    prop_assert!(it.share > worse.share && worse.worse_than.contains(&it.variant));
                }
            }
        }
        let found = dominations(&ranking);
        let beats = |a: &str, b: &str| {
            measures().flat_map(|it| &it.ranked).any(|it| it.variant == a && it.better_than.iter().any(|worse| worse == b))
        };
        for (a, b) in base.variants.iter().flat_map(|a| base.variants.iter().map(move |b| (&*a.variant, &*b.variant))) {
            prop_assert_eq!(found.contains(&(a, b)), beats(a, b) && !beats(b, a));
            prop_assert!(!(found.contains(&(a, b)) && found.contains(&(b, a))), "also if they are one and the same");
        }
    }

    /// Benjamini and Hochberg's bound, from the p-values themselves: with R differences found in m tests, those are the
    /// ones with a p-value of up to α·R/m, and there is no larger R of which that is true.
    #[test]
    fn differences_are_those_that_the_false_discovery_rate_allows((variants, _) in any_run()) {
        let ranking = ranked(&run(&variants));
        let mut tests: Vec<(f64, bool)> = Vec::new();
        for measure in ranking.bases[0].cases.iter().flat_map(|case| &case.measures) {
            for (at, a) in measure.ranked.iter().enumerate() {
                for b in &measure.ranked[at + 1..] {
                    let [one, other] = [a, b].map(|it| Proportion::new(it.good, it.of).unwrap());
                    let found = a.better_than.contains(&b.variant) || b.better_than.contains(&a.variant);
                    tests.push((boschloo(one, other), found));
                }
            }
        }
        prop_assert_eq!(tests.len(), ranking.pairs.all());
        tests.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let found = tests.iter().filter(|test| test.1).count();
        prop_assert_eq!(found, ranking.pairs.different);
        let count = |count: usize| f64::from(u32::try_from(count).unwrap());
        for (number, (p_value, is_found)) in (1..).zip(&tests) {
            if *is_found {
                prop_assert!(p_value * count(tests.len()) < ranking.alpha * count(found) + 1e-12);
            } else {
                prop_assert!(p_value * count(tests.len()) > ranking.alpha * count(number) - 1e-12);
            }
        }
    }
}

/// The probability of a count out of a total.
fn binomial(hits: u32, of: u32, share: f64) -> f64 {
    let ways: f64 = (0..hits).map(|i| f64::from(of - i) / f64::from(i + 1)).product();
    ways * share.powi(i32::try_from(hits).unwrap()) * (1.0 - share).powi(i32::try_from(of - hits).unwrap())
}

/// All pairs of four variants share their variants, and for such a family nobody has proved the procedure's bound. So
/// every outcome of six trials a variant is gone through: the expected share of false differences among those found,
/// computed and not simulated, is at most 5 %, whether all four are equal, three, or two and two.
#[test]
fn four_variants_in_one_case_hold_their_false_discovery_rate() {
    const TRIALS: u32 = 6;
    let outcomes: Vec<[u32; 4]> =
        (0..7_u32.pow(4)).map(|number| [0, 1, 2, 3].map(|digit| number / 7_u32.pow(digit) % 7)).collect();
    let decided = |outcome: &[u32; 4]| {
        let shares = outcome.iter().map(|hits| Proportion::new(*hits, TRIALS).unwrap().into()).enumerate();
        let mut contest = Contest::new(0, Measure::Ended, shares.collect());
        let pairs: Vec<Pair> = contest.pairs().collect();
        let p_values = adjusted(&pairs, Evidence::Fixed);
        let mut verdicts =
            pairs.iter().zip(p_values).map(|(pair, p_value)| pair.verdict(p_value.unwrap(), Options::default()));
        contest.judge(&mut verdicts);
        contest.duels.into_iter().filter(contest::Duel::is_decided).map(|duel| (duel.lower, duel.higher)).collect()
    };
    let found: Vec<Vec<(usize, usize)>> = outcomes.iter().map(decided).collect();
    assert!(found.iter().any(|found| found.len() == 4), "two that keep all against two that keep none");
    for share in (1..20).map(|twentieth| f64::from(twentieth) / 20.0) {
        for shares in [[share; 4], [share, share, share, 0.0], [share, share, 0.0, 0.0], [share, share, 1.0, 1.0]] {
            let false_share = |found: &Vec<(usize, usize)>| {
                let wrong = found.iter().filter(|(a, b)| (shares[*a] - shares[*b]).abs() < 1e-9).count();
                let count = |count: usize| f64::from(u32::try_from(count).unwrap());
                count(wrong) / count(found.len()).max(1.0)
            };
            let weight = |outcome: &[u32; 4]| {
                outcome.iter().zip(shares).map(|(hits, share)| binomial(*hits, TRIALS, share)).product::<f64>()
            };
            let expected: f64 = outcomes.iter().zip(&found).map(|(o, found)| weight(o) * false_share(found)).sum();
            assert!(expected <= 0.05, "{expected} at {shares:?}");
        }
    }
}
